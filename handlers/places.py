"""Where a person is: the channels whose subscriptions are also theirs."""

from __future__ import annotations

import structlog
from slack_sdk.errors import SlackApiError

from handlers.caller import Caller

log = structlog.get_logger()

MOST_PAGES = 5
A_PAGE = 200


async def of_person(caller: Caller) -> list[str]:
    """The person's direct message with the bot, and the channels that they are in and the bot may know of.

    Of private channels Slack names only those that the bot is in, too ("users.conversations"). Raises SlackApiError.
    """
    found = [await caller.direct_message()]
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        try:
            answer = await caller.slack.users_conversations(
                user=caller.person,
                types="public_channel,private_channel",
                exclude_archived=True,
                limit=A_PAGE,
                cursor=cursor,
            )
        except SlackApiError as error:
            log.warning("places.unknown", reason=str(error.response.get("error")))
            break
        found += [str(one["id"]) for one in answer.get("channels") or []]
        cursor = (answer.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            break
    return found
