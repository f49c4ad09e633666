"""Where a person is: the channels whose subscriptions are also theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import structlog

from bot.slack_errors import SlackCallFailed
from handlers.caller import Caller

log = structlog.get_logger()

MOST_PAGES = 5
A_PAGE = 200


async def of_person(caller: Caller) -> list[str]:
    """The person's direct message with the bot, and the channels that they are in, as far as Slack names them.

    Raises SlackApiError.
    """
    found = [await caller.direct_message()]
    try:
        async for channels in _pages(caller):
            found += channels
    except SlackCallFailed as error:
        log.warning("places.unknown", reason=error.reason)
    return found


async def channels_of(caller: Caller) -> list[str]:
    """The channels that the person is in and the bot may know of. Raises SlackApiError."""
    return [channel async for channels in _pages(caller) for channel in channels]


async def _pages(caller: Caller) -> AsyncIterator[list[str]]:
    """Of private channels Slack names only those that the bot is in, too ("users.conversations")."""
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        answer = await caller.slack.users_conversations(
            user=caller.person,
            types="public_channel,private_channel",
            exclude_archived=True,
            limit=A_PAGE,
            cursor=cursor,
        )
        yield [str(one["id"]) for one in answer.get("channels") or []]
        cursor = (answer.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return
