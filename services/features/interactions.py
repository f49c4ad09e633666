"""The interactions that every provider has."""

from __future__ import annotations

from messages.kit import action_ids
from services.features import option_lists
from services.features.access_rules import buttons as access_rule_buttons
from services.features.access_rules.form import VIEW_ACTIONS, AddRuleForm
from services.features.accounts import buttons as account_buttons
from services.features.accounts.form import ConnectAccountForm
from services.features.apps import buttons as app_buttons
from services.features.apps.form import ChooseAppForm
from services.features.pending_actions import buttons as pending_action_buttons
from services.features.profile import buttons as profile_buttons
from services.features.profile.form import EditProfileForm
from services.features.subscriptions import buttons as subscription_buttons
from services.features.subscriptions.form import EditSubscriptionForm, select_app
from services.home import app_search
from services.request.forms import handlers_of
from services.request.interactions import Interactions

INTERACTIONS = Interactions(
    buttons={
        **account_buttons.BUTTONS,
        **access_rule_buttons.BUTTONS,
        **pending_action_buttons.BUTTONS,
        **subscription_buttons.BUTTONS,
    },
    form_buttons={
        **account_buttons.FORM_BUTTONS,
        **access_rule_buttons.FORM_BUTTONS,
        **app_buttons.FORM_BUTTONS,
        **profile_buttons.FORM_BUTTONS,
        **subscription_buttons.FORM_BUTTONS,
    },
    view_actions=VIEW_ACTIONS,
    forms=handlers_of(AddRuleForm, ChooseAppForm, ConnectAccountForm, EditProfileForm, EditSubscriptionForm),
    options=option_lists.OPTIONS,
    options_in=option_lists.OPTIONS_IN,
    app_selections={action_ids.SUBSCRIPTION_MODAL: select_app, **app_search.APP_SELECTIONS},
    selections=option_lists.SELECTIONS,
    # A click on a link changes nothing, and users may remove their own account.
    open_to_external_users=frozenset(
        {action_ids.OPEN_LINK, action_ids.DISCONNECT, action_ids.WIPE_TOKEN, action_ids.APPS_PAGE}
    ),
)
