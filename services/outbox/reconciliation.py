"""Looking whether a message of which no answer came is in the channel after all."""

from __future__ import annotations

from dataclasses import dataclass

from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from services.outbox.delivery import METADATA_TYPE, NOT_THERE, SLACK_TROUBLE, Destination, RetryLater
from services.slack.errors import NOT_SENT, RATE_LIMITED, UNCLEAR, SlackCallFailed

MOST_PAGES = 20


@dataclass(frozen=True)
class Found:
    """The message is there, under this name."""

    ts: str


@dataclass(frozen=True)
class Missing:
    """The channel was read back, and the message is not in it."""


@dataclass(frozen=True)
class Unreadable:
    """The channel can't be read back, so nobody knows."""

    reason: str


async def find_posted(
    slack: AsyncWebClient, place: Destination, parcel: str, *, after: str | None
) -> Found | Missing | Unreadable | RetryLater:
    """Search what was posted after the message `after` for the one whose metadata carries the parcel's key.

    A message's name is its time by Slack's clock; ours may be off by hours, so no time of ours is used.
    Needs a history scope for the channel's kind; without one the answer is Unreadable.
    """
    cursor = None
    for _ in range(MOST_PAGES):
        try:
            answer = await _page(slack, place, after, cursor)
        except SlackCallFailed as error:
            return _refusal(error)
        except Exception as error:  # noqa: BLE001 - reading can be repeated, whatever broke
            return RetryLater(seconds=5, reason=f"no answer: {type(error).__name__}")
        for message in answer.get("messages") or ():
            if _carries(message.get("metadata"), parcel):
                return Found(str(message["ts"]))
        cursor = (answer.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return Missing()
    return Unreadable("too much was posted meanwhile")


async def _page(
    slack: AsyncWebClient, place: Destination, oldest: str | None, cursor: str | None
) -> AsyncSlackResponse:
    if place.thread is None:
        return await slack.conversations_history(
            channel=place.channel, oldest=oldest, include_all_metadata=True, limit=200, cursor=cursor
        )
    return await slack.conversations_replies(
        channel=place.channel,
        ts=place.thread,
        oldest=oldest,
        include_all_metadata=True,
        limit=200,
        cursor=cursor,
    )


def _carries(metadata: object, parcel: str) -> bool:
    """Whether a message's metadata, which may be another app's, has the parcel's key."""
    if not isinstance(metadata, dict) or metadata.get("event_type") != METADATA_TYPE:
        return False
    payload = metadata.get("event_payload")
    return isinstance(payload, dict) and payload.get("parcel") == parcel


def _refusal(error: SlackCallFailed) -> Missing | Unreadable | RetryLater:
    if error.reason == RATE_LIMITED:
        return RetryLater(seconds=error.retry_after, reason=error.reason)
    if error.reason in NOT_THERE:
        return Missing()
    if error.reason == NOT_SENT or error.reason in UNCLEAR | SLACK_TROUBLE:
        return RetryLater(seconds=5, reason=f"Slack gave no clear answer: {error.detail}")
    return Unreadable(error.reason)
