"""What Build.io alone is asked for: its answers, by their commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bot import commands
from bot.commands import buildio as own
from handlers.buildio import (
    apps,
    config,
    creating,
    deploying,
    domains,
    environments,
    login,
    namespaces,
    pipelines,
    processes,
    running,
    teams,
    ties,
)
from handlers.caller import Answer, Caller

ANSWERS: Mapping[type[Any], Callable[[Any, Caller], Awaitable[Answer | None]]] = {
    commands.ListApps: apps.list_apps,
    own.ShowApp: apps.show,
    own.CreateApp: creating.create,
    own.Deploy: deploying.deploy,
    own.ListDynos: processes.list_dynos,
    own.RestartDynos: processes.restart,
    own.RunCommand: running.run,
    own.ListConfig: config.show,
    own.GetConfig: config.get,
    own.SetConfig: config.set_,
    own.UnsetConfig: config.unset,
    own.ListDomains: domains.list_domains,
    own.AddDomain: domains.add,
    own.RemoveDomain: domains.remove,
    own.ClearDomains: domains.clear,
    own.ListEnvironments: environments.list_environments,
    own.ShowEnvironment: environments.show,
    own.SetEnvironment: environments.set_,
    own.UnsetEnvironment: environments.unset,
    own.ListPipelines: pipelines.list_pipelines,
    own.ShowPipeline: pipelines.show,
    own.ListNamespaces: namespaces.list_namespaces,
    own.ShowNamespace: namespaces.show,
    own.CreateNamespace: namespaces.create,
    own.DeleteNamespace: namespaces.delete,
    own.ListTeams: teams.list_teams,
    own.ShowTeam: teams.show,
    own.Login: login.log_in,
    **ties.ANSWERS,
}
