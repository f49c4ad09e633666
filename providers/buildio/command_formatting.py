"""From Build.io's commands back to words: for people, and for buttons that ask the same again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from domain.commands.formatting import quoted
from domain.commands.shared_commands import Command
from providers.buildio import commands

# An app that is called like this stands for itself wherever it is typed.
_BARE = re.compile(r"[a-z][a-z0-9-]*")
_TAKEN = ("get", "set", "unset", "add", "remove", "clear", "create", "delete", "to", "preview")


def words(command: Command) -> str:
    """The command as it could be typed. Raises TypeError for one that is not Build.io's own."""
    return " ".join(part for part in _parts(command) if part)


def _parts(command: Command) -> Sequence[str]:  # noqa: PLR0912 - one case a command
    match command:
        case commands.ShowApp(app=app):
            return "app", _name(app)
        case commands.CreateApp(name=name, team=team, region=region):
            return "create", _name(name), *_keyed(team=team, region=region)
        case commands.Deploy(app=app, branch=branch, commit=commit, message=message):
            return "deploy", _name(app), *_keyed(branch=branch, commit=commit, message=message)
        case commands.ListDynos(app=app):
            return "ps", _name(app)
        case commands.RestartDynos(app=app, dyno=dyno):
            return "restart", _name(app), _name(dyno) if app else dyno or ""
        case commands.RunCommand(app=app, dyno=dyno, command=array):
            return "run", _name(app), *_keyed(dyno=dyno), "--", shlex.join(array)
        case commands.ListConfig(app=app):
            return "config", _name(app)
        case commands.GetConfig(app=app, key=key):
            return "config get", _name(app), key
        case commands.SetConfig(app=app, key=key):
            return "config set", _name(app), key or ""
        case commands.UnsetConfig(app=app, keys=keys):
            return "config unset", _name(app), *keys
        case commands.ListDomains(app=app):
            return "domains", _name(app)
        case commands.AddDomain(app=app, host=host):
            return "domains add", _name(app), host or ""
        case commands.RemoveDomain(app=app, host=host):
            return "domains remove", _name(app), host
        case commands.ClearDomains(app=app):
            return "domains clear", _name(app)
        case commands.ListPipelines():
            return ("pipelines",)
        case commands.ShowPipeline(name=name):
            return "pipeline", _name(name)
        case commands.ListEnvironments():
            return ("envs",)
        case commands.ShowEnvironment(id=which):
            return "envs", _name(which)
        case commands.SetEnvironment(id=which, key=key):
            return "envs set", _name(which), key or ""
        case commands.UnsetEnvironment(id=which, keys=keys):
            return "envs unset", _name(which), *keys
        case commands.ListNamespaces():
            return ("namespaces",)
        case commands.ShowNamespace(name=name):
            return "namespace", _name(name)
        case commands.CreateNamespace(name=name, team=team, region=region, description=description):
            return (
                "namespaces create",
                _name(name),
                *_keyed(team=team, region=region, description=description),
            )
        case commands.DeleteNamespace(name=name):
            return "namespaces delete", _name(name)
        case commands.ListTeams():
            return ("teams",)
        case commands.ShowTeam(team=team):
            return "team", _name(team)
        case commands.Login(region=region):
            return "login", _name(region)
        case commands.ListTies():
            return ("link",)
        case commands.Link(app=app, bitrise=bitrise, branches=branches):
            branch = ",".join(branches) or None
            return "link", _name(app), "to", *_keyed(bitrise=bitrise, branch=branch)
        case commands.Unlink(app=app, bitrise=bitrise):
            return "unlink", _name(app), *_keyed(bitrise=bitrise)
    raise TypeError(f"{type(command).__name__} is no command of Build.io's own")


def _keyed(**values: str | None) -> list[str]:
    return [f"{key}:{quoted(value)}" for key, value in values.items() if value is not None]


def _name(name: str | None) -> str:
    """A name as a word that nothing else can be meant by."""
    if name is None:
        return ""
    return name if _BARE.fullmatch(name) and name not in _TAKEN else quoted(name, always=True)
