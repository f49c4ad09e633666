"""From Build.io's commands back to words: for people, and for buttons that ask the same again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from bot.commands.buildio import model
from bot.commands.model import Command
from bot.commands.wording import quoted

# An app that is called like this stands for itself wherever it is typed.
_BARE = re.compile(r"[a-z][a-z0-9-]*")
_TAKEN = ("get", "set", "unset", "add", "remove", "clear", "create", "delete", "to", "preview")


def words(command: Command) -> str:
    """The command as it could be typed. Raises TypeError for one that is not Build.io's own."""
    return " ".join(part for part in _parts(command) if part)


def _parts(command: Command) -> Sequence[str]:  # noqa: PLR0912 - one case a command
    match command:
        case model.ShowApp(app=app):
            return "app", _name(app)
        case model.CreateApp(name=name, team=team, region=region):
            return "create", _name(name), *_keyed(team=team, region=region)
        case model.Deploy(app=app, branch=branch, commit=commit, message=message):
            return "deploy", _name(app), *_keyed(branch=branch, commit=commit, message=message)
        case model.ListDynos(app=app):
            return "ps", _name(app)
        case model.RestartDynos(app=app, dyno=dyno):
            return "restart", _name(app), _name(dyno) if app else dyno or ""
        case model.RunCommand(app=app, dyno=dyno, command=array):
            return "run", _name(app), *_keyed(dyno=dyno), "--", shlex.join(array)
        case model.ListConfig(app=app):
            return "config", _name(app)
        case model.GetConfig(app=app, key=key):
            return "config get", _name(app), key
        case model.SetConfig(app=app, key=key):
            return "config set", _name(app), key or ""
        case model.UnsetConfig(app=app, keys=keys):
            return "config unset", _name(app), *keys
        case model.ListDomains(app=app):
            return "domains", _name(app)
        case model.AddDomain(app=app, host=host):
            return "domains add", _name(app), host or ""
        case model.RemoveDomain(app=app, host=host):
            return "domains remove", _name(app), host
        case model.ClearDomains(app=app):
            return "domains clear", _name(app)
        case model.ListPipelines():
            return ("pipelines",)
        case model.ShowPipeline(name=name):
            return "pipeline", _name(name)
        case model.ListEnvironments():
            return ("envs",)
        case model.ShowEnvironment(id=which):
            return "envs", _name(which)
        case model.SetEnvironment(id=which, key=key):
            return "envs set", _name(which), key or ""
        case model.UnsetEnvironment(id=which, keys=keys):
            return "envs unset", _name(which), *keys
        case model.ListNamespaces():
            return ("namespaces",)
        case model.ShowNamespace(name=name):
            return "namespace", _name(name)
        case model.CreateNamespace(name=name, team=team, region=region, description=description):
            return (
                "namespaces create",
                _name(name),
                *_keyed(team=team, region=region, description=description),
            )
        case model.DeleteNamespace(name=name):
            return "namespaces delete", _name(name)
        case model.ListTeams():
            return ("teams",)
        case model.ShowTeam(team=team):
            return "team", _name(team)
        case model.Login(region=region):
            return "login", _name(region)
        case model.ListTies():
            return ("link",)
        case model.Link(app=app, bitrise=bitrise, branches=branches):
            branch = ",".join(branches) or None
            return "link", _name(app), "to", *_keyed(bitrise=bitrise, branch=branch)
        case model.Unlink(app=app, bitrise=bitrise):
            return "unlink", _name(app), *_keyed(bitrise=bitrise)
    raise TypeError(f"{type(command).__name__} is no command of Build.io's own")


def _keyed(**values: str | None) -> list[str]:
    return [f"{key}:{quoted(value)}" for key, value in values.items() if value is not None]


def _name(name: str | None) -> str:
    """A name as a word that nothing else can be meant by."""
    if name is None:
        return ""
    return name if _BARE.fullmatch(name) and name not in _TAKEN else quoted(name, always=True)
