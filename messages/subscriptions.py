"""Messages about a channel's subscriptions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.build import App
from domain.build_filter import BuildFilter, GlobPatterns
from domain.message import Block, Message
from domain.notifications.rule import EVERY_END, NotificationRule, describe_rule
from domain.provider import Provider
from domain.slack_ids import is_slack_id
from messages.kit import action_ids
from messages.kit.blocks import button, confirm, context, more_note, paragraphs, row, section, text_message
from messages.kit.mrkdwn import code, cut_markup, escape, mention, plain, when
from messages.provider_presentation import PresentationOf, ProviderPresentation

MAX_ROWS = 15
# This many ids fit into a button.
MAX_IDS = 100
# The `stopped` of a subscription that a person has paused.
PAUSED = "paused"
# The total length of the sentences in a list, and of one of them (Slack's rules: 13,200 characters of blocks).
MAX_LIST_LENGTH = 9000
MAX_ROW_LENGTH = 2500
# By Slack's error for the channel (Slack's rules, "Failures that are final for a channel").
_REMEDIES = {
    "not_in_channel": "Buildbell isn't in this channel. Type `/invite @buildbell` in it, then press *Resume*.",
    "channel_not_found": "Buildbell can't see this channel. Type `/invite @buildbell` in it, then press *Resume*.",
    "unseen": "The person who added it can't see the app any more, or disconnected their account. If you can see the"
    " app, press *Resume*.",
    "is_archived": "The channel is archived. Unarchive it, then press *Resume*.",
}


@dataclass(frozen=True)
class SubscriptionRow:
    """A subscription in a list; `stopped` is Slack's error if the channel can no longer be notified.

    `presentation` is its provider's. People know it by its `number` in their channel, buttons by its `id`.
    """

    number: int
    app: App | None
    terms: NotificationRule
    created_by: str
    presentation: ProviderPresentation
    stopped: str | None = None
    id: int = 0

    @property
    def provider(self) -> Provider:
        """The provider that the subscription is about."""
        return self.presentation.provider


@dataclass(frozen=True)
class ProviderUnavailable:
    """A provider that can't be polled: since when (None: since the start), and why."""

    provider: Provider
    since: datetime | None
    reason: str


def subscription_added(
    app: App, terms: NotificationRule, presentation: ProviderPresentation, *, by: str, member: bool = True
) -> Message:
    """Tell the channel that it is subscribed; `member`: the bot is in it, so no message can be posted twice."""
    what = describe_subscription(app, terms, presentation)
    command, run = presentation.command, presentation.run
    return Message(
        f"Subscribed to {what}.",
        [
            section(f"🔔 {mention(by)} subscribed to {what}."),
            *_invite_note(member=member),
            context(
                f"Edit or pause it: `{command} subscriptions`. See why a {run} was or wasn't posted: `{command} why"
                " #N`."
            ),
        ],
    )


def subscription_exists(row: SubscriptionRow) -> Message:
    """Say that the channel has this subscription already."""
    return text_message(f"🔔 Already subscribed: {describe_row(row, MAX_ROW_LENGTH, with_provider=False)}.")


def _invite_note(*, member: bool) -> list[Block]:
    """Explain what it means that the bot is not a member of the channel; nothing if it is."""
    if member:
        return []
    return [
        context(
            "⚠️ Buildbell isn't a member of this channel, so a message may appear twice if a response from Slack gets"
            " lost. To prevent this, type `/invite @buildbell`."
        )
    ]


def subscription_changed(
    app: App | None,
    before: NotificationRule,
    after: NotificationRule,
    presentation: ProviderPresentation,
    *,
    by: str,
) -> Message:
    """Tell the channel that a subscription was changed."""
    text = f"🔔 {mention(by)} changed a subscription. Now: {describe_subscription(app, after, presentation)}"
    return text_message(text, context(f"Before: {describe_subscription(app, before, presentation)}"))


def subscription_resumed(
    app: App | None,
    terms: NotificationRule,
    presentation: ProviderPresentation,
    *,
    by: str,
    member: bool = True,
) -> Message:
    """Tell the channel that a stopped subscription was resumed; `member`: the bot is in the channel."""
    what = describe_subscription(app, terms, presentation)
    text = f"▶️ {mention(by)} resumed notifications for {what}."
    return text_message(text, *_invite_note(member=member))


