"""Errors outside of a reply: before it is made, or while it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from handlers.request_middleware import NextCall, RequestMiddleware
from messages import notices
from services.container import Services
from services.request.context import sign_view, signed_state_of
from services.request.error_messages import DATABASE_AWAY, USER_ERRORS, slack_error_code
from services.slack.interaction_payloads import Interaction, SubmissionPayload, SubmittedView
from services.slack.payloads import CommandPayload
from storage.database import DatabaseUnavailable

log = structlog.get_logger()

OLD_FORM = "This form is from another version of me, so nothing was done. Copy what you typed, and open the form again."


def _answer_without_database(payload: object) -> BoltResponse:
    """Return the answer to a request whose workspace can't be looked up; Slack shows a text only in two places."""
    if isinstance(payload, CommandPayload):
        return BoltResponse(status=200, body={"response_type": "ephemeral", "text": DATABASE_AWAY})
    if isinstance(payload, SubmissionPayload) and payload.view.first_input is not None:
        errors = {payload.view.first_input: DATABASE_AWAY}
        return BoltResponse(status=200, body={"response_action": "errors", "errors": errors})
    return BoltResponse(status=503, body="")


class PermanentAck(AsyncAck):
    """An acknowledgement that can be awaited, and that stays: Bolt (1.30) takes it back if the listener then fails at
    once, so that Slack waits three seconds for nothing. A view in the acknowledgement is signed, like every view that
    is sent.
    """

    sign: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None

    def __init__(self) -> None:
        self._given = asyncio.Event()
        super().__init__()  # type: ignore[no-untyped-call]

    async def __call__(self, *args: Any, **kwargs: Any) -> BoltResponse:
        """Acknowledge."""
        if self.sign is not None and kwargs.get("view") is not None:
            kwargs["view"] = self.sign(kwargs["view"])
        return await super().__call__(*args, **kwargs)

    async def wait(self) -> None:
        """Wait until the request is acknowledged, or has failed."""
        await self._given.wait()

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "response" and value is not None:
            self._given.set()
        if name != "response" or value is not None or getattr(self, name, None) is None:
            super().__setattr__(name, value)


def register(app: AsyncApp, services: Services) -> None:
    """Log errors without the payload, let Slack show that the request failed, and check the signature of views.

    The payload is well-formed (bot/slack/payload_validation.py), but it may hold values that are not the bot's, or
    name a conversation where Slack lets nobody post. Any other error is a bug and is logged as one.
    """

    async def prepare_ack(request: AsyncBoltRequest, next_: NextCall) -> BoltResponse | None:
        payload = request.context["slack_payload"]
        ack = request.context["ack"] = PermanentAck()
        if isinstance(payload, Interaction) and payload.view is not None:
            team, person, signing = payload.workspace_id, payload.person, services.storage.signing
            ack.sign = partial(sign_view, signing=signing, team=team, person=person)
            state = signed_state_of(payload.view, signing, team=team, person=person)
            if state is None and isinstance(payload, SubmissionPayload):
                return _reject_form(payload.view)
            request.context["slack_payload"] = payload.with_metadata(state or "")
        await next_()
        return None

    app.middleware(RequestMiddleware(prepare_ack))

    def _reject_form(view: SubmittedView) -> BoltResponse:
        """Reject a form from before an update, or a manipulated one; the input stays in it, to be copied."""
        log.warning("view.not_ours", callback_id=view.callback_id[:60])
        answer: dict[str, Any] = {
            "response_action": "update",
            "view": notices.notice_modal("Buildbell", OLD_FORM),
        }
        if view.first_input:
            answer = {"response_action": "errors", "errors": {view.first_input: OLD_FORM}}
        return BoltResponse(status=200, body=answer)

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
