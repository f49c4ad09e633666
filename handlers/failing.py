"""What goes wrong outside of an answer: before one can be given, or while it is said."""

from __future__ import annotations

from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck
from slack_bolt.response import BoltResponse

from handlers.trouble import MISTAKES, refusal_of

log = structlog.get_logger()


class LastingAck(AsyncAck):
    """What was acknowledged stays so: Bolt (1.30) takes it back where the listener then fails at once, and lets Slack
    wait three seconds for nothing.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "response" or value is not None or getattr(self, name, None) is None:
            super().__setattr__(name, value)


def register(app: AsyncApp) -> None:
    """Log it without what was sent, and let Slack say that it did not work.

    What came is well-formed (bot/slack/payloads.py). So it can still carry what is not ours, which is a mistake of
    whoever sent it, or lead to where Slack lets nobody write; whatever else breaks is a bug, and shows as one.
    """

    @app.middleware
    async def lasting(context, next):  # type: ignore[no-untyped-def]  # noqa: A002
        context["ack"] = LastingAck()  # type: ignore[no-untyped-call]
        await next()

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
