"""Where a person is: the channels whose subscriptions are also theirs."""

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

# Whoever looks at their Home waits for both.
PATIENCE_SECONDS = 10.0
MOST_PAGES = 5
A_PAGE = 200


@dataclass(frozen=True)
class UserChannels:
    """Where a person is, as far as Slack says; a problem is Slack's word for why it does not say the rest."""

    direct: str | None
    channels: list[str]
    direct_problem: str | None = None
    channels_problem: str | None = None

    @property
    def all(self) -> list[str]:
        """All channels that are known, the direct message among them."""
        return [*([self.direct] if self.direct else []), *self.channels]

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return self.direct_problem is None and self.channels_problem is None


async def find_user_channels(context: RequestContext) -> UserChannels:
    """The person's direct message with the bot, and the channels that they are in, as far as Slack says in time."""
    direct, direct_problem = await _in_time(context.direct_message())
    channels: list[str] = []

    async def read() -> None:
        async for page in _pages(context):
            channels.extend(page)

    _, channels_problem = await _in_time(read())
    return UserChannels(direct, channels, direct_problem, channels_problem)


async def _in_time(asked: Coroutine[Any, Any, T]) -> tuple[T | None, str | None]:
    """What was asked for, or Slack's word for why there is none."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await asked, None
    except SlackCallFailed as error:
        reason = error.reason
    except TimeoutError:
        reason = NO_ANSWER
    log.warning("places.unknown", reason=reason)
    return None, reason


async def list_channels(context: RequestContext) -> list[str]:
    """The channels that the person is in and the bot may know of. Raises SlackCallFailed."""
    return [channel async for channels in _pages(context) for channel in channels]


async def _pages(context: RequestContext) -> AsyncIterator[list[str]]:
    """Of private channels Slack names only those that the bot is in, too ("users.conversations")."""
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        answer = await context.slack.users_conversations(
            user=context.person,
            types="public_channel,private_channel",
            exclude_archived=True,
            limit=A_PAGE,
            cursor=cursor,
        )
        yield [str(one["id"]) for one in answer.get("channels") or []]
        cursor = (answer.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return
