"""Messages about pipelines: apps by stage, environments, review apps."""

from __future__ import annotations

from collections.abc import Sequence

from domain.message import Block, Message
from messages.kit.blocks import context, first_lines, more_note, mrkdwn, section, text_message
from messages.kit.mrkdwn import code, escape, join_facts
from providers.buildio import action_ids
from providers.buildio.api.models import Environment, Pipeline, PipelineApp
from providers.buildio.config_vars.messages import ConfigVarOwner
from providers.buildio.shared.blocks import COMMAND, fit_rows, optional_button, resource_list
from providers.buildio.shared.button_values import ResourceButton


def environment_list(environments: Sequence[tuple[str, Environment]]) -> Message:
    """The environments of all pipelines, each with the name of its pipeline and a button for its config vars."""
    if not environments:
        return text_message("No environments in the pipelines that you can see at Build.io.")
    head = section(f"*{len(environments)} environment{'s' if len(environments) != 1 else ''}*")
    rows = [
        [environment_row(environment, f"{escape(pipeline, 100)} · ")]
        for pipeline, environment in environments
    ]
    summary = ", ".join(f"{pipeline} {environment.name}" for pipeline, environment in environments)
    return Message(
        escape(f"Environments: {summary}", 2000),
        [head, *fit_rows(rows, hint=f": `{COMMAND} envs ID` shows one.")],
    )


def environment_row(environment: Environment, before: str) -> Block:
    """One environment with a button for its config vars; `before` is trusted markup."""
    value = ConfigVarOwner.of_environment(environment).value()
    show_config = optional_button(
        "View config", action_ids.VARS, value, label=f"View config of {environment.name}"
    )
    return section(
        f"{before}*{escape(environment.name, 100) or '…'}* · {code(environment.id, 80)}", show_config
    )


# A section has room for ten columns of text (Slack's rules, "Sizes").
MAX_STAGES = 10
MAX_APPS = 15
MAX_ENVIRONMENTS = 15
MAX_SETTINGS = 10
_COLUMN = 900
# The order in which an app passes through the stages (reference, "Pipelines").
_ORDER = ("review", "ci", "test", "development", "staging", "production")
NO_STAGE = "no stage"


def pipeline_list(pipelines: Sequence[Pipeline]) -> Message:
    """The pipelines, each with a button for its stages."""
    rows = [[_row(pipeline)] for pipeline in pipelines]
    return resource_list(
        "pipeline",
        [pipeline.name for pipeline in pipelines],
        fit_rows(rows, hint=f": `{COMMAND} pipeline NAME` shows one."),
        empty="No pipelines that you can see at Build.io.",
    )


def pipeline_card(pipeline: Pipeline, apps: Sequence[PipelineApp]) -> Message:
    """One pipeline: its apps in columns by stage, its environments, and its review app settings."""
    stages = _by_stage(apps)
    head = join_facts(
        f"*{escape(pipeline.name, 150) or '…'}*",
        pipeline.team and f"Team {escape(pipeline.team, 100)}",
        _describe_review_apps(pipeline),
    )
    blocks = [section(head), *_columns(stages)]
    if not stages:
        blocks.append(context("No apps in this pipeline."))
    shown = pipeline.environments[:MAX_ENVIRONMENTS]
    blocks += [environment_row(environment, "Environment ") for environment in shown]
    blocks += more_note(len(pipeline.environments) - MAX_ENVIRONMENTS, f": `{COMMAND} envs`")
    settings = [
        f"{escape(name, 60)}: {escape(str(value).lower() if isinstance(value, bool) else str(value), 100)}"
        for name, value in sorted(pipeline.review_settings.items())
    ]
    if settings:
        blocks.append(context("Review apps · " + " · ".join(first_lines(settings, MAX_SETTINGS))))
    summary = "; ".join(f"{stage}: {', '.join(names)}" for stage, names in stages)
    return Message(escape(f"Pipeline {pipeline.name}. {summary}", 2000), blocks)


def _row(pipeline: Pipeline) -> Block:
    show_stages = optional_button(
        "View stages",
        action_ids.PIPELINE_SHOW,
        ResourceButton.fitting(name=pipeline.id),
        label=f"View stages of {pipeline.name}",
    )
    count = len(pipeline.environments)
    environments = f"{count} environment{'s' if count != 1 else ''}" if count else None
    details = join_facts(
        pipeline.team and escape(pipeline.team, 60), environments, _describe_review_apps(pipeline)
    )
    return section(join_facts(f"*{escape(pipeline.name, 120) or '…'}*", details), show_stages)


def _by_stage(apps: Sequence[PipelineApp]) -> list[tuple[str, list[str]]]:
    stages: dict[str, list[str]] = {}
    for app in apps:
        stages.setdefault(app.stage or NO_STAGE, []).append(app.name)
    return sorted(stages.items(), key=lambda stage: (_stage_index(stage[0]), stage[0]))


def _stage_index(stage: str) -> int:
    word = stage.lower()
    return next((index for index, known in enumerate(_ORDER) if known in word), len(_ORDER))


def _columns(stages: Sequence[tuple[str, list[str]]]) -> list[Block]:
    if not stages:
        return []
    columns = [
        mrkdwn(
            "\n".join(
                [
                    f"*{escape(stage, 60) or '…'}*",
                    *first_lines([escape(name, 60) or "…" for name in names], MAX_APPS),
                ]
            ),
            _COLUMN,
        )
        for stage, names in stages[:MAX_STAGES]
    ]
    return [{"type": "section", "fields": columns}, *more_note(len(stages) - MAX_STAGES, " stages")]


def _describe_review_apps(pipeline: Pipeline) -> str | None:
    if pipeline.review_apps is None:
        return None
    return "review apps for pull requests" if pipeline.review_apps else "no review apps"
