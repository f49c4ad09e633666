"""What goes wrong outside of an answer: before one can be given, or while it is said."""

from __future__ import annotations

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.response import BoltResponse

from handlers.trouble import MISTAKES, refusal_of

log = structlog.get_logger()


def register(app: AsyncApp) -> None:
    """Log it without what was sent, and let Slack say that it did not work.

    What came is well-formed (bot/slack/payloads.py). So it can still carry what is not ours, which is a mistake of
    whoever sent it, or lead to where Slack lets nobody write; whatever else breaks is a bug, and shows as one.
    """

    @app.error
    async def failed(error: Exception, response: BoltResponse | None) -> BoltResponse | None:
        status = 400
        if isinstance(error, MISTAKES):
            log.info("slack.not_understood", reason=type(error).__name__)
        elif (refusal := refusal_of(error)) is not None:
            log.warning("answer.not_said", reason=refusal)
        else:
            log.error("answer.broken", exc_info=error)
            status = 500
        # What was acknowledged already has no response any more.
        return BoltResponse(status=status, body="") if response is not None else None
