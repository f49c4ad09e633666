"""The card of a pipeline, with its workflows by stage, and lists of pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.build import App, BuildState
from domain.message import Block, Message, RunNote
from domain.pipeline import Pipeline, PipelineWorkflow
from messages import build_text
from messages.deploy_buttons import deploy_row
from messages.kit import action_ids
from messages.kit.blocks import button, confirm, context, first_lines, link_button, paragraphs, row, section
from messages.kit.button_values import BuildButton, PipelineButton
from messages.kit.mrkdwn import (
    clock_time,
    code,
    cut_markup,
    escape,
    format_duration,
    link,
    mention,
    plain,
    when,
)
from messages.notifications import NotificationContent, failure_blocks
from messages.provider_presentation import ProviderPresentation

MAX_STAGES = 12
MAX_FAILURES = 2
MAX_WORKFLOWS = 12


def pipeline_card(
    pipeline: Pipeline, app: App, *, now: datetime, presentation: ProviderPresentation | None = None
) -> Message:
    """Render a pipeline's current attempt: its state, stage by stage, and its buttons.

    Without the `presentation` of its provider, workflows do not link to their builds.
    """
    stages = _stages(pipeline, presentation or ProviderPresentation(app.provider))
    return Message(
        plain_summary(pipeline, app),
        [
            section("\n".join(_describe_pipeline(pipeline, app, now))),
            *stages,
            _small_print(pipeline),
            _buttons(pipeline, app),
        ],
    )


def pipeline_notification(
    pipeline: Pipeline, contents: Sequence[NotificationContent], *, now: datetime
) -> Message:
    """Render a pipeline for a subscription: its card, and why workflows failed if that is known."""
    app = contents[-1].app
    card = pipeline_card(pipeline, app, now=now, presentation=contents[-1].presentation)
    failed = [content for content in contents if content.build.state is BuildState.FAILED]
    why: list[Block] = []
    for content in failed[:MAX_FAILURES]:
        name = content.build.workflow or content.build.label
        failure = failure_blocks(content, with_history=False)
        why += [context(f"*{code(name)}*"), *failure] if failure else []
    head, *rest = card.blocks
    return Message(card.text, [head, *rest[:-2], *why, *rest[-2:], *_deploy_row(pipeline, contents)])


def _deploy_row(pipeline: Pipeline, contents: Sequence[NotificationContent]) -> list[Block]:
    """Return the deploy buttons of a pipeline that succeeded as a whole. All its builds have the same commit."""
    if pipeline.state is not BuildState.SUCCEEDED:
        return []
    rows = (deploy_row(content.build, content.app, content.deploy_links) for content in reversed(contents))
    return next((row for row in rows if row), [])


def pipeline_list(pipelines: Sequence[Pipeline], app: App, *, now: datetime) -> Message:
    """List the app's latest pipelines, each with a button for its card."""
    title = f"*{escape(app.title, 150)}*"
    if not pipelines:
        return Message(
            f"{escape(app.title)} has no recent pipelines.",
            [section(f"{title} has no recent pipelines.")],
        )
    blocks = [section(f"{title}: latest pipelines")]
    for pipeline in pipelines:
        value = PipelineButton.of(pipeline, app).encode()
        label = f"View details of {app.title} {pipeline.name} {pipeline.label}"
        details = button("View details", action_ids.PIPELINE_SHOW, value, label=label)
        blocks.append(
            section(
                "\n".join([_headline(pipeline, app), *_progress(pipeline, now), _source(pipeline)]).strip(),
                details,
            )
        )
    spoken = " ".join(plain_summary(pipeline, app) for pipeline in pipelines)
    return Message(cut_markup(f"Pipelines of {escape(app.title)}. {spoken}", 3500), blocks)


def pipeline_aborted(pipeline: Pipeline, app: App, *, by: str, reason: str | None) -> Message:
    """Tell the channel who aborted a pipeline, and why."""
    why = f": {escape(reason, 500)}" if reason else ""
    text = f"{mention(by)} aborted {escape(app.title)} {escape(pipeline.name)} {pipeline.label}{why}"
    return Message(text, [section(f"🛑 {mention(by)} aborted {_pipeline_link(pipeline, app)}{why}")])


def pipeline_rebuilt(pipeline: Pipeline, app: App, *, by: str, failed_only: bool) -> RunNote:
    """Note that somebody has started a new attempt of a pipeline."""
    what = "the failed workflows of " if failed_only else ""
    said = f"rebuilt {what}{_pipeline_link(pipeline, app)} (attempt {pipeline.attempt + 1})"
    return RunNote(by=by, symbol="▶️", said=said)


def pipeline_run_row(
    app: App, identity: str, *, name: str | None, number: int | None, url: str | None
) -> list[Block]:
    """Return the row of buttons below a pipeline that was just started."""
    pipeline = Pipeline(
        provider=app.provider,
        app_slug=app.slug,
        id=identity,
        name=name or "pipeline",
        number=number,
        state=BuildState.RUNNING,
        url=url or "",
    )
    return [_buttons(pipeline, app)]


def plain_summary(pipeline: Pipeline, app: App) -> str:
    """Summarize the pipeline without markup, for screen readers and notifications."""
    where = (
        f" on {pipeline.branch}" if pipeline.branch else f" for tag {pipeline.tag}" if pipeline.tag else ""
    )
    attempt = f", attempt {pipeline.attempt}" if pipeline.attempt > 1 else ""
    ended = [f"{workflow.name} {build_text.state_text(workflow.state)}" for workflow in pipeline.workflows]
    text = f"{app.title} {pipeline.name} {pipeline.label} {build_text.state_text(pipeline.state)}{where}{attempt}. "
    return escape(text + ", ".join(ended[:MAX_WORKFLOWS]) + ".", 900)


