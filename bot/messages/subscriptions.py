"""A channel's standing orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.build import App
from bot.commands import describe
from bot.filters import BuildFilter
from bot.messages import actions
from bot.messages.blocks import button, confirm, context, section
from bot.messages.message import Message
from bot.messages.text import escape, mention, plain

MOST_ROWS = 20
# By Slack's error for the channel (Slack's rules, "Failures that are final for a channel").
_CURES = {
    "not_in_channel": "I am not in this channel. Type `/invite @buildbell`, then subscribe again.",
    "channel_not_found": "I can't see this channel any more. Type `/invite @buildbell`, then subscribe again.",
    "is_archived": "The channel was archived. Subscribe again once it is back.",
}


@dataclass(frozen=True)
class SubscriptionRow:
    """A subscription in a list; `stopped` is Slack's error where the channel could not be told any more."""

    number: int
    app: App
    filter: BuildFilter
    created_by: str
    stopped: str | None = None


def subscribed(app: App, wanted: BuildFilter, *, by: str) -> Message:
    """The channel will be told from now on."""
    what = f"{escape(describe(wanted), 1000)} of *{escape(app.title)}*"
    return Message(
        f"This channel is told of {escape(describe(wanted), 1000)} of {escape(app.title)} from now on.",
        [
            section(
                f"🔔 {mention(by)} subscribed this channel to {what}. Each is told here once, when it ends."
            ),
            context("`/bitrise subscriptions` shows and ends what this channel is told of."),
        ],
    )


def unsubscribed(app: App, number: int, *, by: str) -> Message:
    """Subscriptions were ended."""
    how_many = f"{number} subscriptions" if number > 1 else "the subscription"
    text = f"🔕 {mention(by)} ended {how_many} to *{escape(app.title)}* in this channel."
    return Message(f"{mention(by)} ended {how_many} to {escape(app.title)}.", [section(text)])


def subscriptions(rows: Sequence[SubscriptionRow]) -> Message:
    """What the channel is told of, each with a button that ends it."""
    if not rows:
        words = "This channel is told of nothing yet. `/bitrise subscribe APP` changes that."
        return Message(words, [section(words)])
    blocks = [section("*This channel is told of*")]
    for one in rows[:MOST_ROWS]:
        question = confirm("End it?", f"This subscription to {plain(one.app.title, 80)} ends.", "End it")
        end = button("Unsubscribe", actions.UNSUBSCRIBE, str(one.number), confirm=question)
        stopped = f"\n⚠️ Stopped: {_cure(one.stopped)}" if one.stopped else ""
        what = f"{escape(describe(one.filter), 200)} of *{escape(one.app.title, 100)}*"
        blocks.append(section(f"{one.number}. {what}, since {mention(one.created_by)} asked{stopped}", end))
    if len(rows) > MOST_ROWS:
        blocks.append(context(f"and {len(rows) - MOST_ROWS} more"))
    spoken = "; ".join(f"{one.number}: {describe(one.filter)} of {one.app.title}" for one in rows)
    return Message(escape(f"This channel is told of: {spoken}", 3000), blocks)


def _cure(reason: str) -> str:
    return _CURES.get(
        reason, f"Slack does not let me post here ({escape(reason)}). Subscribe again once it does."
    )
