"""Build.io's buttons, forms and option lists."""

from __future__ import annotations

from providers.buildio import action_ids
from providers.buildio.apps import buttons as app_buttons
from providers.buildio.apps import create_submission
from providers.buildio.config_vars import buttons as config_var_buttons
from providers.buildio.config_vars import submissions as config_var_submissions
from providers.buildio.deploy_links import buttons as deploy_link_buttons
from providers.buildio.deploys import submission as deploy_submission
from providers.buildio.domains import buttons as domain_buttons
from providers.buildio.domains import submissions as domain_submissions
from providers.buildio.namespaces import buttons as namespace_buttons
from providers.buildio.namespaces import forms as namespace_forms
from providers.buildio.pipelines import buttons as pipeline_buttons
from providers.buildio.processes import buttons as process_buttons
from providers.buildio.processes import restart_submission, run_buttons, run_submission
from providers.buildio.teams.options import offer_teams
from services.features.option_lists import offer_apps
from services.request.interactions import Interactions

INTERACTIONS = Interactions(
    buttons={
        **app_buttons.BUTTONS,
        **process_buttons.BUTTONS,
        **run_buttons.BUTTONS,
        **config_var_buttons.BUTTONS,
        **domain_buttons.BUTTONS,
        **pipeline_buttons.BUTTONS,
        **deploy_link_buttons.BUTTONS,
    },
    form_buttons={
        **app_buttons.FORM_BUTTONS,
        **process_buttons.FORM_BUTTONS,
        **run_buttons.FORM_BUTTONS,
        **config_var_buttons.FORM_BUTTONS,
        **domain_buttons.FORM_BUTTONS,
        **namespace_buttons.FORM_BUTTONS,
    },
    forms={
        **create_submission.FORMS,
        **deploy_submission.FORMS,
        **restart_submission.FORMS,
        **run_submission.FORMS,
        **config_var_submissions.FORMS,
        **domain_submissions.FORMS,
        **namespace_forms.FORMS,
    },
    options={action_ids.PICK_APP: offer_apps, action_ids.PICK_TEAM: offer_teams},
    # They show no more than the channel's subscriptions do.
    open_to_external_users=frozenset({action_ids.APP, action_ids.REFRESH}),
)