def subscription_paused(
    app: App | None, terms: NotificationRule, presentation: ProviderPresentation, *, by: str
) -> Message:
    """Tell the channel that a subscription was paused."""
    what = describe_subscription(app, terms, presentation)
    text = f"⏸️ {mention(by)} paused notifications for {what}."
    return text_message(text, context("What finishes while paused isn't posted later."))


def subscription_ended(app: App | None, number: int, *, by: str) -> Message:
    """Tell the channel that subscriptions were ended."""
    how_many = f"{number} subscriptions" if number > 1 else "a subscription"
    text = f"🔕 {mention(by)} removed {how_many} to *{_title(app)}*."
    return Message(f"{mention(by)} removed {how_many} to {_title(app)}.", [section(text)])


def subscriptions_stopped(
    channel: str,
    reason: str,
    what: Sequence[tuple[App | None, NotificationRule]],
    presentation_of: PresentationOf,
) -> Message:
    """Tell the creator of subscriptions that they have stopped because of their channel, and what to do."""
    channel_mention = f"<#{channel}>"
    lines = [
        f"• {describe_subscription(app, terms, presentation_of(app.provider) if app is not None else None)}"
        for app, terms in what[:MAX_ROWS]
    ]
    text = (
        f"⚠️ Buildbell can't post in {channel_mention}, so your subscriptions there stopped. {_remedy(reason)}"
    )
    return text_message(text, *paragraphs(lines))


def access_lost(rows: Sequence[SubscriptionRow], *, by: str, why: str, provider: Provider) -> Message:
    """Tell the channel that subscriptions have stopped because their creator lost access."""
    if len(rows) == 1:
        what = describe_subscription(rows[0].app, rows[0].terms, rows[0].presentation)
        text = f"⚠️ Notifications stopped for {what}. {escape(why, 300)}"
        lines: Sequence[str] = ()
    else:
        text = f"⚠️ {len(rows)} subscriptions stopped. {escape(why, 300)}"
        lines = _list_rows(rows)
    cure = (
        f"Added by {mention(by)}, and limited to what they can see at {provider.label}. Anyone who can see the"
        f" {'app can resume it' if len(rows) == 1 else 'apps can resume them'} here."
    )
    ids = " ".join(str(row.id) for row in rows[:MAX_IDS])
    resume = button("Resume as me", action_ids.STOPPED_RESUME, ids, style="primary")
    return text_message(text, *paragraphs(lines), context(cure), row(resume))


def subscriptions_resumed(rows: Sequence[SubscriptionRow], *, by: str) -> Message:
    """Tell the channel that several stopped subscriptions were resumed."""
    how_many = f"{len(rows)} subscriptions" if len(rows) > 1 else "a subscription"
    return text_message(f"▶️ {mention(by)} resumed {how_many}.", *paragraphs(_list_rows(rows)))


def unsubscribe_question(rows: Sequence[SubscriptionRow]) -> Message:
    """Ask before several subscriptions end: list them, with a button that ends them."""
    text = f"Remove these {len(rows)} subscriptions?"
    ids = " ".join(str(row.id) for row in rows[:MAX_IDS])
    end = button("Unsubscribe", action_ids.UNSUBSCRIBE, ids, style="danger")
    return text_message(text, *paragraphs(_list_rows(rows)), row(end))


def _list_rows(rows: Sequence[SubscriptionRow]) -> list[str]:
    lines = [f"• {describe_subscription(row.app, row.terms, row.presentation)}" for row in rows[:MAX_ROWS]]
    more = len(rows) - MAX_ROWS
    return [*lines, *([f"and {more} more"] if more > 0 else [])]


