"""Formatting of Build.io's commands as text that can be typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from domain.commands.command import Command
from domain.commands.formatting import quote
from tests.providers.buildio import commands

# A name like this needs no quotes.
_BARE = re.compile(r"[a-z][a-z0-9-]*")
_RESERVED = ("get", "set", "unset", "add", "remove", "clear", "create", "delete", "to", "preview")


def format_command(command: Command) -> str:
    """Format the command as it can be typed. Raises TypeError for a command that is not Build.io's own."""
    return " ".join(part for part in _parts(command) if part)


def _parts(command: Command) -> Sequence[str]:  # noqa: PLR0912 - one case a command
    match command:
        case commands.ShowApp(app=app):
            return "app", _format_name(app)
        case commands.CreateApp(name=name, team=team, region=region):
            return "create", _format_name(name), *_format_options(team=team, region=region)
        case commands.Deploy(app=app, branch=branch, commit=commit, message=message):
            return (
                "deploy",
                _format_name(app),
                *_format_options(branch=branch, commit=commit, message=message),
            )
        case commands.ListDynos(app=app):
            return "ps", _format_name(app)
        case commands.RestartDynos(app=app, dyno=dyno):
            return "restart", _format_name(app), _format_name(dyno) if app else dyno or ""
        case commands.RunCommand(app=app, dyno=dyno, command=array):
            return "run", _format_name(app), *_format_options(dyno=dyno), "--", shlex.join(array)
        case commands.ListConfig(app=app):
            return "config", _format_name(app)
        case commands.GetConfig(app=app, key=key):
            return "config get", _format_name(app), key
        case commands.SetConfig(app=app, key=key):
            return "config set", _format_name(app), key or ""
        case commands.UnsetConfig(app=app, keys=keys):
            return "config unset", _format_name(app), *keys
        case commands.ListDomains(app=app):
            return "domains", _format_name(app)
        case commands.AddDomain(app=app, host=host):
            return "domains add", _format_name(app), host or ""
        case commands.RemoveDomain(app=app, host=host):
            return "domains remove", _format_name(app), host
        case commands.ClearDomains(app=app):
            return "domains clear", _format_name(app)
        case commands.ListPipelines():
            return ("pipelines",)
        case commands.ShowPipeline(name=name):
            return "pipeline", _format_name(name)
        case commands.ListEnvironments():
            return ("envs",)
        case commands.ShowEnvironment(id=which):
            return "envs", _format_name(which)
        case commands.SetEnvironment(id=which, key=key):
            return "envs set", _format_name(which), key or ""
        case commands.UnsetEnvironment(id=which, keys=keys):
            return "envs unset", _format_name(which), *keys
        case commands.ListNamespaces():
            return ("namespaces",)
        case commands.ShowNamespace(name=name):
            return "namespace", _format_name(name)
        case commands.CreateNamespace(name=name, team=team, region=region, description=description):
            return (
                "namespaces create",
                _format_name(name),
                *_format_options(team=team, region=region, description=description),
            )
        case commands.DeleteNamespace(name=name):
            return "namespaces delete", _format_name(name)
        case commands.ListTeams():
            return ("teams",)
        case commands.ShowTeam(team=team):
            return "team", _format_name(team)
        case commands.Login(region=region):
            return "login", _format_name(region)
        case commands.ListDeployLinks():
            return ("link",)
        case commands.CreateDeployLink(app=app, bitrise=bitrise, branches=branches):
            branch = ",".join(branches) or None
            return "link", _format_name(app), "to", *_format_options(bitrise=bitrise, branch=branch)
        case commands.DeleteDeployLink(app=app, bitrise=bitrise):
            return "unlink", _format_name(app), *_format_options(bitrise=bitrise)
    raise TypeError(f"{type(command).__name__} is no command of Build.io's own")


def _format_options(**values: str | None) -> list[str]:
    return [f"{key}:{quote(value)}" for key, value in values.items() if value is not None]


def _format_name(name: str | None) -> str:
    """Return the name, quoted if it could be read as another word."""
    if name is None:
        return ""
    return name if _BARE.fullmatch(name) and name not in _RESERVED else quote(name, always=True)
