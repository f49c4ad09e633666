"""What Build.io alone is asked for: its answers, by their commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from domain.commands.shared_commands import ListApps
from providers.buildio import command_grammar as own
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
from providers.buildio.processes import commands as processe_commands
from providers.buildio.processes import run_commands
from providers.buildio.teams import commands as team_commands
from services.request.context import Reply, RequestContext

ANSWERS: Mapping[type[Any], Callable[[Any, RequestContext], Awaitable[Reply | None]]] = {
    ListApps: app_commands.list_apps,
    own.ShowApp: app_commands.show,
    own.CreateApp: create.create,
    own.Deploy: deploy_commands.deploy,
    own.ListDynos: processe_commands.list_dynos,
    own.RestartDynos: processe_commands.restart,
    own.RunCommand: run_commands.run,
    own.ListConfig: config_var_commands.show,
    own.GetConfig: config_var_commands.get,
    own.SetConfig: config_var_commands.set_,
    own.UnsetConfig: config_var_commands.unset,
    own.ListDomains: domain_commands.list_domains,
    own.AddDomain: domain_commands.add,
    own.RemoveDomain: domain_commands.remove,
    own.ClearDomains: domain_commands.clear,
    own.ListEnvironments: environment_commands.list_environments,
    own.ShowEnvironment: environment_commands.show,
    own.SetEnvironment: environment_commands.set_,
    own.UnsetEnvironment: environment_commands.unset,
    own.ListPipelines: pipeline_commands.list_pipelines,
    own.ShowPipeline: pipeline_commands.show,
    own.ListNamespaces: namespace_commands.list_namespaces,
    own.ShowNamespace: namespace_commands.show,
    own.CreateNamespace: namespace_commands.create,
    own.DeleteNamespace: namespace_commands.delete,
    own.ListTeams: team_commands.list_teams,
    own.ShowTeam: team_commands.show,
    own.Login: login_commands.log_in,
    **deploy_link_commands.ANSWERS,
}
