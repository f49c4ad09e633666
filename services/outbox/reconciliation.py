"""Checks whether a message was posted although Slack's response was lost."""

from __future__ import annotations

from dataclasses import dataclass

from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from services.outbox.delivery import METADATA_TYPE, NOT_THERE, SLACK_TROUBLE, Destination, RetryLater
from services.slack.errors import NOT_SENT, RATE_LIMITED, UNCLEAR, SlackCallFailed

MAX_PAGES = 20


@dataclass(frozen=True)
class Found:
    """The message is in the channel, with this timestamp."""

    ts: str


@dataclass(frozen=True)
class Missing:
    """The channel was read, and the message is not in it."""


@dataclass(frozen=True)
class Unreadable:
    """The channel can't be read, so it is unknown whether the message is in it."""

    reason: str


async def find_posted(
    slack: AsyncWebClient, destination: Destination, parcel: str, *, after: str | None
) -> Found | Missing | Unreadable | RetryLater:
    """Search the messages posted after the timestamp `after` for the one whose metadata has the parcel's key.

    A timestamp is the time by Slack's clock; ours may be off by hours, so it is not used.
    Needs a history scope for the channel's kind; without one the result is Unreadable.
    """
    cursor = None
    for _ in range(MAX_PAGES):
        try:
            response = await _read_page(slack, destination, after, cursor)
        except SlackCallFailed as error:
            return _interpret_error(error)
        except Exception as error:  # noqa: BLE001 - reading can be repeated
            return RetryLater(seconds=5, reason=f"no answer: {type(error).__name__}")
        for message in response.get("messages") or ():
            if _has_parcel(message.get("metadata"), parcel):
                return Found(str(message["ts"]))
        cursor = (response.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return Missing()
    return Unreadable("too much was posted meanwhile")


async def _read_page(
    slack: AsyncWebClient, destination: Destination, oldest: str | None, cursor: str | None
) -> AsyncSlackResponse:
    if destination.thread is None:
        return await slack.conversations_history(
            channel=destination.channel, oldest=oldest, include_all_metadata=True, limit=200, cursor=cursor
        )
    return await slack.conversations_replies(
        channel=destination.channel,
        ts=destination.thread,
        oldest=oldest,
        include_all_metadata=True,
        limit=200,
        cursor=cursor,
    )


def _has_parcel(metadata: object, parcel: str) -> bool:
    """Return whether a message's metadata, which may be another app's, has the parcel's key."""
    if not isinstance(metadata, dict) or metadata.get("event_type") != METADATA_TYPE:
        return False
    payload = metadata.get("event_payload")
    return isinstance(payload, dict) and payload.get("parcel") == parcel


def _interpret_error(error: SlackCallFailed) -> Missing | Unreadable | RetryLater:
    if error.reason == RATE_LIMITED:
        return RetryLater(seconds=error.retry_after, reason=error.reason)
    if error.reason in NOT_THERE:
        return Missing()
    if error.reason == NOT_SENT or error.reason in UNCLEAR | SLACK_TROUBLE:
        return RetryLater(seconds=5, reason=f"Slack gave no clear answer: {error.detail}")
    return Unreadable(error.reason)
