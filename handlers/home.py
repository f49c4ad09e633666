"""The Home tab: opened and left, and the app that is searched for on it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from slack_bolt.app.async_app import AsyncApp

from domain.build import App
from domain.message import Message
from domain.provider import Provider
from handlers.middleware import RequestTracker, wait_for_place
from messages import apps as message_apps
from messages.kit.button_values import InvalidButtonValue
from providers.buildio.apps import commands as app_commands
from services.container import Services
from services.features.builds import commands
from services.home.refresher import HomeRefresher
from services.request.context import Reply, RequestContext, workspace_of
from services.request.error_messages import say_or_explain
from services.request.finder import app_by_slug
from services.request.view_responder import ViewResponder


def register(app: AsyncApp, services: Services, listening: RequestTracker, homes: HomeRefresher) -> None:
    """Listen to the Home tab."""

    @app.event("app_home_opened")
    async def opened(event: dict[str, Any], body: dict[str, Any]) -> None:
        context = RequestContext(services=services, person=event["user"], team=workspace_of(body), channel="")
        if event.get("tab") != "home":
            homes.left(context)
            return
        async with listening.answering("home"):
            await wait_for_place()
            await homes.opened(context)


async def app_picked(body: dict[str, Any], services: Services) -> None:
    """Show the app that was searched for."""
    context = RequestContext.in_body(body, services)
    option = body["actions"][0].get("selected_option") or {}
    await say_or_explain(_app_card(str(option.get("value") or ""), context), ViewResponder(context))


async def _app_card(value: str, context: RequestContext) -> Reply:
    picked = message_apps.read_any_app(value)
    if picked is None:
        raise InvalidButtonValue
    app = await app_by_slug(context, picked.slug, picked.provider)
    return Reply(await _CARDS[app.provider](app, context), title="App")


_CARDS: Mapping[Provider, Callable[[App, RequestContext], Awaitable[Message]]] = {
    Provider.BITRISE: commands.app_card,
    Provider.BUILDIO: app_commands.card,
}
