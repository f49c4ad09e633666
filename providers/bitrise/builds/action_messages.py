"""What somebody did, told to everybody in the channel."""

from __future__ import annotations

from collections.abc import Sequence

from domain.build import App, Build, BuildState
from domain.commands.trigger_build import TriggerBuild
from domain.message import Block, Message
from domain.message_state import RunNote
from messages import build_text
from messages.build_buttons import card_row
from messages.kit.blocks import section
from messages.kit.mrkdwn import code, cut_markup, escape, link, mention, plain
from providers.bitrise.api.requests import AbortRequest, TriggeredBuild
from providers.bitrise.presentation import PRESENTATION

# Of one message (Slack's rules, "Sizes").
MOST_BLOCKS = 50


def build_aborted(build: Build, app: App, *, by: str, order: AbortRequest) -> Message:
    """A build was aborted: by whom, why, and with which options."""
    why = f": {escape(order.reason, 500)}" if order.reason else ", without giving a reason."
    options = [
        words
        for chosen, words in (
            (order.with_success, "counted as a success"),
            (order.skip_notifications, "no notifications from Bitrise"),
            (order.skip_git_status_report, "no Git status"),
        )
        if chosen
    ]
    extra = f"\n_{'; '.join(options)}_" if options else ""
    return Message(
        f"{mention(by)} aborted {escape(app.title)} {build.label}{why}",
        [section(f"🛑 {mention(by)} aborted {build_text.build_link(build, app)}{why}{extra}")],
    )


# What a build is started of, as it is said, and the field of the command that names it.
_OF = (("on branch", "branch"), ("of tag", "tag"), ("at commit", "commit"))


def start_note(
    app: App,
    one: TriggeredBuild,
    *,
    by: str,
    command: TriggerBuild | None = None,
    like: tuple[Build, App] | None = None,
) -> RunNote:
    """A build was started: of what was asked for, or again `like` another one, with its app."""
    of = "".join(f" {where} {code(name)}" for where, field in _OF if (name := getattr(command, field, None)))
    workflow = f" with {code(one.workflow)}" if one.workflow else ""
    label = f"{app.title} #{one.number}" if one.number is not None else app.title
    again = f", as {build_text.build_link(*like)} was" if like is not None else ""
    note = " (the answer was lost; I found the build running)" if one.found_after_lost_answer else ""
    return RunNote(by=by, symbol="▶️", said=f"started *{link(one.url, label)}*{workflow}{of}{again}{note}")


def run_row(app: App, slug: str, one: TriggeredBuild) -> list[Block]:
    """What can be pressed below a build that was just started."""
    build = Build(
        app_slug=app.slug, slug=slug, number=one.number, state=BuildState.RUNNING, url=one.url or ""
    )
    return card_row(build, app, PRESENTATION)


def combine_messages(said: Sequence[Message]) -> Message:
    """Several messages as one."""
    blocks = [block for one in said for block in one.blocks]
    return Message(cut_markup(" ".join(one.text for one in said), 3500), blocks[:MOST_BLOCKS])


def builds_not_started(app: App, refused: Sequence[TriggeredBuild]) -> Message:
    """Bitrise did not start some of the builds that were asked for."""
    lines = [
        f"⚠️ Bitrise did not start a build{f' with {code(one.workflow)}' if one.workflow else ''}:"
        f" {escape(plain(one.words or 'it does not say why', 300))}"
        for one in refused[:20]
    ]
    return Message(
        f"Bitrise did not start {len(refused)} of the builds of {escape(app.title, 100)}.",
        [section("\n".join(lines))],
    )
