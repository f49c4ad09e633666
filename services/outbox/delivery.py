"""Posts or updates one message in Slack, and interprets the response or its absence."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass

from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from domain.message import Message
from services.slack.errors import NOT_SENT, RATE_LIMITED, UNCLEAR, SlackCallFailed

METADATA_TYPE = "buildbell_parcel"

# Final for the channel, whatever is posted (Slack's rules, "Failures that are final for a channel").
CHANNEL_CLOSED = frozenset({"channel_not_found", "is_archived", "not_in_channel", "restricted_action"})
# Final for the installation until an operator repairs it.
INSTALLATION_INVALID = frozenset(
    {"account_inactive", "token_revoked", "token_expired", "invalid_auth", "not_authed", "missing_scope"}
)
# The message does not exist, or can no longer be changed by the bot ("chat.update", "chat.postMessage").
NOT_THERE = frozenset({"message_not_found", "thread_not_found", "cant_update_message", "edit_window_closed"})
# Errors inside Slack; it is not known whether the message was posted.
SLACK_TROUBLE = frozenset({"internal_error", "fatal_error", "request_timeout", "service_unavailable"})


@dataclass(frozen=True)
class Delivered:
    """Slack has the message, with this timestamp."""

    ts: str


@dataclass(frozen=True)
class RetryLater:
    """Slack does not have the message; try again after `seconds`."""

    seconds: float
    reason: str


@dataclass(frozen=True)
class OutcomeUnknown:
    """Slack may or may not have the message."""

    reason: str


@dataclass(frozen=True)
class ChannelClosed:
    """Slack does not have the message and will accept none in this channel."""

    reason: str


@dataclass(frozen=True)
class NotInChannel:
    """Slack does not have the message: the bot's installation is no longer valid."""

    reason: str


@dataclass(frozen=True)
class Refused:
    """Slack does not have the message and rejects its content."""

    reason: str


@dataclass(frozen=True)
class MessageGone:
    """Slack does not have the message: the one to update or to reply to no longer exists."""

    reason: str


Outcome = Delivered | RetryLater | OutcomeUnknown | ChannelClosed | NotInChannel | Refused | MessageGone


@dataclass(frozen=True)
class Destination:
    """A channel, optionally the thread of the message `thread`; `broadcast` shows the reply in the channel too."""

    channel: str
    thread: str | None = None
    broadcast: bool = False


async def post(
    slack: AsyncWebClient, destination: Destination, message: Message, *, parcel: str, seconds: float
) -> Outcome:
    """Post the message once, in at most so many seconds; after that, Slack may still have it.

    `parcel` is sent as metadata, so that it can be found after a lost response.
    """
    return await _call(
        seconds,
        slack.chat_postMessage(
            channel=destination.channel,
            thread_ts=destination.thread,
            reply_broadcast=destination.broadcast or None,
            text=message.text,
            blocks=message.blocks,
            metadata={"event_type": METADATA_TYPE, "event_payload": {"parcel": parcel}},
            unfurl_links=False,
            unfurl_media=False,
        ),
    )


async def update(
    slack: AsyncWebClient, channel: str, ts: str, message: Message, *, seconds: float
) -> Outcome:
    """Update one of the bot's messages, in at most so many seconds.

    An update can be repeated, so after a lost response it is tried again.
    """
    call = slack.chat_update(channel=channel, ts=ts, text=message.text, blocks=message.blocks)
    outcome = await _call(seconds, call)
    return RetryLater(seconds=1, reason=outcome.reason) if isinstance(outcome, OutcomeUnknown) else outcome


async def _call(seconds: float, call: Awaitable[AsyncSlackResponse]) -> Outcome:
    try:
        async with asyncio.timeout(seconds):
            response = await call
    except SlackCallFailed as error:
        return _interpret_error(error)
    except Exception as error:  # noqa: BLE001 - after the request was sent, Slack may have the message
        return OutcomeUnknown(f"no answer: {type(error).__name__}")
    return Delivered(str(response["ts"]))


def _interpret_error(error: SlackCallFailed) -> Outcome:
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
    if reason in INSTALLATION_INVALID:
        return NotInChannel(reason)
    return Refused(reason)
