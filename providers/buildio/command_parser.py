"""The parser of `/buildio`: the arguments of Build.io's own commands, and the names of all commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn

from domain.commands import shared_command_help
from domain.commands.arguments import parse_globs
from domain.commands.errors import CommandError, redact_typed
from domain.commands.parser import ArgumentReader, CommandParser, ParseFunction
from domain.commands.shared_commands import Command
from domain.commands.tokenizer import Token, split_shell_words
from providers.buildio import commands
from providers.buildio.command_help import CATALOGUE
from providers.buildio.provider import BUILDIO
from providers.buildio.shared import arguments as shared_arguments

FILTER_KEYS = ("branch", "-branch", "workflow", "-workflow", "by", "-by")


def _parse_create(arguments: ArgumentReader) -> commands.CreateApp:
    name = arguments.take_positional()
    return commands.CreateApp(name=name, **arguments.take_single_options("team", "region"))


def _parse_deploy(arguments: ArgumentReader) -> commands.Deploy:
    app = arguments.take_positional()
    options = arguments.take_single_options("branch", "commit", "message")
    if "branch" in options and "commit" in options:
        # Access rules check the branch; beside a commit, it would not be what is built.
        arguments.fail("Give a branch or a commit, not both.")
    return commands.Deploy(app=app, **options)


def _parse_restart(arguments: ArgumentReader) -> commands.RestartDynos:
    names = arguments.take_positionals()
    arguments.expect_end()
    match names:
        case []:
            return commands.RestartDynos()
        case [one] if not one.quoted and shared_arguments.is_dyno(one.text):
            return commands.RestartDynos(dyno=one.text)
        case [app]:
            return commands.RestartDynos(app=app.text)
        case [app, dyno]:
            return commands.RestartDynos(app=app.text, dyno=dyno.text)
    return arguments.fail(f"I don't know what to do with the word {names[2].text}.")


def _parse_run(arguments: ArgumentReader) -> commands.RunCommand:
    command_text = arguments.take_after_dashes()
    if command_text is None:
        if sum(token.key is None for token in arguments.tokens) > 1:
            arguments.fail("Which command? Write it behind two dashes.")
        return commands.RunCommand(app=arguments.take_positional(), **arguments.take_single_options("dyno"))
    command = split_shell_words(command_text)
    if not command:
        arguments.fail("Which command? There is nothing behind the two dashes.")
    if len(shared_arguments.format_array(command)) > shared_arguments.LONGEST_COMMAND:
        arguments.fail(
            f"The command is longer than {shared_arguments.LONGEST_COMMAND} characters."
            " Put it into a script of the app, and run that."
        )
    app = arguments.take_positional()
    return commands.RunCommand(app=app, command=command, **arguments.take_single_options("dyno"))


def _parse_config(arguments: ArgumentReader) -> commands.ListConfig:
    if len(arguments.tokens) > 1 or any(token.key or "=" in token.text for token in arguments.tokens):
        _reject_value(arguments)
    return commands.ListConfig(app=arguments.take_positional())


def _parse_config_get(arguments: ArgumentReader) -> commands.GetConfig:
    app, keys = _take_app_and_keys(arguments)
    if len(keys) != 1:
        arguments.fail("Which config var? Give one name.")
    return commands.GetConfig(app=app, key=keys[0])


def _parse_config_set(arguments: ArgumentReader) -> commands.SetConfig:
    names = arguments.take_positionals()
    if arguments.tokens or len(names) > 2 or (len(names) == 2 and _is_bare_key(names[0])):
        _reject_value(arguments)
    if not names:
        return commands.SetConfig()
    *apps, key = names
    if not shared_arguments.is_key(key.text):
        _reject_value(arguments)
    return commands.SetConfig(app=apps[0].text if apps else None, key=key.text)


def _parse_config_unset(arguments: ArgumentReader) -> commands.UnsetConfig:
    app, keys = _take_app_and_keys(arguments)
    if not keys:
        arguments.fail("Which config vars? Give their names.")
    return commands.UnsetConfig(app=app, keys=keys)


def _take_app_and_keys(arguments: ArgumentReader) -> tuple[str | None, tuple[str, ...]]:
    """Take the app, if one is named, and names of config vars. Errors never repeat them: one may be a value."""
    names = arguments.take_positionals()
    if arguments.tokens or any("=" in name.text for name in names):
        arguments.fail("Give names of config vars, without any value.")
    app = names.pop(0).text if len(names) > 1 and not _is_bare_key(names[0]) else None
    return app, _require_keys(arguments, names)


def _require_keys(arguments: ArgumentReader, names: list[Token]) -> tuple[str, ...]:
    if not all(shared_arguments.is_key(name.text) for name in names):
        arguments.fail("That is no name of a config var: it has letters, digits and underscores.")
    return tuple(dict.fromkeys(name.text for name in names))


def _is_bare_key(token: Token) -> bool:
    return not token.quoted and shared_arguments.is_in_capitals(token.text)


def _reject_value(arguments: ArgumentReader) -> NoReturn:
    # It may be the value itself, so it is not repeated.
    raise CommandError(
        "Type no value here: Slack keeps what is typed. If that was a secret, change it where it comes from."
        " `config set KEY` opens a form for the value.",
        example="config set DATABASE_URL"
        if arguments.command_help.name != "envs set"
        else arguments.command_help.example,
    )


def _parse_domains_add(arguments: ArgumentReader) -> commands.AddDomain:
    names = arguments.take_positionals()
    arguments.expect_end()
    match names:
        case []:
            return commands.AddDomain()
        case [one] if one.quoted or shared_arguments.parse_host(one.text) is None:
            return commands.AddDomain(app=one.text)
        case [one]:
            return commands.AddDomain(host=shared_arguments.parse_host(one.text))
        case [app, host]:
            return commands.AddDomain(app=app.text, host=_require_host(arguments, host))
    return arguments.fail(f"I don't know what to do with the word {names[2].text}.")


def _parse_domains_remove(arguments: ArgumentReader) -> commands.RemoveDomain:
    names = arguments.take_positionals()
    arguments.expect_end()
    match names:
        case [host]:
            return commands.RemoveDomain(host=_require_host(arguments, host))
        case [app, host]:
            return commands.RemoveDomain(app=app.text, host=_require_host(arguments, host))
    return arguments.fail("Which domain? Give its host name.")


def _require_host(arguments: ArgumentReader, token: Token) -> str:
    host = shared_arguments.parse_host(token.text)
    if host is None:
        arguments.fail(f"{redact_typed(token.text, 80)} is no host name.")
    return host


def _parse_pipeline(arguments: ArgumentReader) -> commands.ShowPipeline:
    return commands.ShowPipeline(name=_take_name(arguments, "Which pipeline? Give its name."))


def _parse_environments(arguments: ArgumentReader) -> Command:
    environment = arguments.take_positional()
    arguments.expect_end()
    return (
        commands.ShowEnvironment(id=environment) if environment is not None else commands.ListEnvironments()
    )


def _parse_environment_set(arguments: ArgumentReader) -> commands.SetEnvironment:
    names = arguments.take_positionals()
    if (
        arguments.tokens
        or len(names) > 2
        or not all(shared_arguments.is_key(name.text) for name in names[1:])
    ):
        _reject_value(arguments)
    if not names:
        arguments.fail("Which environment? Give its id.")
    return commands.SetEnvironment(id=names[0].text, key=names[1].text if len(names) > 1 else None)


def _parse_environment_unset(arguments: ArgumentReader) -> commands.UnsetEnvironment:
    names = arguments.take_positionals()
    if arguments.tokens or len(names) < 2:
        arguments.fail("Give the environment's id, and the names of its config vars.")
    return commands.UnsetEnvironment(id=names[0].text, keys=_require_keys(arguments, names[1:]))


def _parse_namespace(arguments: ArgumentReader) -> commands.ShowNamespace:
    return commands.ShowNamespace(name=_take_name(arguments, "Which namespace? Give its name."))


def _parse_namespaces_create(arguments: ArgumentReader) -> commands.CreateNamespace:
    name = arguments.take_positional()
    return commands.CreateNamespace(
        name=name, **arguments.take_single_options("team", "region", "description")
    )


def _parse_namespaces_delete(arguments: ArgumentReader) -> commands.DeleteNamespace:
    name = arguments.take_positional()
    arguments.expect_end()
    return commands.DeleteNamespace(name=name)


def _parse_team(arguments: ArgumentReader) -> commands.ShowTeam:
    return commands.ShowTeam(team=_take_name(arguments, "Which team? Give its name."))


def _parse_login(arguments: ArgumentReader) -> commands.Login:
    return commands.Login(region=_take_name(arguments, "Which region?"))


def _take_name(arguments: ArgumentReader, question: str) -> str:
    name = arguments.take_positional()
    arguments.expect_end()
    if not name:
        arguments.fail(question)
    return name


def _parse_link(arguments: ArgumentReader) -> Command:
    if not arguments.tokens:
        return commands.ListDeployLinks()
    names = [
        token.text for token in arguments.take_positionals() if token.quoted or token.text.casefold() != "to"
    ]
    options = arguments.take_single_options("bitrise", "branch")
    if len(names) > 1:
        arguments.fail(f"I don't know what to do with the word {names[1]}.")
    if "bitrise" not in options:
        arguments.fail("Which app of Bitrise? Write bitrise: before its name.")
    branches = parse_globs(options["branch"], key="branch") if "branch" in options else ()
    return commands.CreateDeployLink(
        app=names[0] if names else None, bitrise=options["bitrise"], branches=branches
    )


def _parse_unlink(arguments: ArgumentReader) -> commands.DeleteDeployLink:
    app = arguments.take_positional()
    return commands.DeleteDeployLink(app=app, **arguments.take_single_options("bitrise"))


_APP_COMMANDS: Mapping[str, Callable[..., Command]] = {
    "app": commands.ShowApp,
    "ps": commands.ListDynos,
    "domains": commands.ListDomains,
    "domains clear": commands.ClearDomains,
}
_PARSE_FUNCTIONS: Mapping[str, ParseFunction] = {
    **shared_command_help.PARSE_FUNCTIONS,
    **{name: shared_command_help.make_app_parser(make) for name, make in _APP_COMMANDS.items()},
    "apps": shared_command_help.make_apps_parser("team"),
    "create": _parse_create,
    "deploy": _parse_deploy,
    "restart": _parse_restart,
    "run": _parse_run,
    "config": _parse_config,
    "config get": _parse_config_get,
    "config set": _parse_config_set,
    "config unset": _parse_config_unset,
    "domains add": _parse_domains_add,
    "domains remove": _parse_domains_remove,
    "pipelines": shared_command_help.make_empty_parser(commands.ListPipelines),
    "pipeline": _parse_pipeline,
    "envs": _parse_environments,
    "envs set": _parse_environment_set,
    "envs unset": _parse_environment_unset,
    "namespaces": shared_command_help.make_empty_parser(commands.ListNamespaces),
    "namespace": _parse_namespace,
    "namespaces create": _parse_namespaces_create,
    "namespaces delete": _parse_namespaces_delete,
    "teams": shared_command_help.make_empty_parser(commands.ListTeams),
    "team": _parse_team,
    "subscribe": shared_command_help.make_subscribe_parser(FILTER_KEYS),
    "login": _parse_login,
    "link": _parse_link,
    "unlink": _parse_unlink,
}
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

PARSER = CommandParser(
    provider=BUILDIO,
    catalogue=CATALOGUE,
    parse_functions=_PARSE_FUNCTIONS,
    aliases=_ALIASES,
    # Slack turns anything like a hostname into a link.
    name_pattern=r"buildio|(?:https?://)?build\.io/?",
    example="apps",
    parse_build_ref=shared_arguments.parse_build_ref,
    subscribe_example="subscribe by:@me -by:bot",
)
