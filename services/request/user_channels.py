"""The channels that a user is in, whose subscriptions are shown as theirs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from services.request.context import RequestContext
from services.slack.errors import NO_ANSWER, SlackCallFailed

log = structlog.get_logger()

T = TypeVar("T")

# The user waits for both calls when they open the Home tab.
PATIENCE_SECONDS = 10.0
MAX_PAGES = 5
PAGE_SIZE = 200


@dataclass(frozen=True)
class UserChannels:
    """A user's channels, as far as Slack names them; a `…_problem` is Slack's error code for the missing ones."""

    direct: str | None
    channels: list[str]
    direct_problem: str | None = None
    channels_problem: str | None = None

    @property
    def all(self) -> list[str]:
        """All known channels, including the direct message."""
        return [*([self.direct] if self.direct else []), *self.channels]

    @property
    def complete(self) -> bool:
        """True if no channel is missing."""
        return self.direct_problem is None and self.channels_problem is None


async def find_user_channels(context: RequestContext) -> UserChannels:
    """Return the user's direct message with the bot and the channels that they are in, as far as Slack says in time."""
    direct, direct_problem = await _within_time(context.direct_message())
    channels: list[str] = []

    async def read() -> None:
        async for page in _read_pages(context):
            channels.extend(page)

    _, channels_problem = await _within_time(read())
    return UserChannels(direct, channels, direct_problem, channels_problem)


async def _within_time(call: Coroutine[Any, Any, T]) -> tuple[T | None, str | None]:
    """Return the result, or Slack's error code if there is none in time."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await call, None
    except SlackCallFailed as error:
        reason = error.reason
    except TimeoutError:
        reason = NO_ANSWER
    log.warning("places.unknown", reason=reason)
    return None, reason


async def list_channels(context: RequestContext) -> list[str]:
    """Return the channels that the user is in and that the bot may know of. Raises SlackCallFailed."""
    return [channel async for channels in _read_pages(context) for channel in channels]


async def _read_pages(context: RequestContext) -> AsyncIterator[list[str]]:
    """Read the pages of the user's channels; private ones only if the bot is in them too ("users.conversations")."""
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        answer = await context.slack.users_conversations(
            user=context.person,
            types="public_channel,private_channel",
            exclude_archived=True,
            limit=PAGE_SIZE,
            cursor=cursor,
        )
        yield [str(channel["id"]) for channel in answer.get("channels") or []]
        cursor = (answer.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return
