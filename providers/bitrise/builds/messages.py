"""Messages about builds: to the channel about actions, and the comparison with the last success."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from domain.build import App, Build, BuildState
from domain.build_diff import BuildDiff, StepChange
from domain.commands.shared_commands import TriggerBuild
from domain.message import Block, Message, RunNote
from messages import build_text
from messages.build_card import card_row
from messages.kit import action_ids
from messages.kit.blocks import button, context, link_button, paragraphs, row, section
from messages.kit.button_values import BuildButton
from messages.kit.mrkdwn import code, cut_markup, escape, format_duration, link, mention, plain, when
from providers.bitrise.api.requests import AbortRequest, TriggeredBuild
from providers.bitrise.logs.messages import step_line
from providers.bitrise.presentation import PRESENTATION
from providers.bitrise.provider import BITRISE

# Blocks in one message (Slack's rules, "Sizes").
MAX_BLOCKS = 50


def build_aborted(build: Build, app: App, *, by: str, order: AbortRequest) -> Message:
    """Render the message that a build was aborted: by whom, why, and with which options."""
    why = f": {escape(order.reason, 500)}" if order.reason else ""
    options = [
        text
        for is_on, text in (
            (order.with_success, "counted as success"),
            (order.skip_notifications, "no notifications from Bitrise"),
            (order.skip_git_status_report, "no Git status"),
        )
        if is_on
    ]
    extra = f"\n_{'; '.join(options)}_" if options else ""
    return Message(
        f"{mention(by)} aborted {escape(app.title)} {build.label}{why}",
        [section(f"🛑 {mention(by)} aborted {build_text.build_link(build, app)}{why}{extra}")],
    )


# The text before what is built, and the field of the command that names it.
_SOURCES = (("on branch", "branch"), ("of tag", "tag"), ("at commit", "commit"))


def start_note(
    app: App,
    run: TriggeredBuild,
    *,
    by: str,
    command: TriggerBuild | None = None,
    like: tuple[Build, App] | None = None,
) -> RunNote:
    """Render the note that a build was started: from a command, or with the parameters of another build (`like`)."""
    source = "".join(
        f" {text} {code(name)}" for text, field in _SOURCES if (name := getattr(command, field, None))
    )
    workflow = f" with {code(run.workflow)}" if run.workflow else ""
    label = f"{app.title} #{run.number}" if run.number is not None else app.title
    again = f", a rebuild of {build_text.build_link(*like)}" if like is not None else ""
    note = " (Bitrise's response was lost, but the build was found)" if run.found_after_lost_answer else ""
    return RunNote(by=by, symbol="▶️", said=f"started *{link(run.url, label)}*{workflow}{source}{again}{note}")


def run_row(app: App, slug: str, run: TriggeredBuild) -> list[Block]:
    """Render the buttons below a build that was just started."""
    build = Build(
        provider=BITRISE,
        app_slug=app.slug,
        slug=slug,
        number=run.number,
        state=BuildState.RUNNING,
        url=run.url or "",
    )
    return card_row(build, app, PRESENTATION)


def combine_messages(messages: Sequence[Message]) -> Message:
    """Combine several messages into one."""
    blocks = [block for message in messages for block in message.blocks]
    return Message(cut_markup(" ".join(message.text for message in messages), 3500), blocks[:MAX_BLOCKS])


def builds_not_started(app: App, refused: Sequence[TriggeredBuild]) -> Message:
    """Render the message that Bitrise refused to start some builds."""
    lines = [
        f"⚠️ Bitrise didn't start a build{f' with {code(run.workflow)}' if run.workflow else ''}:"
        f" {escape(plain(run.words or 'it gives no reason', 300))}"
        for run in refused[:20]
    ]
    return Message(
        f"Bitrise didn't start {len(refused)} build{'s' if len(refused) != 1 else ''} of {escape(app.title, 100)}.",
        [section("\n".join(lines))],
    )


MAX_STEPS = 15
MAX_PARAMS = 15


def no_successful_build(build: Build, app: App) -> Message:
    """Render the message that there is no success to compare with."""
    where = f" on {code(build.branch)}" if build.branch else ""
    name = build_text.build_link(build, app)
    text = f"{name}: no earlier build of its workflow{where} that passed was found."
    return Message(
        escape(f"{app.title} {build.label}: no earlier build like it that passed was found."), [section(text)]
    )


def build_comparison(app: App, diff: BuildDiff) -> Message:
    """Render the differences from the last success."""
    build, success = diff.build, diff.success
    ended = f" {when(success.finished_at)}" if success.finished_at else ""
    lines = [
        f"{build_text.build_symbol(build)} {build_text.build_link(build, app)} {build_text.result_text(build)}",
        f"✅ Last passed: {build_text.build_link(success, app)}{ended}",
    ]
    if commit := build_text.commit_text(success):
        lines.append(f"      {commit}")
    if build.commit_hash and build.commit_hash == success.commit_hash:
        lines.append("Both built the same commit, so the cause isn't in the code.")
    blocks = [section("\n".join(lines))]
    if facts := _summarize_facts(diff):
        blocks.append(section("\n".join(facts)))
    if diff.steps:
        changed = [_format_step_change(change) for change in diff.steps[:MAX_STEPS]]
        blocks += [section("*Changed steps*"), *paragraphs(changed, max_blocks=2)]
    else:
        blocks.append(context("No changed steps found in the two logs."))
    value = BuildButton.of(success, app).encode()
    blocks.append(
        row(
            link_button("View commits", diff.commits, action_ids.OPEN_LINK),
            button("View last passed build", action_ids.BUILD_SHOW, value),
        )
    )
    text = f"{app.title} {build.label} compared with {success.label}, the last that passed. {_summarize_steps(diff)}"
    return Message(escape(text, 900), blocks)


def _summarize_facts(diff: BuildDiff) -> list[str]:
    facts = []
    slower = diff.slower_by
    if slower is not None and abs(slower) >= timedelta(seconds=1):
        facts.append(f"{format_duration(abs(slower))} {'slower' if slower > timedelta(0) else 'faster'}")
    if diff.params:
        names = ", ".join(code(name) for name in diff.params[:MAX_PARAMS])
        facts.append(f"Different parameters: {names}")
    return facts


def _format_step_change(change: StepChange) -> str:
    if change.now is None:
        return f"➖ {code(change.title)} removed"
    if change.then is None:
        return f"➕ {step_line(change.now)}; new"
    before = f"; previously {code(change.then.title)}" if change.then.title != change.title else ""
    took = f" (before: {format_duration(change.then.took)})" if change.then.took is not None else ""
    return f"{step_line(change.now)}{took}{before}"


def _summarize_steps(diff: BuildDiff) -> str:
    titles = ", ".join(change.title for change in diff.steps[:MAX_STEPS])
    return f"Changed steps: {titles}." if titles else "No changed steps found."
