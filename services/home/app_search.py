"""The app search on the Home tab."""

from __future__ import annotations

from collections.abc import Mapping

from messages import apps as message_apps
from messages.home import HOME
from messages.kit.button_values import InvalidButtonValue
from services.request.context import Reply, RequestContext
from services.request.error_messages import reply_or_explain
from services.request.finder import app_by_slug
from services.request.interactions import ViewAction, ViewActionHandler
from services.request.view_responder import ViewResponder


async def show_app(action: ViewAction) -> None:
    """Show the app that the user picked."""
    await reply_or_explain(_render_app_card(action.value, action.context), ViewResponder(action.context))


async def _render_app_card(value: str, context: RequestContext) -> Reply:
    picked = message_apps.read_any_app(value)
    if picked is None or (card := context.services.registry.get(picked.provider).app_card) is None:
        raise InvalidButtonValue
    app = await app_by_slug(context, picked.slug, picked.provider)
    return Reply(await card(app, context), title="App")


APP_SELECTIONS: Mapping[str, ViewActionHandler] = {HOME: show_app}
