"""What can be typed behind `/buildio`."""

from bot.commands import alike
from bot.commands.buildio import values
from bot.commands.buildio.catalogue import CATALOGUE
from bot.commands.buildio.model import (
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
from bot.commands.buildio.reading import READERS
from bot.commands.buildio.values import LONGEST_COMMAND, array_of, host, is_key
from bot.commands.buildio.wording import words
from bot.commands.grammar import Grammar
from bot.commands.tokens import arguments
from bot.provider import Provider

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
    **alike.ALIASES,
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

BUILDIO = Grammar(
    provider=Provider.BUILDIO,
    catalogue=CATALOGUE,
    readers=READERS,
    aliases=_ALIASES,
    # Slack makes a link of what looks like a host name.
    names=r"buildio|(?:https?://)?build\.io/?",
    example="apps",
    build_ref=values.build_ref,
)
