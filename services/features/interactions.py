"""The interactions that every provider has, among them the buttons of a request for approval."""

from __future__ import annotations

from collections.abc import Mapping

from messages.kit import action_ids
from messages.kit.button_values import ProposalButton
from services.actions import run
from services.features import apps, option_lists
from services.features.access_rules import form as access_rule_form
from services.features.access_rules.form import VIEW_ACTIONS, AddRuleForm
from services.features.accounts import form as account_form
from services.features.accounts.form import ConnectAccountForm
from services.features.apps import ChooseAppForm
from services.features.profile import form as profile_form
from services.features.profile.form import EditProfileForm
from services.features.subscriptions import buttons as subscription_buttons
from services.features.subscriptions.form import EditSubscriptionForm, select_app
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply
from services.request.forms import handlers_of
from services.request.interactions import Interactions


async def _agree(press: ButtonPress) -> Reply | None:
    return await run.decide_pending_action(ProposalButton.decode(press.value), press.context, agreed=True)


async def _decline(press: ButtonPress) -> Reply | None:
    return await run.decide_pending_action(ProposalButton.decode(press.value), press.context, agreed=False)


PENDING_ACTION_BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.PROPOSAL_AGREE: _agree,
    action_ids.PROPOSAL_DECLINE: _decline,
}


INTERACTIONS = Interactions(
    buttons={
        **account_form.BUTTONS,
        **access_rule_form.BUTTONS,
        **PENDING_ACTION_BUTTONS,
        **subscription_buttons.BUTTONS,
    },
    form_buttons={
        **account_form.FORM_BUTTONS,
        **access_rule_form.FORM_BUTTONS,
        **apps.FORM_BUTTONS,
        **profile_form.FORM_BUTTONS,
        **subscription_buttons.FORM_BUTTONS,
    },
    view_actions=VIEW_ACTIONS,
    forms=handlers_of(AddRuleForm, ChooseAppForm, ConnectAccountForm, EditProfileForm, EditSubscriptionForm),
    options=option_lists.OPTIONS,
    options_in=option_lists.OPTIONS_IN,
    app_selections={action_ids.SUBSCRIPTION_MODAL: select_app, **option_lists.APP_SELECTIONS},
    selections=option_lists.SELECTIONS,
    # A click on a link changes nothing, and users may remove their own account.
    open_to_external_users=frozenset(
        {action_ids.OPEN_LINK, action_ids.DISCONNECT, action_ids.WIPE_TOKEN, action_ids.APPS_PAGE}
    ),
)
