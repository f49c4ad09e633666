"""Build.io's buttons, forms and option lists."""

from __future__ import annotations

from providers.buildio import action_ids
from providers.buildio.apps import buttons as app_buttons
from providers.buildio.apps.create import CreateAppForm
from providers.buildio.config_vars import buttons as config_var_buttons
from providers.buildio.config_vars.forms import SetVarsForm, UnsetVarsForm
from providers.buildio.deploy_links import commands as deploy_link_commands
from providers.buildio.deploys.commands import DeployAppForm
from providers.buildio.domains import buttons as domain_buttons
from providers.buildio.domains.forms import AddDomainForm, RemoveDomainsForm, ReplaceCertificateForm
from providers.buildio.namespaces import forms as namespace_forms
from providers.buildio.namespaces.forms import CreateNamespaceForm, DeleteNamespaceForm
from providers.buildio.pipelines import commands as pipeline_commands
from providers.buildio.processes import buttons as process_buttons
from providers.buildio.processes import run_commands
from providers.buildio.processes.commands import RestartProcessesForm
from providers.buildio.processes.run_commands import ReviewCommandForm, RunCommandForm
from providers.buildio.teams import offer_teams
from services.features.option_lists import offer_apps
from services.request.forms import handlers_of
from services.request.interactions import Interactions

INTERACTIONS = Interactions(
    buttons={
        **app_buttons.BUTTONS,
        **process_buttons.BUTTONS,
        **run_commands.BUTTONS,
        **config_var_buttons.BUTTONS,
        **domain_buttons.BUTTONS,
        **pipeline_commands.BUTTONS,
        **deploy_link_commands.BUTTONS,
    },
    form_buttons={
        **app_buttons.FORM_BUTTONS,
        **process_buttons.FORM_BUTTONS,
        **run_commands.FORM_BUTTONS,
        **config_var_buttons.FORM_BUTTONS,
        **domain_buttons.FORM_BUTTONS,
        **namespace_forms.FORM_BUTTONS,
    },
    forms=handlers_of(
        CreateAppForm,
        DeployAppForm,
        RestartProcessesForm,
        RunCommandForm,
        ReviewCommandForm,
        SetVarsForm,
        UnsetVarsForm,
        AddDomainForm,
        ReplaceCertificateForm,
        RemoveDomainsForm,
        CreateNamespaceForm,
        DeleteNamespaceForm,
    ),
    options={action_ids.PICK_APP: offer_apps, action_ids.PICK_TEAM: offer_teams},
    # They show no more than the channel's subscriptions do.
    open_to_external_users=frozenset({action_ids.APP, action_ids.REFRESH}),
)
