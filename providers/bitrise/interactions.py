"""Bitrise's buttons, forms, lists, shortcuts, links and workflow functions."""

from __future__ import annotations

from messages.kit import action_ids as shared_action_ids
from providers.bitrise import action_ids
from providers.bitrise.artifacts import buttons as artifact_buttons
from providers.bitrise.build_requests import buttons as build_request_buttons
from providers.bitrise.builds import buttons as build_buttons
from providers.bitrise.builds import trigger_form
from providers.bitrise.builds.abort_form import AbortForm
from providers.bitrise.builds.find_form import FindForm
from providers.bitrise.builds.trigger_form import TriggerForm
from providers.bitrise.link_previews import preview_link
from providers.bitrise.logs import buttons as log_buttons
from providers.bitrise.logs.buttons import LogSearchForm
from providers.bitrise.pipelines import buttons as pipeline_buttons
from providers.bitrise.shortcuts import ABOUT, SHORTCUTS
from providers.bitrise.workflow_functions import FUNCTIONS
from services.request.forms import handlers_of
from services.request.interactions import Interactions

INTERACTIONS = Interactions(
    buttons={
        **build_buttons.BUTTONS,
        **log_buttons.BUTTONS,
        **artifact_buttons.BUTTONS,
        **pipeline_buttons.BUTTONS,
        **build_request_buttons.BUTTONS,
    },
    form_buttons={**build_buttons.FORM_BUTTONS, **log_buttons.FORM_BUTTONS},
    view_actions=trigger_form.VIEW_ACTIONS,
    forms=handlers_of(AbortForm, TriggerForm, FindForm, LogSearchForm),
    options=build_buttons.OPTIONS,
    app_selections={action_ids.START_MODAL: trigger_form.select_app},
    selections=frozenset({action_ids.PICK_BUILDABLE, action_ids.ARTIFACTS_PICK}),
    shortcuts=SHORTCUTS,
    functions=FUNCTIONS,
    link_previews=(preview_link,),
    # These show only what the channel is subscribed to.
    open_to_external_users=frozenset(
        {
            ABOUT,
            shared_action_ids.BUILD_SHOW,
            action_ids.BUILD_REFRESH,
            action_ids.BUILD_COMPARE,
            shared_action_ids.BUILDS_NEXT,
            shared_action_ids.PIPELINE_SHOW,
            shared_action_ids.PIPELINE_REFRESH,
        }
    ),
)
