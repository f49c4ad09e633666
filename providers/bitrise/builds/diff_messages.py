"""Messages that compare a build with the last success of its workflow and branch."""

from __future__ import annotations

from datetime import timedelta

from domain.build import App, Build
from domain.build_diff import BuildDiff, StepChange
from domain.message import Message
from messages import build_text
from messages.kit import action_ids
from messages.kit.blocks import button, context, link_button, paragraphs, row, section
from messages.kit.button_values import BuildButton
from messages.kit.mrkdwn import code, escape, format_duration, when
from providers.bitrise.logs.messages import step_line

MAX_STEPS = 15
MAX_PARAMS = 15


def no_successful_build(build: Build, app: App) -> Message:
    """Render the message that there is no success to compare with."""
    where = f" on {code(build.branch)}" if build.branch else ""
    name = build_text.build_link(build, app)
    text = f"{name}: no build of its workflow{where} has succeeded before it, as far as I can see."
    return Message(
        escape(f"{app.title} {build.label}: none like it has succeeded before it."), [section(text)]
    )


def build_comparison(app: App, diff: BuildDiff) -> Message:
    """Render the differences from the last success."""
    build, success = diff.build, diff.success
    ended = f" {when(success.finished_at)}" if success.finished_at else ""
    lines = [
        f"{build_text.build_symbol(build)} {build_text.build_link(build, app)} {build_text.result_text(build)}",
        f"✅ The last success like it was {build_text.build_link(success, app)}{ended}",
    ]
    if commit := build_text.commit_text(success):
        lines.append(f"      {commit}")
    if build.commit_hash and build.commit_hash == success.commit_hash:
        lines.append("Both built the same commit, so what broke it is not in the code.")
    blocks = [section("\n".join(lines))]
    if facts := _summarize_facts(diff):
        blocks.append(section("\n".join(facts)))
    if diff.steps:
        changed = [_format_step_change(change) for change in diff.steps[:MAX_STEPS]]
        blocks += [section("*Steps that went differently*"), *paragraphs(changed, max_blocks=2)]
    else:
        blocks.append(context("I see no step that went differently in what both logs say of their steps."))
    value = BuildButton.of(success, app).encode()
    blocks.append(
        row(
            link_button("Commits in between", diff.commits, action_ids.OPEN_LINK),
            button("The last success", action_ids.BUILD_SHOW, value),
        )
    )
    text = f"{app.title} {build.label} beside {success.label}, the last success. {_summarize_steps(diff)}"
    return Message(escape(text, 900), blocks)


def _summarize_facts(diff: BuildDiff) -> list[str]:
    facts = []
    slower = diff.slower_by
    if slower is not None and abs(slower) >= timedelta(seconds=1):
        facts.append(
            f"It took {format_duration(abs(slower))} {'longer' if slower > timedelta(0) else 'less'}"
        )
    if diff.params:
        names = ", ".join(code(name) for name in diff.params[:MAX_PARAMS])
        facts.append(f"It was started with other {names}")
    return facts


def _format_step_change(change: StepChange) -> str:
    if change.now is None:
        return f"➖ {code(change.title)} was not there any more"
    if change.then is None:
        return f"➕ {step_line(change.now)}; it was not there before"
    before = f"; before, it was {code(change.then.title)}" if change.then.title != change.title else ""
    took = f", before {format_duration(change.then.took)}" if change.then.took is not None else ""
    return f"{step_line(change.now)}{took}{before}"


def _summarize_steps(diff: BuildDiff) -> str:
    titles = ", ".join(change.title for change in diff.steps[:MAX_STEPS])
    return f"These went differently: {titles}." if titles else "No step is known to have gone differently."
