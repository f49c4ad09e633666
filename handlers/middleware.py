"""Middleware that runs before every listener."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.response import BoltResponse

from services.accounts.pasted_tokens import FormGuard
from services.container import Services
from services.provider_description import ProviderRegistry
from services.provider_spec import ProviderSpec
from services.request.request_tracker import RequestTracker


def ignore_repetitions(app: AsyncApp, tracker: RequestTracker) -> None:
    """Acknowledge requests that Slack has delivered before, without handling them."""

    @app.middleware
    async def ignore_repeated(slack_payload, next):  # type: ignore[no-untyped-def]  # noqa: A002
        if not tracker.is_new(slack_payload):
            return BoltResponse(status=200, body="")
        await next()
        return None


def refuse_pasted_tokens(app: AsyncApp, registry: ProviderRegistry[ProviderSpec], services: Services) -> None:
    """Refuse forms with a token in a field that Slack stores."""
    guard = FormGuard(services, frozenset().union(*(spec.secret_forms for spec in registry)))

    @app.middleware
    async def check_pasted_tokens(slack_payload, next):  # type: ignore[no-untyped-def]  # noqa: A002
        return await guard.check(slack_payload, next)