def subscription_list(
    rows: Sequence[SubscriptionRow],
    provider: Provider,
    *,
    outages: Sequence[ProviderUnavailable] = (),
    deploy_links: Sequence[Block] = (),
) -> Message:
    """List the channel's subscriptions, each with buttons that change and end it, and its `deploy_links` below.

    `provider` is the one whose command was typed.
    """
    if not rows:
        words = f"No subscriptions here yet. Add one: `{provider.command} subscribe APP`."
        return text_message(words, *deploy_links)
    blocks = [section("*Subscriptions*")]
    blocks += [
        section(f"{outage_text(outage)} Missed notifications are posted afterwards.") for outage in outages
    ]
    several = has_several_providers(rows)
    most = min(MAX_ROW_LENGTH, MAX_LIST_LENGTH // len(rows[:MAX_ROWS]))
    for subscription in rows[:MAX_ROWS]:
        creator = mention(subscription.created_by)
        text = f"{describe_row(subscription, most, with_provider=several)} · added by {creator}"
        blocks += [section(text + stopped_text(subscription)), subscription_buttons(subscription)]
    blocks += [*more_note(len(rows) - MAX_ROWS), *deploy_links]
    spoken = "; ".join(
        f"{row.number}: {describe_subscription(row.app, row.terms, row.presentation)}" for row in rows
    )
    return Message(cut_markup(f"Subscriptions: {spoken}", 3000), blocks)


def outage_text(outage: ProviderUnavailable) -> str:
    """Say since when and why a provider can't be polled."""
    since = f" since {when(outage.since)}" if outage.since else ""
    return f"⚠️ No updates from {outage.provider.label}{since}: {escape(outage.reason)}"


def has_several_providers(rows: Iterable[SubscriptionRow]) -> bool:
    """Return whether the rows are about several providers, so that each has to be named."""
    return len({row.provider for row in rows}) > 1


def describe_row(row: SubscriptionRow, most: int, *, with_provider: bool) -> str:
    """Describe a subscription behind its number; `with_provider`: name its provider."""
    at = f"{row.provider.label} · " if with_provider else ""
    return f"{row.number}. {at}{describe_subscription(row.app, row.terms, row.presentation, most)}"


def describe_subscription(
    app: App | None, terms: NotificationRule, presentation: ProviderPresentation | None, most: int = 1500
) -> str:
    """Describe a subscription in a sentence without its end, for mrkdwn; filters that are too long are left out.

    `presentation` is that of the app's provider.
    """
    title = f"*{_title(app)}*"
    ends = presentation.every_end if app is not None and presentation is not None else EVERY_END
    description = describe_rule(
        terms.model_copy(update={"filter": _escape_filter(terms.filter)}), title, ends=ends
    )
    if len(description) <= most:
        return description
    return describe_rule(
        terms.model_copy(update={"filter": BuildFilter()}),
        f"{title} (with filters)",
        ends=ends,
    )


def _escape_filter(build_filter: BuildFilter) -> BuildFilter:
    """Return the filter with every word from outside escaped, so that its description can be shown."""
    return build_filter.model_copy(
        update={
            name: GlobPatterns(
                include=tuple(_escape_name(pattern) for pattern in getattr(build_filter, name).include),
                exclude=tuple(_escape_name(pattern) for pattern in getattr(build_filter, name).exclude),
            )
            for name in ("branch", "target", "tag", "workflow", "by", "aborted")
        }
    )


def _escape_name(name: str) -> str:
    """Return a name as code, in which the asterisk of a glob is no markup. People and bots are our own words."""
    return name if name == "bot" or (name[:1] == "@" and is_slack_id(name[1:], "UW")) else code(name)


def _title(app: App | None) -> str:
    return escape(app.title, 100) if app else "your own builds"


def subscription_buttons(subscription: SubscriptionRow) -> Block:
    """Return the buttons that change a subscription."""
    value, number = str(subscription.id), str(subscription.number)
    title = plain(subscription.app.title, 80) if subscription.app else "your own builds"
    question = confirm("Unsubscribe?", f"This removes the subscription to {title}.", "Unsubscribe")
    return row(
        button("Resume", action_ids.SUBSCRIPTION_RESUME, value, style="primary")
        if subscription.stopped
        else None,
        button("Edit", action_ids.SUBSCRIPTION_EDIT, value, label=f"Edit subscription {number}"),
        None
        if subscription.stopped
        else button("Pause", action_ids.SUBSCRIPTION_PAUSE, value, label=f"Pause subscription {number}"),
        button("Unsubscribe", action_ids.UNSUBSCRIBE, value, confirm=question),
    )


def stopped_text(row: SubscriptionRow) -> str:
    """Say why a subscription is stopped or paused, on a line of its own; empty if it is not."""
    if row.stopped is None:
        return ""
    return "\n⏸️ Paused." if row.stopped == PAUSED else f"\n⚠️ Stopped. {_remedy(row.stopped)}"


def _remedy(reason: str) -> str:
    return _REMEDIES.get(
        reason, f"Slack doesn't allow posting here ({code(reason)}). Once it does, press *Resume*."
    )
