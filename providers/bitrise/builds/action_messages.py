"""Messages to the channel about actions on builds."""

from __future__ import annotations

from collections.abc import Sequence

from domain.build import App, Build, BuildState
from domain.commands.shared_commands import TriggerBuild
from domain.message import Block, Message, RunNote
from messages import build_text
from messages.build_card import card_row
from messages.kit.blocks import section
from messages.kit.mrkdwn import code, cut_markup, escape, link, mention, plain
from providers.bitrise.api.requests import AbortRequest, TriggeredBuild
from providers.bitrise.presentation import PRESENTATION
from providers.bitrise.provider import BITRISE

# Blocks in one message (Slack's rules, "Sizes").
MAX_BLOCKS = 50


def build_aborted(build: Build, app: App, *, by: str, order: AbortRequest) -> Message:
    """Render the message that a build was aborted: by whom, why, and with which options."""
    why = f": {escape(order.reason, 500)}" if order.reason else ", without giving a reason."
    options = [
        text
        for is_on, text in (
            (order.with_success, "counted as a success"),
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
    again = f", as {build_text.build_link(*like)} was" if like is not None else ""
    note = " (the answer was lost; I found the build running)" if run.found_after_lost_answer else ""
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
        f"⚠️ Bitrise did not start a build{f' with {code(run.workflow)}' if run.workflow else ''}:"
        f" {escape(plain(run.words or 'it does not say why', 300))}"
        for run in refused[:20]
    ]
    return Message(
        f"Bitrise did not start {len(refused)} of the builds of {escape(app.title, 100)}.",
        [section("\n".join(lines))],
    )
