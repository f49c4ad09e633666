"""Reading Bitrise's own commands."""

from __future__ import annotations

from collections.abc import Mapping

from bot.commands import alike, filter_values, values
from bot.commands.grammar import Reader, Words
from bot.commands.links import PipelineLink, read_link
from bot.commands.model import (
    AbortBuild,
    ListApprovals,
    ListArtifacts,
    ListBuilds,
    ListPipelines,
    Me,
    Mine,
    Moment,
    Rebuild,
    ShowBuild,
    ShowLog,
    ShowPipeline,
    ShowYml,
    Status,
    TriggerBuild,
)

_BUILDABLE = ("branch", "tag", "commit", "workflow", "pipeline")


def _builds(words: Words) -> ListBuilds:
    app = words.plain()
    keyed = words.keyed(*filter_values.KEYS, "status", "since", "until")
    return ListBuilds(
        app=app,
        filter=filter_values.read(keyed),
        since=_moment(keyed, "since"),
        until=_moment(keyed, "until"),
    )


def _moment(keyed: dict[str, list[str]], key: str) -> Moment | None:
    return values.moment(keyed[key][-1], key=key) if key in keyed else None


def _pipeline(words: Words) -> ShowPipeline:
    first, second = words.plain(), words.plain()
    words.nothing_more()
    which = second or first or ""
    app = first if second else None
    if isinstance(link := read_link(which if "://" in which else f"https://{which}"), PipelineLink):
        return ShowPipeline(app_slug=link.app, pipeline_id=link.pipeline)
    ref = values.build_ref(which)
    if ref is None or ref.number is None:
        words.wrong(f"{which or 'Nothing'} is no pipeline: give its number or a link to it.")
    return ShowPipeline(app=app, number=ref.number)


def _yml(words: Words) -> ShowYml:
    if words.left and words.left[-1].key is None and values.build_ref(words.left[-1].text) is not None:
        app, build = words.build()
        words.nothing_more()
        return ShowYml(app=app, build=build)
    app = words.plain()
    words.nothing_more()
    return ShowYml(app=app)


def _abort(words: Words) -> AbortBuild:
    app, build = words.build()
    return AbortBuild(app=app, build=build, reason=words.rest_of_line())


def _trigger(words: Words) -> TriggerBuild:
    app = words.plain()
    keyed = words.keyed(*_BUILDABLE, "message", "env")
    # A variable that is none is said first: whoever has mended it would only hear of it then.
    environments = tuple(_variable(text, words) for text in keyed.get("env", []))
    if keyed and not keyed.keys() & set(_BUILDABLE):
        words.wrong("What should be built? Name a branch, tag, commit, workflow or pipeline.")
    keyed.pop("env", None)
    return TriggerBuild(app=app, **words.once(keyed), environments=environments)


def _variable(text: str, words: Words) -> tuple[str, str]:
    variable = values.variable_in(text)
    if variable is None:
        words.wrong(f"env:{text} is no variable: write env:KEY=value.")
    return variable


def _me(words: Words) -> Me:
    keyed = words.keyed("name", "mention", "ends")
    name = keyed.get("name", [""])[-1].strip().removeprefix("@")
    if "name" in keyed and not 0 < len(name) <= 100:
        words.wrong("name: needs the name behind it that Bitrise shows with your builds.")
    switches = {key: values.switch(keyed[key][-1], key=key) for key in ("mention", "ends") if key in keyed}
    return Me(name=name or None, **switches)


READERS: Mapping[str, Reader] = {
    **alike.READERS,
    "apps": alike.apps(),
    "status": alike.of_an_app(Status),
    "builds": _builds,
    "build": alike.of_a_build(ShowBuild),
    "log": alike.of_a_build(ShowLog),
    "artifacts": alike.of_a_build(ListArtifacts),
    "yml": _yml,
    "approvals": alike.of_an_app(ListApprovals),
    "pipelines": alike.of_an_app(ListPipelines),
    "pipeline": _pipeline,
    "abort": _abort,
    "trigger": _trigger,
    "rebuild": alike.of_a_build(Rebuild),
    "subscribe": alike.subscribe(filter_values.KEYS),
    "mine": alike.of_nothing(Mine),
    "me": _me,
}
