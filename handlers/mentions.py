"""`@buildbell …` in a channel, and direct messages to the bot."""

from __future__ import annotations

from typing import Any

from slack_bolt.app.async_app import AsyncApp

from bot.commands import parse
from handlers.answers import answer
from handlers.caller import Answer, Caller
from handlers.desk import Desk
from handlers.listening import Listening
from handlers.saying import ToChannel
from handlers.trouble import in_words


def register(app: AsyncApp, desk: Desk, listening: Listening) -> None:
    """Listen to mentions and direct messages; Bolt acknowledges events by itself."""

    @app.event("app_mention")
    async def mention(event: dict[str, Any], body: dict[str, Any]) -> None:
        await _answer(event, body, desk, listening, thread=event.get("thread_ts") or event["ts"])

    @app.event("message")
    async def direct_message(event: dict[str, Any], body: dict[str, Any]) -> None:
        # Edits, joins and the like come with a subtype, other bots' words with a bot_id: none of them asks.
        if event.get("channel_type") == "im" and "subtype" not in event and "bot_id" not in event:
            await _answer(event, body, desk, listening, thread=event.get("thread_ts"))


async def _answer(
    event: dict[str, Any], body: dict[str, Any], desk: Desk, listening: Listening, *, thread: str | None
) -> None:
    if "bot_id" in event or "user" not in event:
        return  # two bots that answer each other's mentions would never end
    async with listening.answering("message"):
        caller = Caller(
            desk=desk, person=event["user"], team=body.get("team_id") or "", channel=event["channel"]
        )
        say = ToChannel(caller, thread, direct=event.get("channel_type") == "im")
        try:
            said = await answer(parse(event.get("text") or "", surface="message"), caller)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the person hears of it
            said = Answer(in_words(error))
        if said is not None:
            await say(said)
