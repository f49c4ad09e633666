"""Slash commands."""

from __future__ import annotations

from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from bot.commands import parse
from handlers.answers import answer
from handlers.caller import Answer, Caller
from handlers.desk import Desk
from handlers.listening import Listening
from handlers.saying import ToResponseUrl
from handlers.trouble import in_words


def register(app: AsyncApp, desk: Desk, listening: Listening) -> None:
    """Listen to `/bitrise`."""

    @app.command("/bitrise")
    async def bitrise(ack: AsyncAck, command: dict[str, Any]) -> None:
        await ack()
        async with listening.answering("command"):
            caller = Caller(
                desk=desk,
                person=command["user_id"],
                name=command.get("user_name"),
                team=command.get("team_id") or "",
                channel=command["channel_id"],
            )
            say = ToResponseUrl(caller, command["response_url"])
            try:
                said = await answer(parse(command.get("text") or "", surface="slash"), caller)
            except Exception as error:  # noqa: BLE001 - whatever went wrong, the person hears of it
                said = Answer(in_words(error))
            if said is not None:
                await say(said)
