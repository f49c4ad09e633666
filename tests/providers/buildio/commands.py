"""Build.io's commands, of all features."""

from __future__ import annotations

from providers.buildio.apps.commands import ShowApp
from providers.buildio.apps.create import CreateApp, CreateNamespace
from providers.buildio.config_vars.commands import GetConfig, ListConfig, SetConfig, UnsetConfig
from providers.buildio.deploy_links.commands import CreateDeployLink, DeleteDeployLink, ListDeployLinks
from providers.buildio.deploys.form import Deploy
from providers.buildio.domains.commands import AddDomain, ClearDomains, ListDomains, RemoveDomain
from providers.buildio.login import Login
from providers.buildio.namespaces.commands import DeleteNamespace, ListNamespaces, ShowNamespace
from providers.buildio.pipelines.commands import ListPipelines, ShowPipeline
from providers.buildio.pipelines.environment_commands import (
    ListEnvironments,
    SetEnvironment,
    ShowEnvironment,
    UnsetEnvironment,
)
from providers.buildio.processes.commands import ListDynos, RestartDynos
from providers.buildio.processes.run_form import RunCommand
from providers.buildio.teams import ListTeams, ShowTeam

__all__ = [
    "AddDomain",
    "ClearDomains",
    "CreateApp",
    "CreateDeployLink",
    "CreateNamespace",
    "DeleteDeployLink",
    "DeleteNamespace",
    "Deploy",
    "GetConfig",
    "ListConfig",
    "ListDeployLinks",
    "ListDomains",
    "ListDynos",
    "ListEnvironments",
    "ListNamespaces",
    "ListPipelines",
    "ListTeams",
    "Login",
    "RemoveDomain",
    "RestartDynos",
    "RunCommand",
    "SetConfig",
    "SetEnvironment",
    "ShowApp",
    "ShowEnvironment",
    "ShowNamespace",
    "ShowPipeline",
    "ShowTeam",
    "UnsetConfig",
    "UnsetEnvironment",
]
