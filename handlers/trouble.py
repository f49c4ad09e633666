"""What went wrong, in words that help the person who asked."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError

from bot import messages
from bot.commands import AmbiguousApp, CommandError, UnknownApp
from bot.http import ProviderError
from bot.http.redaction import redact
from bot.messages import Message, NotAButton, TooLongForAModal
from handlers.caller import Answer
from handlers.doing import NotAllowed
from handlers.finding import NotNamed
from handlers.following import CannotFollow
from handlers.saying import Saying
from storage import WorkspaceGone

log = structlog.get_logger()

MISTAKES = (
    CommandError,
    UnknownApp,
    AmbiguousApp,
    NotNamed,
    NotAllowed,
    NotAButton,
    TooLongForAModal,
    CannotFollow,
)


def in_words(error: Exception) -> Message:
    """The error as a message: what was wrong, what would work."""
    return messages.problem(sentence_for(error))


def sentence_for(error: BaseException) -> str:
    """The error as a sentence without markup of Slack's, for places that take text only."""
    if isinstance(error, (*MISTAKES, ProviderError)):
        # What was typed may be a secret that landed in the wrong place.
        return redact(str(error))
    if isinstance(error, WorkspaceGone):
        return str(error)  # nobody will read it
    if isinstance(error, SlackApiError) and error.response.get("error") == "expired_trigger_id":
        return "That took too long for Slack to still open the dialog. Press the button once more."
    log.error("answer.broken", exc_info=error)
    return "Something broke on my side; it is in my log. Nothing was changed that I didn't tell you."


async def say_or_explain(asked: Coroutine[Any, Any, Answer | None], say: Saying) -> None:
    """Say the answer, or, whatever went wrong, what it was; nothing where the answer was a message of its own."""
    asking = asyncio.create_task(asked)
    await say.meanwhile(asking)
    try:
        said = await asking
    except Exception as error:  # noqa: BLE001 - the person hears of everything that goes wrong
        said = Answer(in_words(error))
    if said is not None:
        await say(said)
