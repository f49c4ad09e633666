"""The parser of `/bitrise`: all command names and aliases, and the arguments of Bitrise's own commands."""

from __future__ import annotations

from collections.abc import Mapping

from domain.commands import filter_arguments, shared_command_help
from domain.commands.arguments import parse_switch, parse_time, parse_variable
from domain.commands.parser import ArgumentReader, CommandParser, ParseFunction
from domain.commands.shared_commands import (
    ListBuilds,
    ListMyBuilds,
    ShowBuild,
    ShowProfile,
    ShowStatus,
    TimeArgument,
)
from domain.commands.trigger_build import TriggerBuild
from providers.bitrise.arguments import parse_build_ref
from providers.bitrise.command_help import CATALOGUE
from providers.bitrise.commands import (
    AbortBuild,
    ListArtifacts,
    ListBuildRequests,
    ListPipelines,
    RebuildBuild,
    ShowLog,
    ShowPipeline,
    ShowYml,
)
from providers.bitrise.links import PipelineLink, read_link
from providers.bitrise.provider import BITRISE

_TARGET_KEYS = ("branch", "tag", "commit", "workflow", "pipeline")


def _parse_builds(arguments: ArgumentReader) -> ListBuilds:
    app = arguments.take_positional()
    options = arguments.take_options(*filter_arguments.KEYS, "status", "since", "until")
    return ListBuilds(
        app=app,
        filter=filter_arguments.parse_filter(options),
        since=_parse_time_option(options, "since"),
        until=_parse_time_option(options, "until"),
    )


def _parse_time_option(options: dict[str, list[str]], key: str) -> TimeArgument | None:
    return parse_time(options[key][-1], key=key) if key in options else None


def _parse_pipeline(arguments: ArgumentReader) -> ShowPipeline:
    first, second = arguments.take_positional(), arguments.take_positional()
    arguments.expect_end()
    name = second or first or ""
    app = first if second else None
    if isinstance(link := read_link(name if "://" in name else f"https://{name}"), PipelineLink):
        return ShowPipeline(app_slug=link.app, pipeline_id=link.pipeline)
    ref = parse_build_ref(name)
    if ref is None or ref.number is None:
        arguments.fail(f"{name or 'Nothing'} is no pipeline: give its number or a link to it.")
    return ShowPipeline(app=app, number=ref.number)


def _parse_yml(arguments: ArgumentReader) -> ShowYml:
    if (
        arguments.tokens
        and arguments.tokens[-1].key is None
        and parse_build_ref(arguments.tokens[-1].text) is not None
    ):
        app, build = arguments.take_app_and_build()
        arguments.expect_end()
        return ShowYml(app=app, build=build)
    app = arguments.take_positional()
    arguments.expect_end()
    return ShowYml(app=app)


def _parse_abort(arguments: ArgumentReader) -> AbortBuild:
    app, build = arguments.take_app_and_build()
    return AbortBuild(app=app, build=build, reason=arguments.take_rest())


def _parse_trigger(arguments: ArgumentReader) -> TriggerBuild:
    app = arguments.take_positional()
    options = arguments.take_options(*_TARGET_KEYS, "message", "env")
    # An invalid variable is reported first; otherwise it would be reported only after the next attempt.
    environments = tuple(_parse_environment(text, arguments) for text in options.get("env", []))
    if options and not options.keys() & set(_TARGET_KEYS):
        arguments.fail("What should be built? Name a branch, tag, commit, workflow or pipeline.")
    options.pop("env", None)
    return TriggerBuild(app=app, **arguments.require_single(options), environments=environments)


def _parse_environment(text: str, arguments: ArgumentReader) -> tuple[str, str]:
    variable = parse_variable(text)
    if variable is None:
        arguments.fail(f"env:{text} is no variable: write env:KEY=value.")
    return variable


def _parse_me(arguments: ArgumentReader) -> ShowProfile:
    options = arguments.take_options("name", "mention", "ends")
    name = options.get("name", [""])[-1].strip().removeprefix("@")
    if "name" in options and not 0 < len(name) <= 100:
        arguments.fail("name: needs the name behind it that Bitrise shows with your builds.")
    switches = {key: parse_switch(options[key][-1], key=key) for key in ("mention", "ends") if key in options}
    return ShowProfile(name=name or None, **switches)


_PARSE_FUNCTIONS: Mapping[str, ParseFunction] = {
    **shared_command_help.PARSE_FUNCTIONS,
    "apps": shared_command_help.make_apps_parser(),
    "status": shared_command_help.make_app_parser(ShowStatus),
    "builds": _parse_builds,
    "build": shared_command_help.make_build_parser(ShowBuild),
    "log": shared_command_help.make_build_parser(ShowLog),
    "artifacts": shared_command_help.make_build_parser(ListArtifacts),
    "yml": _parse_yml,
    "approvals": shared_command_help.make_app_parser(ListBuildRequests),
    "pipelines": shared_command_help.make_app_parser(ListPipelines),
    "pipeline": _parse_pipeline,
    "abort": _parse_abort,
    "trigger": _parse_trigger,
    "rebuild": shared_command_help.make_build_parser(RebuildBuild),
    "subscribe": shared_command_help.make_subscribe_parser(filter_arguments.KEYS),
    "mine": shared_command_help.make_empty_parser(ListMyBuilds),
    "me": _parse_me,
}
_ALIASES = {
    **shared_command_help.ALIASES,
    "list": "builds",
    "logs": "log",
    "artifact": "artifacts",
    "yaml": "yml",
    "config": "yml",
    "stop": "abort",
    "cancel": "abort",
    "start": "trigger",
    "run": "trigger",
    "retry": "rebuild",
    "show": "build",
    "link": "connect",
    "login": "connect",
    "unlink": "disconnect",
}

PARSER = CommandParser(
    provider=BITRISE,
    catalogue=CATALOGUE,
    parse_functions=_PARSE_FUNCTIONS,
    aliases=_ALIASES,
    name_pattern="bitrise",
    example="status",
    parse_build_ref=parse_build_ref,
    subscribe_example="subscribe by:@me -by:bot target:main",
)
