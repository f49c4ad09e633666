"""The handlers of Build.io's own commands."""

from __future__ import annotations

from collections.abc import Mapping

from domain.commands.shared_commands import Command, ListApps
from providers.buildio import commands
from providers.buildio.apps import commands as app_commands
from providers.buildio.apps import create
from providers.buildio.config_vars import commands as config_var_commands
from providers.buildio.deploy_links import commands as deploy_link_commands
from providers.buildio.deploys import commands as deploy_commands
from providers.buildio.domains import commands as domain_commands
from providers.buildio.login import commands as login_commands
from providers.buildio.namespaces import commands as namespace_commands
from providers.buildio.pipelines import commands as pipeline_commands
from providers.buildio.pipelines import environment_commands
from providers.buildio.processes import commands as process_commands
from providers.buildio.processes import run_commands
from providers.buildio.teams import commands as team_commands
from services.provider_spec import CommandHandler

COMMAND_HANDLERS: Mapping[type[Command], CommandHandler] = {
    ListApps: app_commands.list_apps,
    commands.ShowApp: app_commands.show,
    commands.CreateApp: create.create,
    commands.Deploy: deploy_commands.deploy,
    commands.ListDynos: process_commands.list_dynos,
    commands.RestartDynos: process_commands.restart,
    commands.RunCommand: run_commands.run,
    commands.ListConfig: config_var_commands.show,
    commands.GetConfig: config_var_commands.get,
    commands.SetConfig: config_var_commands.set_,
    commands.UnsetConfig: config_var_commands.unset,
    commands.ListDomains: domain_commands.list_domains,
    commands.AddDomain: domain_commands.add,
    commands.RemoveDomain: domain_commands.remove,
    commands.ClearDomains: domain_commands.clear,
    commands.ListEnvironments: environment_commands.list_environments,
    commands.ShowEnvironment: environment_commands.show,
    commands.SetEnvironment: environment_commands.set_,
    commands.UnsetEnvironment: environment_commands.unset,
    commands.ListPipelines: pipeline_commands.list_pipelines,
    commands.ShowPipeline: pipeline_commands.show,
    commands.ListNamespaces: namespace_commands.list_namespaces,
    commands.ShowNamespace: namespace_commands.show,
    commands.CreateNamespace: namespace_commands.create,
    commands.DeleteNamespace: namespace_commands.delete,
    commands.ListTeams: team_commands.list_teams,
    commands.ShowTeam: team_commands.show,
    commands.Login: login_commands.log_in,
    **deploy_link_commands.COMMAND_HANDLERS,
}
