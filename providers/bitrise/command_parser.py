"""Reading Bitrise's own commands."""

from __future__ import annotations

from collections.abc import Mapping

from domain.commands import arguments, filter_arguments, shared_command_help
from domain.commands.parser import ArgumentReader, Reader
from domain.commands.shared_commands import (
    AbortBuild,
    ListApprovals,
    ListArtifacts,
    ListBuilds,
    ListMyBuilds,
    ListPipelines,
    Rebuild,
    ShowBuild,
    ShowLog,
    ShowPipeline,
    ShowProfile,
    ShowYml,
    Status,
    TimeArgument,
    TriggerBuild,
)
from providers.bitrise.links import PipelineLink, read_link

_BUILDABLE = ("branch", "tag", "commit", "workflow", "pipeline")


def _builds(words: ArgumentReader) -> ListBuilds:
    app = words.plain()
    keyed = words.keyed(*filter_arguments.KEYS, "status", "since", "until")
    return ListBuilds(
        app=app,
        filter=filter_arguments.read(keyed),
        since=_moment(keyed, "since"),
        until=_moment(keyed, "until"),
    )


def _moment(keyed: dict[str, list[str]], key: str) -> TimeArgument | None:
    return arguments.moment(keyed[key][-1], key=key) if key in keyed else None


def _pipeline(words: ArgumentReader) -> ShowPipeline:
    first, second = words.plain(), words.plain()
    words.nothing_more()
    which = second or first or ""
    app = first if second else None
    if isinstance(link := read_link(which if "://" in which else f"https://{which}"), PipelineLink):
        return ShowPipeline(app_slug=link.app, pipeline_id=link.pipeline)
    ref = arguments.build_ref(which)
    if ref is None or ref.number is None:
        words.wrong(f"{which or 'Nothing'} is no pipeline: give its number or a link to it.")
    return ShowPipeline(app=app, number=ref.number)


def _yml(words: ArgumentReader) -> ShowYml:
    if words.left and words.left[-1].key is None and arguments.build_ref(words.left[-1].text) is not None:
        app, build = words.build()
        words.nothing_more()
        return ShowYml(app=app, build=build)
    app = words.plain()
    words.nothing_more()
    return ShowYml(app=app)


def _abort(words: ArgumentReader) -> AbortBuild:
    app, build = words.build()
    return AbortBuild(app=app, build=build, reason=words.rest_of_line())


def _trigger(words: ArgumentReader) -> TriggerBuild:
    app = words.plain()
    keyed = words.keyed(*_BUILDABLE, "message", "env")
    # A variable that is none is said first: whoever has mended it would only hear of it then.
    environments = tuple(_variable(text, words) for text in keyed.get("env", []))
    if keyed and not keyed.keys() & set(_BUILDABLE):
        words.wrong("What should be built? Name a branch, tag, commit, workflow or pipeline.")
    keyed.pop("env", None)
    return TriggerBuild(app=app, **words.once(keyed), environments=environments)


def _variable(text: str, words: ArgumentReader) -> tuple[str, str]:
    variable = arguments.variable_in(text)
    if variable is None:
        words.wrong(f"env:{text} is no variable: write env:KEY=value.")
    return variable


def _me(words: ArgumentReader) -> ShowProfile:
    keyed = words.keyed("name", "mention", "ends")
    name = keyed.get("name", [""])[-1].strip().removeprefix("@")
    if "name" in keyed and not 0 < len(name) <= 100:
        words.wrong("name: needs the name behind it that Bitrise shows with your builds.")
    switches = {key: arguments.switch(keyed[key][-1], key=key) for key in ("mention", "ends") if key in keyed}
    return ShowProfile(name=name or None, **switches)


READERS: Mapping[str, Reader] = {
    **shared_command_help.READERS,
    "apps": shared_command_help.apps(),
    "status": shared_command_help.of_an_app(Status),
    "builds": _builds,
    "build": shared_command_help.of_a_build(ShowBuild),
    "log": shared_command_help.of_a_build(ShowLog),
    "artifacts": shared_command_help.of_a_build(ListArtifacts),
    "yml": _yml,
    "approvals": shared_command_help.of_an_app(ListApprovals),
    "pipelines": shared_command_help.of_an_app(ListPipelines),
    "pipeline": _pipeline,
    "abort": _abort,
    "trigger": _trigger,
    "rebuild": shared_command_help.of_a_build(Rebuild),
    "subscribe": shared_command_help.subscribe(filter_arguments.KEYS),
    "mine": shared_command_help.of_nothing(ListMyBuilds),
    "me": _me,
}
