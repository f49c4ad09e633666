"""A pipeline: one card with its workflows in it, by stage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.build import App, BuildState
from domain.message import Block, Message
from domain.message_state import RunNote
from domain.pipeline import Pipeline, PipelineWorkflow
from messages import build_text
from messages.deploy_buttons import offer_row
from messages.kit import action_ids
from messages.kit.blocks import button, confirm, context, link_button, paragraphs, row, section
from messages.kit.button_values import BuildButton, PipelineButton
from messages.kit.mrkdwn import clock_time, code, cut_markup, escape, lasted, link, mention, plain, when
from messages.notifications import NotificationContent, failure_blocks
from messages.provider_presentation import ProviderPresentation

MOST_STAGES = 12
MOST_FAILURES = 2
MOST_WORKFLOWS = 12


def pipeline_card(
    one: Pipeline, app: App, *, now: datetime, presentation: ProviderPresentation | None = None
) -> Message:
    """Render a pipeline's current attempt: its state, stage by stage, and its buttons.

    Without the `presentation` of its provider, workflows do not link to their builds.
    """
    stages = _stages(one, presentation or ProviderPresentation(app.provider))
    return Message(
        in_a_sentence(one, app),
        [section("\n".join(_about(one, app, now))), *stages, _small_print(one), _buttons(one, app)],
    )


def told_pipeline(one: Pipeline, tellings: Sequence[NotificationContent], *, now: datetime) -> Message:
    """The same for a subscription: with why workflows failed, as far as that is known."""
    app = tellings[-1].app
    card = pipeline_card(one, app, now=now, presentation=tellings[-1].presentation)
    failed = [telling for telling in tellings if telling.build.state is BuildState.FAILED]
    why: list[Block] = []
    for telling in failed[:MOST_FAILURES]:
        name = telling.build.workflow or telling.build.label
        found = failure_blocks(telling, history=False)
        why += [context(f"*{code(name)}*"), *found] if found else []
    head, *rest = card.blocks
    return Message(card.text, [head, *rest[:-2], *why, *rest[-2:], *_offers(one, tellings)])


def _offers(one: Pipeline, tellings: Sequence[NotificationContent]) -> list[Block]:
    """What a pipeline that succeeded as a whole can be deployed to: by one of its builds, which have one commit."""
    if one.state is not BuildState.SUCCEEDED:
        return []
    rows = (offer_row(telling.build, telling.app, telling.ties) for telling in reversed(tellings))
    return next((row for row in rows if row), [])


def pipeline_list(pipelines: Sequence[Pipeline], app: App, *, now: datetime) -> Message:
    """The app's latest pipelines, each with a button for its card."""
    title = f"*{escape(app.title, 150)}*"
    if not pipelines:
        return Message(
            f"{escape(app.title)} has no pipelines.",
            [section(f"{title} has no pipelines among its latest builds.")],
        )
    blocks = [section(f"{title}: the latest pipelines")]
    for one in pipelines:
        value = PipelineButton.of(one, app).encode()
        label = f"Details of {app.title} {one.name} {one.label}"
        details = button("Details", action_ids.PIPELINE_SHOW, value, label=label)
        blocks.append(
            section("\n".join([_headline(one, app), *_progress(one, now), _source(one)]).strip(), details)
        )
    spoken = " ".join(in_a_sentence(one, app) for one in pipelines)
    return Message(cut_markup(f"Pipelines of {escape(app.title)}. {spoken}", 3500), blocks)


def pipeline_aborted(one: Pipeline, app: App, *, by: str, reason: str | None) -> Message:
    """Somebody stopped it."""
    why = f": {escape(reason, 500)}" if reason else ", without giving a reason."
    text = f"{mention(by)} aborted {escape(app.title)} {escape(one.name)} {one.label}{why}"
    return Message(text, [section(f"🛑 {mention(by)} aborted {_name(one, app)}{why}")])


def pipeline_rebuilt(one: Pipeline, app: App, *, by: str, failed_only: bool) -> RunNote:
    """A new attempt was started."""
    what = "what had not succeeded of" if failed_only else "all of"
    said = f"started {what} {_name(one, app)} again: attempt {one.attempt + 1}"
    return RunNote(by=by, symbol="▶️", said=said)


def pipeline_run_row(
    app: App, identity: str, *, name: str | None, number: int | None, url: str | None
) -> list[Block]:
    """Return the row of buttons below a pipeline that was just started."""
    pipeline = Pipeline(
        app_slug=app.slug,
        id=identity,
        name=name or "pipeline",
        number=number,
        state=BuildState.RUNNING,
        url=url or "",
    )
    return [_buttons(pipeline, app)]


def in_a_sentence(one: Pipeline, app: App) -> str:
    """The pipeline for a screen reader or a notification, without markup."""
    where = f" on {one.branch}" if one.branch else f" for tag {one.tag}" if one.tag else ""
    attempt = f", attempt {one.attempt}" if one.attempt > 1 else ""
    ended = [f"{each.name} {build_text.result_of(each.state)}" for each in one.workflows]
    text = f"{app.title} {one.name} {one.label} {build_text.result_of(one.state)}{where}{attempt}. "
    return escape(text + ", ".join(ended[:MOST_WORKFLOWS]) + ".", 900)


