"""Reading Build.io's own commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn

from bot.commands import alike
from bot.commands.buildio import model, values
from bot.commands.errors import CommandError, typed
from bot.commands.grammar import Reader, Words
from bot.commands.model import Command
from bot.commands.tokens import Token, arguments
from bot.commands.values import globs

FILTER_KEYS = ("branch", "-branch", "workflow", "-workflow", "by", "-by")


def _create(words: Words) -> model.CreateApp:
    name = words.plain()
    return model.CreateApp(name=name, **words.keyed_once("team", "region"))


def _deploy(words: Words) -> model.Deploy:
    app = words.plain()
    keyed = words.keyed_once("branch", "commit", "message")
    if "branch" in keyed and "commit" in keyed:
        # Rules look at the branch: one that is named beside a commit would not be what is built.
        words.wrong("Give a branch or a commit, not both.")
    return model.Deploy(app=app, **keyed)


def _restart(words: Words) -> model.RestartDynos:
    names = words.several()
    words.nothing_more()
    match names:
        case []:
            return model.RestartDynos()
        case [one] if not one.quoted and values.is_dyno(one.text):
            return model.RestartDynos(dyno=one.text)
        case [app]:
            return model.RestartDynos(app=app.text)
        case [app, dyno]:
            return model.RestartDynos(app=app.text, dyno=dyno.text)
    return words.wrong(f"I don't know what to do with the word {names[2].text}.")


def _run(words: Words) -> model.RunCommand:
    typed = words.behind_dashes()
    if typed is None:
        if sum(token.key is None for token in words.left) > 1:
            words.wrong("Which command? Write it behind two dashes.")
        return model.RunCommand(app=words.plain(), **words.keyed_once("dyno"))
    command = arguments(typed)
    if not command:
        words.wrong("Which command? There is nothing behind the two dashes.")
    if len(values.array_of(command)) > values.LONGEST_COMMAND:
        words.wrong(
            f"The command is longer than {values.LONGEST_COMMAND} characters. Put it into a script of the app, and run"
            " that."
        )
    app = words.plain()
    return model.RunCommand(app=app, command=command, **words.keyed_once("dyno"))


def _config(words: Words) -> model.ListConfig:
    if len(words.left) > 1 or any(token.key or "=" in token.text for token in words.left):
        _no_value(words)
    return model.ListConfig(app=words.plain())


def _config_get(words: Words) -> model.GetConfig:
    app, keys = _app_and_keys(words)
    if len(keys) != 1:
        words.wrong("Which config var? Give one name.")
    return model.GetConfig(app=app, key=keys[0])


def _config_set(words: Words) -> model.SetConfig:
    names = words.several()
    if words.left or len(names) > 2 or (len(names) == 2 and _is_bare_key(names[0])):
        _no_value(words)
    if not names:
        return model.SetConfig()
    *apps, key = names
    if not values.is_key(key.text):
        _no_value(words)
    return model.SetConfig(app=apps[0].text if apps else None, key=key.text)


def _config_unset(words: Words) -> model.UnsetConfig:
    app, keys = _app_and_keys(words)
    if not keys:
        words.wrong("Which config vars? Give their names.")
    return model.UnsetConfig(app=app, keys=keys)


def _app_and_keys(words: Words) -> tuple[str | None, tuple[str, ...]]:
    """The app, if one is named, and names of config vars; what stands there may hold a value, so it is not said."""
    names = words.several()
    if words.left or any("=" in one.text for one in names):
        words.wrong("Give names of config vars, without any value.")
    app = names.pop(0).text if len(names) > 1 and not _is_bare_key(names[0]) else None
    return app, _keys(words, names)


def _keys(words: Words, names: list[Token]) -> tuple[str, ...]:
    if not all(values.is_key(one.text) for one in names):
        words.wrong("That is no name of a config var: it has letters, digits and underscores.")
    return tuple(dict.fromkeys(one.text for one in names))


def _is_bare_key(token: Token) -> bool:
    return not token.quoted and values.is_in_capitals(token.text)


def _no_value(words: Words) -> NoReturn:
    # Whatever stands there may be the value itself, so it is not said again.
    raise CommandError(
        "Type no value here: Slack keeps what is typed. If that was a secret, change it where it comes from."
        " `config set KEY` opens a form for the value.",
        example="config set DATABASE_URL" if words.entry.name != "envs set" else words.entry.example,
    )


def _domains_add(words: Words) -> model.AddDomain:
    names = words.several()
    words.nothing_more()
    match names:
        case []:
            return model.AddDomain()
        case [one] if one.quoted or values.host(one.text) is None:
            return model.AddDomain(app=one.text)
        case [one]:
            return model.AddDomain(host=values.host(one.text))
        case [app, host]:
            return model.AddDomain(app=app.text, host=_host(words, host))
    return words.wrong(f"I don't know what to do with the word {names[2].text}.")


def _domains_remove(words: Words) -> model.RemoveDomain:
    names = words.several()
    words.nothing_more()
    match names:
        case [host]:
            return model.RemoveDomain(host=_host(words, host))
        case [app, host]:
            return model.RemoveDomain(app=app.text, host=_host(words, host))
    return words.wrong("Which domain? Give its host name.")


def _host(words: Words, token: Token) -> str:
    host = values.host(token.text)
    if host is None:
        words.wrong(f"{typed(token.text, 80)} is no host name.")
    return host


def _pipeline(words: Words) -> model.ShowPipeline:
    return model.ShowPipeline(name=_named(words, "Which pipeline? Give its name."))


def _environments(words: Words) -> Command:
    which = words.plain()
    words.nothing_more()
    return model.ShowEnvironment(id=which) if which is not None else model.ListEnvironments()


def _environment_set(words: Words) -> model.SetEnvironment:
    names = words.several()
    if words.left or len(names) > 2 or not all(values.is_key(one.text) for one in names[1:]):
        _no_value(words)
    if not names:
        words.wrong("Which environment? Give its id.")
    return model.SetEnvironment(id=names[0].text, key=names[1].text if len(names) > 1 else None)


def _environment_unset(words: Words) -> model.UnsetEnvironment:
    names = words.several()
    if words.left or len(names) < 2:
        words.wrong("Give the environment's id, and the names of its config vars.")
    return model.UnsetEnvironment(id=names[0].text, keys=_keys(words, names[1:]))


def _namespace(words: Words) -> model.ShowNamespace:
    return model.ShowNamespace(name=_named(words, "Which namespace? Give its name."))


def _namespaces_create(words: Words) -> model.CreateNamespace:
    name = words.plain()
    return model.CreateNamespace(name=name, **words.keyed_once("team", "region", "description"))


def _namespaces_delete(words: Words) -> model.DeleteNamespace:
    name = words.plain()
    words.nothing_more()
    return model.DeleteNamespace(name=name)


def _team(words: Words) -> model.ShowTeam:
    return model.ShowTeam(team=_named(words, "Which team? Give its name."))


def _login(words: Words) -> model.Login:
    return model.Login(region=_named(words, "Which region?"))


def _named(words: Words, question: str) -> str:
    name = words.plain()
    words.nothing_more()
    if not name:
        words.wrong(question)
    return name


def _link(words: Words) -> Command:
    if not words.left:
        return model.ListTies()
    names = [token.text for token in words.several() if token.quoted or token.text.casefold() != "to"]
    keyed = words.keyed_once("bitrise", "branch")
    if len(names) > 1:
        words.wrong(f"I don't know what to do with the word {names[1]}.")
    if "bitrise" not in keyed:
        words.wrong("Which app of Bitrise? Write bitrise: before its name.")
    branches = globs(keyed["branch"], key="branch") if "branch" in keyed else ()
    return model.Link(app=names[0] if names else None, bitrise=keyed["bitrise"], branches=branches)


def _unlink(words: Words) -> model.Unlink:
    app = words.plain()
    return model.Unlink(app=app, **words.keyed_once("bitrise"))


_MAKES: Mapping[str, Callable[..., Command]] = {
    "app": model.ShowApp,
    "ps": model.ListDynos,
    "domains": model.ListDomains,
    "domains clear": model.ClearDomains,
}
READERS: Mapping[str, Reader] = {
    **alike.READERS,
    **{name: alike.of_an_app(make) for name, make in _MAKES.items()},
    "apps": alike.apps("team"),
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
    "pipelines": alike.of_nothing(model.ListPipelines),
    "pipeline": _pipeline,
    "envs": _environments,
    "envs set": _environment_set,
    "envs unset": _environment_unset,
    "namespaces": alike.of_nothing(model.ListNamespaces),
    "namespace": _namespace,
    "namespaces create": _namespaces_create,
    "namespaces delete": _namespaces_delete,
    "teams": alike.of_nothing(model.ListTeams),
    "team": _team,
    "subscribe": alike.subscribe(FILTER_KEYS),
    "login": _login,
    "link": _link,
    "unlink": _unlink,
}
