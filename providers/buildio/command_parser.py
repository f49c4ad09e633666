"""Reading Build.io's own commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn

from domain.commands import shared_command_help
from domain.commands.arguments import globs
from domain.commands.errors import CommandError, typed
from domain.commands.parser import ArgumentReader, Reader
from domain.commands.shared_commands import Command
from domain.commands.tokenizer import Token, arguments
from providers.buildio import commands
from providers.buildio.shared import arguments as shared_arguments

FILTER_KEYS = ("branch", "-branch", "workflow", "-workflow", "by", "-by")


def _create(words: ArgumentReader) -> commands.CreateApp:
    name = words.plain()
    return commands.CreateApp(name=name, **words.keyed_once("team", "region"))


def _deploy(words: ArgumentReader) -> commands.Deploy:
    app = words.plain()
    keyed = words.keyed_once("branch", "commit", "message")
    if "branch" in keyed and "commit" in keyed:
        # Rules look at the branch: one that is named beside a commit would not be what is built.
        words.wrong("Give a branch or a commit, not both.")
    return commands.Deploy(app=app, **keyed)


def _restart(words: ArgumentReader) -> commands.RestartDynos:
    names = words.several()
    words.nothing_more()
    match names:
        case []:
            return commands.RestartDynos()
        case [one] if not one.quoted and shared_arguments.is_dyno(one.text):
            return commands.RestartDynos(dyno=one.text)
        case [app]:
            return commands.RestartDynos(app=app.text)
        case [app, dyno]:
            return commands.RestartDynos(app=app.text, dyno=dyno.text)
    return words.wrong(f"I don't know what to do with the word {names[2].text}.")


def _run(words: ArgumentReader) -> commands.RunCommand:
    typed = words.behind_dashes()
    if typed is None:
        if sum(token.key is None for token in words.left) > 1:
            words.wrong("Which command? Write it behind two dashes.")
        return commands.RunCommand(app=words.plain(), **words.keyed_once("dyno"))
    command = arguments(typed)
    if not command:
        words.wrong("Which command? There is nothing behind the two dashes.")
    if len(shared_arguments.array_of(command)) > shared_arguments.LONGEST_COMMAND:
        words.wrong(
            f"The command is longer than {shared_arguments.LONGEST_COMMAND} characters."
            " Put it into a script of the app, and run that."
        )
    app = words.plain()
    return commands.RunCommand(app=app, command=command, **words.keyed_once("dyno"))


def _config(words: ArgumentReader) -> commands.ListConfig:
    if len(words.left) > 1 or any(token.key or "=" in token.text for token in words.left):
        _no_value(words)
    return commands.ListConfig(app=words.plain())


def _config_get(words: ArgumentReader) -> commands.GetConfig:
    app, keys = _app_and_keys(words)
    if len(keys) != 1:
        words.wrong("Which config var? Give one name.")
    return commands.GetConfig(app=app, key=keys[0])


def _config_set(words: ArgumentReader) -> commands.SetConfig:
    names = words.several()
    if words.left or len(names) > 2 or (len(names) == 2 and _is_bare_key(names[0])):
        _no_value(words)
    if not names:
        return commands.SetConfig()
    *apps, key = names
    if not shared_arguments.is_key(key.text):
        _no_value(words)
    return commands.SetConfig(app=apps[0].text if apps else None, key=key.text)


def _config_unset(words: ArgumentReader) -> commands.UnsetConfig:
    app, keys = _app_and_keys(words)
    if not keys:
        words.wrong("Which config vars? Give their names.")
    return commands.UnsetConfig(app=app, keys=keys)


def _app_and_keys(words: ArgumentReader) -> tuple[str | None, tuple[str, ...]]:
    """The app, if one is named, and names of config vars; what stands there may hold a value, so it is not said."""
    names = words.several()
    if words.left or any("=" in one.text for one in names):
        words.wrong("Give names of config vars, without any value.")
    app = names.pop(0).text if len(names) > 1 and not _is_bare_key(names[0]) else None
    return app, _keys(words, names)


def _keys(words: ArgumentReader, names: list[Token]) -> tuple[str, ...]:
    if not all(shared_arguments.is_key(one.text) for one in names):
        words.wrong("That is no name of a config var: it has letters, digits and underscores.")
    return tuple(dict.fromkeys(one.text for one in names))


def _is_bare_key(token: Token) -> bool:
    return not token.quoted and shared_arguments.is_in_capitals(token.text)


def _no_value(words: ArgumentReader) -> NoReturn:
    # Whatever stands there may be the value itself, so it is not said again.
    raise CommandError(
        "Type no value here: Slack keeps what is typed. If that was a secret, change it where it comes from."
        " `config set KEY` opens a form for the value.",
        example="config set DATABASE_URL" if words.entry.name != "envs set" else words.entry.example,
    )


def _domains_add(words: ArgumentReader) -> commands.AddDomain:
    names = words.several()
    words.nothing_more()
    match names:
        case []:
            return commands.AddDomain()
        case [one] if one.quoted or shared_arguments.host(one.text) is None:
            return commands.AddDomain(app=one.text)
        case [one]:
            return commands.AddDomain(host=shared_arguments.host(one.text))
        case [app, host]:
            return commands.AddDomain(app=app.text, host=_host(words, host))
    return words.wrong(f"I don't know what to do with the word {names[2].text}.")


def _domains_remove(words: ArgumentReader) -> commands.RemoveDomain:
    names = words.several()
    words.nothing_more()
    match names:
        case [host]:
            return commands.RemoveDomain(host=_host(words, host))
        case [app, host]:
            return commands.RemoveDomain(app=app.text, host=_host(words, host))
    return words.wrong("Which domain? Give its host name.")


def _host(words: ArgumentReader, token: Token) -> str:
    host = shared_arguments.host(token.text)
    if host is None:
        words.wrong(f"{typed(token.text, 80)} is no host name.")
    return host


def _pipeline(words: ArgumentReader) -> commands.ShowPipeline:
    return commands.ShowPipeline(name=_named(words, "Which pipeline? Give its name."))


def _environments(words: ArgumentReader) -> Command:
    which = words.plain()
    words.nothing_more()
    return commands.ShowEnvironment(id=which) if which is not None else commands.ListEnvironments()


def _environment_set(words: ArgumentReader) -> commands.SetEnvironment:
    names = words.several()
    if words.left or len(names) > 2 or not all(shared_arguments.is_key(one.text) for one in names[1:]):
        _no_value(words)
    if not names:
        words.wrong("Which environment? Give its id.")
    return commands.SetEnvironment(id=names[0].text, key=names[1].text if len(names) > 1 else None)


def _environment_unset(words: ArgumentReader) -> commands.UnsetEnvironment:
    names = words.several()
    if words.left or len(names) < 2:
        words.wrong("Give the environment's id, and the names of its config vars.")
    return commands.UnsetEnvironment(id=names[0].text, keys=_keys(words, names[1:]))


def _namespace(words: ArgumentReader) -> commands.ShowNamespace:
    return commands.ShowNamespace(name=_named(words, "Which namespace? Give its name."))


def _namespaces_create(words: ArgumentReader) -> commands.CreateNamespace:
    name = words.plain()
    return commands.CreateNamespace(name=name, **words.keyed_once("team", "region", "description"))


def _namespaces_delete(words: ArgumentReader) -> commands.DeleteNamespace:
    name = words.plain()
    words.nothing_more()
    return commands.DeleteNamespace(name=name)


def _team(words: ArgumentReader) -> commands.ShowTeam:
    return commands.ShowTeam(team=_named(words, "Which team? Give its name."))


def _login(words: ArgumentReader) -> commands.Login:
    return commands.Login(region=_named(words, "Which region?"))


def _named(words: ArgumentReader, question: str) -> str:
    name = words.plain()
    words.nothing_more()
    if not name:
        words.wrong(question)
    return name


def _link(words: ArgumentReader) -> Command:
    if not words.left:
        return commands.ListTies()
    names = [token.text for token in words.several() if token.quoted or token.text.casefold() != "to"]
    keyed = words.keyed_once("bitrise", "branch")
    if len(names) > 1:
        words.wrong(f"I don't know what to do with the word {names[1]}.")
    if "bitrise" not in keyed:
        words.wrong("Which app of Bitrise? Write bitrise: before its name.")
    branches = globs(keyed["branch"], key="branch") if "branch" in keyed else ()
    return commands.Link(app=names[0] if names else None, bitrise=keyed["bitrise"], branches=branches)


def _unlink(words: ArgumentReader) -> commands.Unlink:
    app = words.plain()
    return commands.Unlink(app=app, **words.keyed_once("bitrise"))


_MAKES: Mapping[str, Callable[..., Command]] = {
    "app": commands.ShowApp,
    "ps": commands.ListDynos,
    "domains": commands.ListDomains,
    "domains clear": commands.ClearDomains,
}
READERS: Mapping[str, Reader] = {
    **shared_command_help.READERS,
    **{name: shared_command_help.of_an_app(make) for name, make in _MAKES.items()},
    "apps": shared_command_help.apps("team"),
    "create": _create,
    "deploy": _deploy,
    "restart": _restart,
    "run": _run,
    "config": _config,
    "config get": _config_get,
    "config set": _config_set,
    "config unset": _config_unset,
    "domains add": _domains_add,
    "domains remove": _domains_remove,
    "pipelines": shared_command_help.of_nothing(commands.ListPipelines),
    "pipeline": _pipeline,
    "envs": _environments,
    "envs set": _environment_set,
    "envs unset": _environment_unset,
    "namespaces": shared_command_help.of_nothing(commands.ListNamespaces),
    "namespace": _namespace,
    "namespaces create": _namespaces_create,
    "namespaces delete": _namespaces_delete,
    "teams": shared_command_help.of_nothing(commands.ListTeams),
    "team": _team,
    "subscribe": shared_command_help.subscribe(FILTER_KEYS),
    "login": _login,
    "link": _link,
    "unlink": _unlink,
}
