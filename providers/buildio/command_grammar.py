"""What can be typed behind `/buildio`."""

from domain.commands import shared_command_help
from domain.commands.parser import CommandParser
from domain.commands.tokenizer import arguments
from domain.provider import Provider
from providers.buildio.command_formatting import words
from providers.buildio.command_help import CATALOGUE
from providers.buildio.command_parser import READERS
from providers.buildio.commands import (
    AddDomain,
    ClearDomains,
    CreateApp,
    CreateNamespace,
    DeleteNamespace,
    Deploy,
    GetConfig,
    Link,
    ListConfig,
    ListDomains,
    ListDynos,
    ListEnvironments,
    ListNamespaces,
    ListPipelines,
    ListTeams,
    ListTies,
    Login,
    RemoveDomain,
    RestartDynos,
    RunCommand,
    SetConfig,
    SetEnvironment,
    ShowApp,
    ShowEnvironment,
    ShowNamespace,
    ShowPipeline,
    ShowTeam,
    Unlink,
    UnsetConfig,
    UnsetEnvironment,
)
from providers.buildio.shared import arguments as shared_arguments
from providers.buildio.shared.arguments import LONGEST_COMMAND, array_of, host, is_key

__all__ = [
    "BUILDIO",
    "LONGEST_COMMAND",
    "AddDomain",
    "ClearDomains",
    "CreateApp",
    "CreateNamespace",
    "DeleteNamespace",
    "Deploy",
    "GetConfig",
    "Link",
    "ListConfig",
    "ListDomains",
    "ListDynos",
    "ListEnvironments",
    "ListNamespaces",
    "ListPipelines",
    "ListTeams",
    "ListTies",
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
    "Unlink",
    "UnsetConfig",
    "UnsetEnvironment",
    "arguments",
    "array_of",
    "host",
    "is_key",
    "words",
]

_ALIASES = {
    **shared_command_help.ALIASES,
    "list": "apps",
    "show": "app",
    "info": "app",
    "status": "app",
    "new": "create",
    "build": "deploy",
    "release": "deploy",
    "start": "deploy",
    "trigger": "deploy",
    "dynos": "ps",
    "processes": "ps",
    "reboot": "restart",
    "exec": "run",
    "vars": "config",
    "domain": "domains",
    "env": "envs",
    "environments": "envs",
    "tie": "link",
    "untie": "unlink",
}

BUILDIO = CommandParser(
    provider=Provider.BUILDIO,
    catalogue=CATALOGUE,
    readers=READERS,
    aliases=_ALIASES,
    # Slack makes a link of what looks like a host name.
    names=r"buildio|(?:https?://)?build\.io/?",
    example="apps",
    build_ref=shared_arguments.build_ref,
)
