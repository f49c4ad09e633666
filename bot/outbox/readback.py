"""Looking whether a message of which no answer came is in the channel after all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.outbox.delivery import METADATA_TYPE, NOT_THERE, SLACK_TROUBLE, Later, Place, retry_after

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


async def look_back(
    slack: AsyncWebClient, place: Place, parcel: str, *, after: str | None
) -> Found | Missing | Unreadable | Later:
    """Search what was posted after the message `after` for the one whose metadata carries the parcel's key.

    A message's name is its time by Slack's clock; ours may be off by hours, so no time of ours is used.
    Needs a history scope for the channel's kind; without one the answer is Unreadable.
    """
    cursor = None
    for _ in range(MOST_PAGES):
        try:
            answer = await _page(slack, place, after, cursor)
        except SlackApiError as error:
            return _refusal(error)
        except Exception as error:  # noqa: BLE001 - reading can be repeated, whatever broke
            return Later(seconds=5, reason=f"no answer: {type(error).__name__}")
        for message in answer.get("messages") or ():
            if _carries(message.get("metadata") or {}, parcel):
                return Found(str(message["ts"]))
        cursor = (answer.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return Missing()
    return Unreadable("too much was posted meanwhile")


async def _page(
    slack: AsyncWebClient, place: Place, oldest: str | None, cursor: str | None
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


def _carries(metadata: dict[str, Any], parcel: str) -> bool:
    payload = metadata.get("event_payload") or {}
    return metadata.get("event_type") == METADATA_TYPE and payload.get("parcel") == parcel


def _refusal(error: SlackApiError) -> Missing | Unreadable | Later:
    if getattr(error.response, "status_code", 0) == 429:
        return Later(seconds=retry_after(error.response.headers), reason="ratelimited")
    data = getattr(error.response, "data", None)
    reason = data.get("error") if isinstance(data, dict) else None
    if reason in NOT_THERE:
        return Missing()
    if reason is None or reason in SLACK_TROUBLE:
        return Later(seconds=5, reason="Slack gave no clear answer")
    return Unreadable(str(reason))
