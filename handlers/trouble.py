"""What went wrong, in words that help the person who asked."""

from __future__ import annotations

import structlog

from bot import messages
from bot.commands import AmbiguousApp, CommandError, UnknownApp
from bot.http import ProviderError
from bot.messages import Message, NotAButton
from handlers.answers.acts import NotAllowed
from handlers.finding import NotNamed

log = structlog.get_logger()

MISTAKES = (CommandError, UnknownApp, AmbiguousApp, NotNamed, NotAllowed, NotAButton)


def in_words(error: Exception) -> Message:
    """The error as a message: what was wrong, what would work."""
    if isinstance(error, MISTAKES):
        return messages.problem(str(error))
    if isinstance(error, ProviderError):
        return messages.problem(str(error))
    log.error("answer.broken", exc_info=error)
    return messages.problem(
        "Something broke on my side; it is in my log. Nothing was changed that I didn't tell you."
    )
