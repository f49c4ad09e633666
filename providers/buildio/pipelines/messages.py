"""Build.io's pipelines: apps by stage, environments, review apps."""

from __future__ import annotations

from collections.abc import Sequence

from domain.message import Block, Message
from messages.kit import action_ids
from messages.kit.blocks import context, mrkdwn, section
from messages.kit.mrkdwn import escape
from providers.buildio.api.models import Pipeline, PipelineApp
from providers.buildio.pipelines.environment_messages import environment_row
from providers.buildio.shared.blocks import COMMAND, fit_rows, join_facts, optional_button, truncate_lines
from providers.buildio.shared.button_values import ResourceButton

# A section has room for ten columns of text (Slack's rules, "Sizes").
MOST_STAGES = 10
MOST_APPS = 15
MOST_ENVIRONMENTS = 15
MOST_SETTINGS = 10
_COLUMN = 900
# The order in which an app passes them (reference, "Pipelines").
_ORDER = ("review", "ci", "test", "development", "staging", "production")
NO_STAGE = "no stage"


def pipeline_list(pipelines: Sequence[Pipeline]) -> Message:
    """The pipelines, each with a button for its stages."""
    if not pipelines:
        words = "There are no pipelines that you can see at Build.io."
        return Message(words, [section(words)])
    head = section(f"*{len(pipelines)} pipeline{'s' if len(pipelines) != 1 else ''}*")
    rows = fit_rows([[_row(one)] for one in pipelines], hint=f": `{COMMAND} pipeline NAME` shows one.")
    return Message(escape(f"Pipelines: {', '.join(one.name for one in pipelines)}", 2000), [head, *rows])


def pipeline_card(one: Pipeline, apps: Sequence[PipelineApp]) -> Message:
    """One pipeline: its apps in columns by stage, its environments, and how review apps are made."""
    stages = _by_stage(apps)
    head = join_facts(
        f"*{escape(one.name, 150) or '…'}*", one.team and f"Team {escape(one.team, 100)}", _review(one)
    )
    blocks = [section(head), *_columns(stages)]
    if not stages:
        blocks.append(context("There are no apps in it."))
    shown = one.environments[:MOST_ENVIRONMENTS]
    blocks += [environment_row(environment, "Environment ") for environment in shown]
    if len(one.environments) > MOST_ENVIRONMENTS:
        blocks.append(context(f"and {len(one.environments) - MOST_ENVIRONMENTS} more: `{COMMAND} envs`"))
    settings = [
        f"{escape(name, 60)}: {escape(str(value).lower() if isinstance(value, bool) else str(value), 100)}"
        for name, value in sorted(one.review_settings.items())
    ]
    if settings:
        blocks.append(context("Review apps · " + " · ".join(truncate_lines(settings, MOST_SETTINGS))))
    spoken = "; ".join(f"{stage}: {', '.join(names)}" for stage, names in stages)
    return Message(escape(f"Pipeline {one.name}. {spoken}", 2000), blocks)


def _row(one: Pipeline) -> Block:
    look = optional_button(
        "Stages",
        action_ids.BUILDIO_PIPELINE_SHOW,
        ResourceButton.fitting(name=one.id),
        label=f"Stages of {one.name}",
    )
    environments = f"{len(one.environments)} environments" if one.environments else None
    about = join_facts(one.team and escape(one.team, 60), environments, _review(one))
    return section(join_facts(f"*{escape(one.name, 120) or '…'}*", about), look)


def _by_stage(apps: Sequence[PipelineApp]) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for app in apps:
        found.setdefault(app.stage or NO_STAGE, []).append(app.name)
    return sorted(found.items(), key=lambda stage: (_place(stage[0]), stage[0]))


def _place(stage: str) -> int:
    word = stage.lower()
    return next((place for place, known in enumerate(_ORDER) if known in word), len(_ORDER))


def _columns(stages: Sequence[tuple[str, list[str]]]) -> list[Block]:
    if not stages:
        return []
    columns = [
        mrkdwn(
            "\n".join(
                [
                    f"*{escape(stage, 60) or '…'}*",
                    *truncate_lines([escape(name, 60) or "…" for name in names], MOST_APPS),
                ]
            ),
            _COLUMN,
        )
        for stage, names in stages[:MOST_STAGES]
    ]
    more = [context(f"and {len(stages) - MOST_STAGES} more stages")] if len(stages) > MOST_STAGES else []
    return [{"type": "section", "fields": columns}, *more]


def _review(one: Pipeline) -> str | None:
    if one.review_apps is None:
        return None
    return "pull requests get review apps" if one.review_apps else "no review apps"
