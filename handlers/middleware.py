"""Middleware that runs before every listener."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck
from slack_bolt.middleware.async_middleware import AsyncMiddleware
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from messages import notices
from messages.kit import action_ids
from services.accounts.pasted_tokens import PastedToken, check_text
from services.container import Services
from services.provider_description import ProviderRegistry
from services.provider_spec import ProviderSpec
from services.request.context import RequestContext, sign_view, signed_state_of
from services.request.request_tracker import RequestTracker
from services.slack.interaction_payloads import Interaction, SubmissionPayload, SubmittedView

log = structlog.get_logger()

OLD_FORM = "This form is from another version of Buildbell, so nothing was done. Copy your input and reopen the form."
LONGEST_ERROR = 2000
# Slack waits three seconds for the response to a form's submission.
PATIENCE_SECONDS = 1.0

NextCall: TypeAlias = Callable[[], Awaitable[Any]]
RequestCheck: TypeAlias = Callable[[AsyncBoltRequest, NextCall], Awaitable[BoltResponse | None]]


class RequestMiddleware(AsyncMiddleware):
    """Middleware that runs `check`, which continues with the second argument, or returns the response.

    For a middleware function with arguments of its choice Bolt (1.30) first computes all thirty that it knows, which
    costs more than everything that these middlewares do.
    """

    def __init__(self, check: RequestCheck) -> None:
        self._check = check

    async def async_process(
        self,
        *,
        req: AsyncBoltRequest,
        resp: BoltResponse,
        next: NextCall,  # noqa: A002 - Bolt's name
    ) -> BoltResponse | None:
        """Run the check."""
        del resp
        return await self._check(req, next)


def ignore_repetitions(app: AsyncApp, tracker: RequestTracker) -> None:
    """Acknowledge requests that Slack has delivered before, without handling them."""

    async def ignore_repeated(request: AsyncBoltRequest, next_: NextCall) -> BoltResponse | None:
        if not tracker.is_new(request.context["slack_payload"]):
            return BoltResponse(status=200, body="")
        await next_()
        return None

    app.middleware(RequestMiddleware(ignore_repeated))


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


def prepare_acknowledgements(app: AsyncApp, services: Services) -> None:
    """Give each request its acknowledgement, and check the signature of the view that it comes from."""

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


def refuse_pasted_tokens(app: AsyncApp, registry: ProviderRegistry[ProviderSpec], services: Services) -> None:
    """Refuse forms with a token in a field that Slack stores; forms made for secrets are exempt."""
    # The values of the providers' forms for secrets go to the provider only.
    exempt = frozenset({action_ids.CONNECT_MODAL}).union(*(spec.secret_forms for spec in registry))

    async def check_pasted_tokens(request: AsyncBoltRequest, next_: NextCall) -> BoltResponse | None:
        payload = request.context["slack_payload"]
        checked = isinstance(payload, SubmissionPayload) and payload.view.callback_id not in exempt
        if checked and (errors := await _find_pasted_tokens(payload, services)):
            return BoltResponse(status=200, body={"response_action": "errors", "errors": errors})
        await next_()
        return None

    app.middleware(RequestMiddleware(check_pasted_tokens))


async def _find_pasted_tokens(payload: SubmissionPayload, services: Services) -> dict[str, str]:
    """Return an error for each field of the form that holds a token."""
    context = RequestContext.of(payload, services)
    errors: dict[str, str] = {}
    for block, text in payload.view.values.texts:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await check_text(text, context)
        except PastedToken as problem:
            errors[block] = str(problem).replace("`", "")[:LONGEST_ERROR]
        except TimeoutError:
            log.warning("form.not_checked", callback=payload.view.callback_id)
    return errors
