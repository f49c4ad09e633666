"""Middleware that runs before every listener."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from handlers.request_middleware import NextCall, RequestMiddleware
from services.accounts.pasted_tokens import FormGuard
from services.container import Services
from services.provider_description import ProviderRegistry
from services.provider_spec import ProviderSpec
from services.request.request_tracker import RequestTracker


def ignore_repetitions(app: AsyncApp, tracker: RequestTracker) -> None:
    """Acknowledge requests that Slack has delivered before, without handling them."""

    async def ignore_repeated(request: AsyncBoltRequest, next_: NextCall) -> BoltResponse | None:
        if not tracker.is_new(request.context["slack_payload"]):
            return BoltResponse(status=200, body="")
        await next_()
        return None

    app.middleware(RequestMiddleware(ignore_repeated))


def refuse_pasted_tokens(app: AsyncApp, registry: ProviderRegistry[ProviderSpec], services: Services) -> None:
    """Refuse forms with a token in a field that Slack stores."""
    guard = FormGuard(services, frozenset().union(*(spec.secret_forms for spec in registry)))

    async def check_pasted_tokens(request: AsyncBoltRequest, next_: NextCall) -> BoltResponse | None:
        return await guard.check(request.context["slack_payload"], next_)

    app.middleware(RequestMiddleware(check_pasted_tokens))
