"""Errors outside of a reply: before it is made, or while it is sent."""

from __future__ import annotations

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.response import BoltResponse

from services.request.error_messages import DATABASE_AWAY, USER_ERRORS, slack_error_code
from services.slack.interaction_payloads import SubmissionPayload
from services.slack.payloads import CommandPayload
from storage.database import DatabaseUnavailable

log = structlog.get_logger()


def _answer_without_database(payload: object) -> BoltResponse:
    """Return the answer to a request whose workspace can't be looked up; Slack shows a text only in two places."""
    if isinstance(payload, CommandPayload):
        return BoltResponse(status=200, body={"response_type": "ephemeral", "text": DATABASE_AWAY})
    if isinstance(payload, SubmissionPayload) and payload.view.first_input is not None:
        errors = {payload.view.first_input: DATABASE_AWAY}
        return BoltResponse(status=200, body={"response_action": "errors", "errors": errors})
    return BoltResponse(status=503, body="")


def register(app: AsyncApp) -> None:
    """Log errors without the payload, and let Slack show that the request failed.

    The payload is well-formed (bot/slack/payload_validation.py), but it may hold values that are not the bot's, or
    name a conversation where Slack lets nobody post. Any other error is a bug and is logged as one.
    """

    @app.error
    async def handle_error(
        error: Exception, response: BoltResponse | None, context: AsyncBoltContext
    ) -> BoltResponse | None:
        status = 400
        if isinstance(error, DatabaseUnavailable):  # what is wrong with it is logged once
            log.info("answer.without_database")
            return _answer_without_database(context.get("slack_payload")) if response is not None else None
        if isinstance(error, USER_ERRORS):
            log.info("slack.not_understood", reason=type(error).__name__)
        elif (refusal := slack_error_code(error)) is not None:
            log.warning("answer.not_said", reason=refusal)
        else:
            log.error("answer.broken", exc_info=error)
            status = 500
        # A request that was acknowledged already has no response any more.
        return BoltResponse(status=status, body="") if response is not None else None