def _about(one: Pipeline, app: App, now: datetime) -> list[str]:
    lines = [_headline(one, app), *_progress(one, now), _source(one)]
    subject = (one.commit_message or "").strip().split("\n", 1)[0]
    commit = " ".join(part for part in (escape(one.commit_hash or "", 8), escape(subject, 250)) if part)
    stopped = f"Aborted: {escape(one.abort_reason, 500)}" if one.abort_reason else ""
    return [line for line in [*lines, commit, stopped] if line]


def _headline(one: Pipeline, app: App) -> str:
    attempt = f", attempt {one.attempt}" if one.attempt > 1 else ""
    headline = (
        f"{build_text.symbol_of(one.state)} {_name(one, app)} *{build_text.result_of(one.state)}*{attempt}"
    )
    done = sum(each.state.ended for each in one.workflows)
    if not one.ended and one.workflows:
        headline += f"{f' since {when(one.began)}' if one.began else ''}, {done} of {len(one.workflows)} workflows done"
    return headline


def _progress(one: Pipeline, now: datetime) -> list[str]:
    """How long it has been going on, and when that was so; nothing for one that has ended."""
    began = one.began
    if one.ended or began is None:
        return []
    doing = "waiting" if one.started_at is None else "running"
    return [f"{doing} for {lasted(max(now - began, timedelta(0)))}, as of {clock_time(now)}"]


def _name(one: Pipeline, app: App) -> str:
    return f"*{link(one.url, f'{app.title} {one.name} {one.label}', 150)}*"


def _source(one: Pipeline) -> str:
    parts = [code(text) for text in (one.tag and f"tag {one.tag}", one.branch) if text]
    if one.pull_request is not None:
        parts.append(f"pull request #{one.pull_request}")
    return " · ".join([*parts, "pipeline " + code(one.name)])


def _stages(one: Pipeline, presentation: ProviderPresentation) -> list[Block]:
    lines = []
    for stage in one.stages[:MOST_STAGES]:
        shown = " · ".join(_workflow(each, presentation) for each in stage.workflows[:MOST_WORKFLOWS])
        more = len(stage.workflows) - MOST_WORKFLOWS
        lines.append(f"*{escape(stage.name, 60)}*  {shown}{f' and {more} more' if more > 0 else ''}")
    if len(one.stages) > MOST_STAGES:
        lines.append(f"_and {len(one.stages) - MOST_STAGES} more stages_")
    return paragraphs(lines, most_blocks=2)


def _workflow(one: PipelineWorkflow, presentation: ProviderPresentation) -> str:
    page = presentation.build_url(one.build_slug) if one.build_slug else None
    began = one.started_at is not None or one.state is not BuildState.ON_HOLD
    words = build_text.result_of(one.state) if began else "has not begun"
    took = ""
    if one.started_at and one.finished_at:
        took = f" in {lasted(max(one.finished_at - one.started_at, timedelta(0)))}"
    problem = f" ({escape(one.problem, 100)})" if one.problem else ""
    return f"{build_text.symbol_of(one.state)} {link(page, one.name, 60)} {words}{took}{problem}"


def _small_print(one: Pipeline) -> Block:
    texts = [code(one.label)]
    if one.started_at and one.finished_at:
        texts.append(f"⏱️ {lasted(max(one.finished_at - one.started_at, timedelta(0)))} in all")
    started = f"Started by {escape(by, 100)}" if (by := build_text.starter(one.triggered_by)) else "Started"
    if one.triggered_at:
        texts.append(f"{started} {when(one.triggered_at)}")
    return context(*texts)


def _buttons(one: Pipeline, app: App) -> Block:
    value = PipelineButton.of(one, app).encode()
    title = plain(f"{app.title} {one.name}", 100)
    whole = confirm(
        "Start all of it again?", f"A new attempt of {title} {one.label} runs all workflows.", "Start it"
    )
    partly = confirm(
        "Start it again in part?",
        f"A new attempt of {title} {one.label} runs what did not succeed, and what comes after.",
        "Start it",
    )
    aborting = BuildButton(
        app=one.app_slug,
        build=one.id,
        label=one.label,
        title=plain(f"{app.title} {one.name}", 100),
        pipeline=True,
    )
    again = one.ended and one.state is not BuildState.SUCCEEDED
    return row(
        button("Refresh", action_ids.PIPELINE_REFRESH, value),
        None if one.ended else button("Abort", action_ids.BUILD_ABORT, aborting.encode(), style="danger"),
        button("Rebuild failed", action_ids.PIPELINE_REBUILD_FAILED, value, confirm=partly)
        if again
        else None,
        button("Rebuild all", action_ids.PIPELINE_REBUILD, value, confirm=whole) if one.ended else None,
        link_button(f"Open in {app.provider.label}", one.url, action_ids.OPEN_LINK),
    )
