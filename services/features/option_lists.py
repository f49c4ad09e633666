"""Options of searchable lists (apps, branches, workflows, pipelines, user groups), and the Home tab's app search."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

from domain.message import Block
from messages import access_rules, subscription_form
from messages import apps as message_apps
from messages.home import HOME
from messages.kit import action_ids
from messages.kit.button_values import InvalidButtonValue
from messages.kit.views import ViewMetadata
from services.provider_connection import NameKind
from services.request.context import Reply, RequestContext
from services.request.finder import app_by_slug
from services.request.interactions import OptionsHandler, ViewAction, ViewActionHandler
from services.request.responder import ViewResponder, reply_or_explain


async def offer_apps(query: str, origin: ViewMetadata, context: RequestContext) -> dict[str, list[Block]]:
    """Offer the apps of one provider that the user may see."""
    return {
        "options": message_apps.app_options(query, await context.visible_apps(origin.provider).list_in_time())
    }


async def _any_apps(query: str, origin: ViewMetadata, context: RequestContext) -> dict[str, list[Block]]:
    """Offer the apps of all providers, those of the form's provider first."""
    providers = sorted(
        context.services.clients.configured, key=lambda provider: provider is not origin.provider
    )
    app_lists = await asyncio.gather(
        *(context.visible_apps(provider).list_in_time() for provider in providers)
    )
    return message_apps.any_app_options(query, [app for apps in app_lists for app in apps])


async def _names(
    query: str, origin: ViewMetadata, context: RequestContext, *, kind: NameKind
) -> dict[str, list[Block]]:
    """Offer the names of this kind that the app in the form has."""
    if not await can_see(origin, context):
        return {"options": []}
    user = context.client_for(origin.provider)
    names = await context.services.lookups.options.read(kind, user, origin.app)
    return {"options": subscription_form.name_options(query, names)}


async def _groups(query: str, _origin: ViewMetadata, context: RequestContext) -> dict[str, list[Block]]:
    return {
        "options": access_rules.user_group_options(
            query, await context.services.authorizer.groups.handles(context.team)
        )
    }


async def can_see(origin: ViewMetadata, context: RequestContext) -> bool:
    """Return whether the user may see the app in the modal's metadata."""
    apps = await context.visible_apps(origin.provider).list_in_time()
    return bool(origin.app) and any(provider.slug == origin.app for provider in apps)


OPTIONS: Mapping[str, OptionsHandler] = {
    action_ids.PICK_APP: offer_apps,
    action_ids.PICK_BRANCH: partial(_names, kind="branches"),
    action_ids.PICK_WORKFLOW: partial(_names, kind="workflows"),
    action_ids.PICK_GROUPS: _groups,
}
# Where an app of any provider can be picked.
OPTIONS_IN: Mapping[tuple[str, str], OptionsHandler] = {
    (HOME, action_ids.PICK_APP): _any_apps,
    (action_ids.SUBSCRIPTION_MODAL, action_ids.PICK_APP): _any_apps,
}
SELECTIONS = frozenset({action_ids.PICK_BRANCH, action_ids.PICK_GROUPS, action_ids.PICK_WORKFLOW})


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
