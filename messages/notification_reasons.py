"""Explanations of why a channel was notified of builds or not, also for terms that are only tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from domain.build import App, Build
from domain.message import Message
from domain.notifications.rule import NotificationRule
from messages import build_text
from messages.build_card import build_line
from messages.kit.blocks import context, first_lines, paragraphs, section
from messages.kit.mrkdwn import escape, mention, sentence
from messages.provider_presentation import ProviderPresentation
from messages.subscriptions import describe_subscription

MAX_LINES = 15
MAX_REASONS = 6
# Beside a reason, the rule only identifies the subscription.
LONGEST_TERMS = 400


@dataclass(frozen=True)
class NotificationReason:
    """The outcome of a build for one subscription; `text` is a sentence without its full stop."""

    number: int
    app: App | None
    terms: NotificationRule
    presentation: ProviderPresentation
    notified: bool
    text: str


def explain_notifications(
    build: Build, app: App, reasons: Sequence[NotificationReason], *, started_by: str = ""
) -> Message:
    """Explain which of the channel's subscriptions notified of a build, and why the others did not.

    `started_by` is the user who started the build in the channel, where a message follows it.
    """
    head = f"{build_text.build_symbol(build)} {build_text.build_link(build, app)} {build_text.result_text(build)}"
    started = f"{mention(started_by)} started it here, so its message in this channel shows the result."
    if not reasons and started_by:
        return Message(
            f"{started} No subscription to {escape(app.title)} here.",
            [section(f"{head}\n🔔 {started}\nNo subscription to {escape(app.title)} here.")],
        )
    if not reasons:
        cure = f"Add one: `{app.provider.command} subscribe`."
        nobody = f"No subscription to {escape(app.title)} here. {cure}"
        return Message(nobody, [section(f"{head}\n{nobody}")])
    lines = [_reason_line(reason) for reason in reasons]
    spoken = " ".join(f"{reason.number}: {reason.text}." for reason in reasons)
    if started_by:
        lines.insert(0, f"🔔 {started}")
    return Message(
        sentence(f"{app.title} {build.label}: {spoken}", 3000), [section(head), *paragraphs(lines)]
    )


def _reason_line(reason: NotificationReason) -> str:
    bell = "🔔" if reason.notified else "🔕"
    what = describe_subscription(reason.app, reason.terms, reason.presentation, LONGEST_TERMS)
    return f"{bell} {reason.number}. {what}:\n      {sentence(reason.text, 400)}."


def subscription_preview(
    app: App,
    terms: NotificationRule,
    presentation: ProviderPresentation,
    *,
    notified: Sequence[Build],
    not_notified: Sequence[tuple[Build, str]],
) -> Message:
    """Show which of the latest builds the channel would have been notified of."""
    looked_at = len(notified) + len(not_notified)
    matches = "matches" if len(notified) == 1 else "match"
    head = (
        f"*{len(notified)} of the last {looked_at} builds {matches}*\n"
        f"{describe_subscription(app, terms, presentation)}"
    )
    lines = first_lines([build_line(build, app) for build in notified], MAX_LINES)
    reasons = Counter(reason for _, reason in not_notified).most_common(MAX_REASONS)
    quiet = "\n".join(f"🔕 {count} skipped: {sentence(reason, 200)}" for reason, count in reasons)
    blocks = [section(head), *paragraphs(lines), *([context(quiet)] if quiet else [])]
    note = (
        "Preview only: nothing was subscribed. The oldest of these builds count as the first of their streak."
    )
    spoken = f"{len(notified)} of the last {looked_at} builds of {escape(app.title)} {matches}."
    return Message(spoken, [*blocks, context(note)])
