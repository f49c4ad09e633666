"""Handing one message to Slack, and what its answer, or its silence, means."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass

from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from domain.message import Message
from services.slack.errors import NOT_SENT, RATE_LIMITED, UNCLEAR, SlackCallFailed

METADATA_TYPE = "buildbell_parcel"

# Final for the channel, whatever is posted (Slack's rules, "Failures that are final for a channel").
CHANNEL_CLOSED = frozenset({"channel_not_found", "is_archived", "not_in_channel", "restricted_action"})
# Final for the installation until an operator mends it.
NOT_LET_IN = frozenset(
    {"account_inactive", "token_revoked", "token_expired", "invalid_auth", "not_authed", "missing_scope"}
)
# The message itself is not there, or not ours to change any more ("chat.update", "chat.postMessage").
NOT_THERE = frozenset({"message_not_found", "thread_not_found", "cant_update_message", "edit_window_closed"})
# Slack's own trouble; whether the message was taken is not known.
SLACK_TROUBLE = frozenset({"internal_error", "fatal_error", "request_timeout", "service_unavailable"})


@dataclass(frozen=True)
class Delivered:
    """Slack has the message, under this name."""

    ts: str


@dataclass(frozen=True)
class RetryLater:
    """Slack does not have it and wants to be asked again after so many seconds."""

    seconds: float
    reason: str


@dataclass(frozen=True)
class OutcomeUnknown:
    """Slack may or may not have it."""

    reason: str


@dataclass(frozen=True)
class ChannelClosed:
    """Slack does not have it and never will, in this channel."""

    reason: str


@dataclass(frozen=True)
class NotInChannel:
    """Slack does not have it: the bot's installation is not valid any more."""

    reason: str


@dataclass(frozen=True)
class Refused:
    """Slack does not have it and does not like this message."""

    reason: str


@dataclass(frozen=True)
class MessageGone:
    """Slack does not have it, since the message that it was to change or to answer is not there any more."""

    reason: str


Outcome = Delivered | RetryLater | OutcomeUnknown | ChannelClosed | NotInChannel | Refused | MessageGone


@dataclass(frozen=True)
class Destination:
    """Where a message goes: a channel, maybe in the thread of the message `thread`, maybe shown in both."""

    channel: str
    thread: str | None = None
    broadcast: bool = False


async def post(slack: AsyncWebClient, place: Destination, message: Message, *, parcel: str) -> Outcome:
    """Post the message once. `parcel` travels in its metadata, so that it can be found again after a lost answer."""
    return await _call(
        slack.chat_postMessage(
            channel=place.channel,
            thread_ts=place.thread,
            reply_broadcast=place.broadcast or None,
            text=message.text,
            blocks=message.blocks,
            metadata={"event_type": METADATA_TYPE, "event_payload": {"parcel": parcel}},
            unfurl_links=False,
            unfurl_media=False,
        )
    )


async def update(slack: AsyncWebClient, channel: str, ts: str, message: Message) -> Outcome:
    """Change a message of ours; to repeat it does no harm, so a lost answer is no doubt but a reason to ask again."""
    outcome = await _call(slack.chat_update(channel=channel, ts=ts, text=message.text, blocks=message.blocks))
    return RetryLater(seconds=1, reason=outcome.reason) if isinstance(outcome, OutcomeUnknown) else outcome


async def _call(call: Awaitable[AsyncSlackResponse]) -> Outcome:
    try:
        answer = await call
    except SlackCallFailed as error:
        return _refusal(error)
    except Exception as error:  # noqa: BLE001 - whatever broke once the request had left, Slack may have the message
        return OutcomeUnknown(f"no answer: {type(error).__name__}")
    return Delivered(str(answer["ts"]))


def _refusal(error: SlackCallFailed) -> Outcome:
    reason = error.reason
    if reason == RATE_LIMITED:
        return RetryLater(seconds=error.retry_after, reason=reason)
    if reason == NOT_SENT:
        return RetryLater(seconds=5, reason=f"Slack can't be reached: {error.detail}")
    if error.status >= 500 or reason in UNCLEAR | SLACK_TROUBLE:
        return OutcomeUnknown(error.detail)
    if reason in CHANNEL_CLOSED or reason.startswith("restricted_action"):
        return ChannelClosed(reason)
    if reason in NOT_THERE:
        return MessageGone(reason)
    if reason in NOT_LET_IN:
        return NotInChannel(reason)
    return Refused(reason)
