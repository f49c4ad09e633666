"""What somebody did, told to everybody in the channel."""

from __future__ import annotations

from collections.abc import Sequence

from bot.bitrise import AbortOrder, Started
from bot.build import App, Build
from bot.messages import wording
from bot.messages.blocks import section
from bot.messages.message import Message
from bot.messages.text import code, escape, link, mention, plain


def aborted(build: Build, app: App, *, by: str, order: AbortOrder) -> Message:
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
        [section(f"🛑 {mention(by)} aborted {wording.name(build, app)}{why}{extra}")],
    )


def triggered(app: App, started: Sequence[Started], *, by: str) -> Message:
    """Builds were started."""
    return _started(f"{mention(by)} started", app, started, "")


def rebuilt(build: Build, app: App, started: Sequence[Started], *, by: str) -> Message:
    """A build was started again."""
    return _started(f"{mention(by)} started", app, started, f", as {wording.name(build, app)} was")


def _started(who: str, app: App, started: Sequence[Started], like: str) -> Message:
    lines = [_line(who, app, one, like) for one in started[:20]]
    spoken = ", ".join(f"#{one.number}" for one in started if one.ok and one.number is not None)
    return Message(f"{who} {escape(app.title)} {spoken}".strip(), [section("\n".join(lines))])


def _line(who: str, app: App, one: Started, like: str) -> str:
    workflow = f" with {code(one.workflow)}" if one.workflow else ""
    if not one.ok:
        return f"⚠️ Bitrise did not start a build{workflow}: {escape(plain(one.words or 'it does not say why', 300))}"
    label = f"{app.title} #{one.number}" if one.number is not None else app.title
    note = " (the answer was lost; I found the build running)" if one.found_after_lost_answer else ""
    return f"▶️ {who} *{link(one.url, label)}*{workflow}{like}{note}"