def _describe_pipeline(pipeline: Pipeline, app: App, now: datetime) -> list[str]:
    lines = [_headline(pipeline, app), *_progress(pipeline, now), _source(pipeline)]
    commit = build_text.describe_commit(pipeline.commit_hash, pipeline.commit_message)
    stopped = f"Aborted: {escape(pipeline.abort_reason, 500)}" if pipeline.abort_reason else ""
    return [line for line in [*lines, commit, stopped] if line]


def _headline(pipeline: Pipeline, app: App) -> str:
    attempt = f", attempt {pipeline.attempt}" if pipeline.attempt > 1 else ""
    symbol, state = build_text.state_symbol(pipeline.state), build_text.state_text(pipeline.state)
    headline = f"{symbol} {_pipeline_link(pipeline, app)} *{state}*{attempt}"
    done = sum(workflow.state.ended for workflow in pipeline.workflows)
    if not pipeline.ended and pipeline.workflows:
        since = f" · since {when(pipeline.began)}" if pipeline.began else ""
        headline += f"{since} · {done} of {len(pipeline.workflows)} workflows finished"
    return headline


def _progress(pipeline: Pipeline, now: datetime) -> list[str]:
    """Return how long an open pipeline has run, and when that was; nothing for one that has ended."""
    began = pipeline.began
    if pipeline.ended or began is None:
        return []
    doing = "on hold" if pipeline.started_at is None else "running"
    return [f"{doing} for {format_duration(max(now - began, timedelta(0)))}, as of {clock_time(now)}"]


def _pipeline_link(pipeline: Pipeline, app: App) -> str:
    return f"*{link(pipeline.url, f'{app.title} {pipeline.name} {pipeline.label}', 150)}*"


def _source(pipeline: Pipeline) -> str:
    parts = [code(text) for text in (pipeline.tag and f"tag {pipeline.tag}", pipeline.branch) if text]
    if pipeline.pull_request is not None:
        parts.append(f"pull request #{pipeline.pull_request}")
    return " · ".join([*parts, "pipeline " + code(pipeline.name)])


def _stages(pipeline: Pipeline, presentation: ProviderPresentation) -> list[Block]:
    lines = []
    for stage in pipeline.stages:
        shown = " · ".join(_workflow(workflow, presentation) for workflow in stage.workflows[:MAX_WORKFLOWS])
        more = len(stage.workflows) - MAX_WORKFLOWS
        lines.append(f"*{escape(stage.name, 60)}*  {shown}{f' and {more} more' if more > 0 else ''}")
    return paragraphs(first_lines(lines, MAX_STAGES, " stages"), max_blocks=2)


def _workflow(workflow: PipelineWorkflow, presentation: ProviderPresentation) -> str:
    page = presentation.build_url(workflow.build_slug) if workflow.build_slug else None
    began = workflow.started_at is not None or workflow.state is not BuildState.ON_HOLD
    words = build_text.state_text(workflow.state) if began else "not started"
    took = ""
    if workflow.started_at and workflow.finished_at:
        took = f" in {format_duration(workflow.finished_at - workflow.started_at)}"
    problem = f" ({escape(workflow.problem, 100)})" if workflow.problem else ""
    return f"{build_text.state_symbol(workflow.state)} {link(page, workflow.name, 60)} {words}{took}{problem}"


def _small_print(pipeline: Pipeline) -> Block:
    texts = [code(pipeline.label)]
    if pipeline.started_at and pipeline.finished_at:
        texts.append(f"⏱️ {format_duration(pipeline.finished_at - pipeline.started_at)} in total")
    started = (
        f"Started by {escape(by, 100)}"
        if (by := build_text.starter_text(pipeline.triggered_by))
        else "Started"
    )
    if pipeline.triggered_at:
        texts.append(f"{started} {when(pipeline.triggered_at)}")
    return context(*texts)


def _buttons(pipeline: Pipeline, app: App) -> Block:
    value = PipelineButton.of(pipeline, app).encode()
    title = plain(f"{app.title} {pipeline.name}", 100)
    restart_question = confirm(
        "Rebuild all workflows?",
        f"Starts a new attempt of {title} {pipeline.label} with all its workflows.",
        "Rebuild all",
    )
    restart_failed_question = confirm(
        "Rebuild the failed workflows?",
        f"Starts a new attempt of {title} {pipeline.label} with the workflows that didn't pass, and those after them.",
        "Rebuild failed",
    )
    abort_value = BuildButton(
        app=pipeline.app_slug,
        build=pipeline.id,
        label=pipeline.label,
        title=plain(f"{app.title} {pipeline.name}", 100),
        pipeline=True,
    )
    can_restart_failed = pipeline.ended and pipeline.state is not BuildState.SUCCEEDED
    return row(
        button("Refresh", action_ids.PIPELINE_REFRESH, value),
        None
        if pipeline.ended
        else button("Abort…", action_ids.BUILD_ABORT, abort_value.encode(), style="danger"),
        button("Rebuild failed", action_ids.PIPELINE_REBUILD_FAILED, value, confirm=restart_failed_question)
        if can_restart_failed
        else None,
        button("Rebuild all", action_ids.PIPELINE_REBUILD, value, confirm=restart_question)
        if pipeline.ended
        else None,
        link_button(f"Open in {app.provider.label}", pipeline.url, action_ids.OPEN_LINK),
    )
