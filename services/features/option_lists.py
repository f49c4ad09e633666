"""Lists that are searched by typing: apps, an app's branches, workflows and pipelines, and user groups."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from domain.message import Block
from messages import access_rules, subscription_form
from messages import apps as message_apps
from messages.home import HOME
from messages.kit import action_ids
from messages.kit.view_metadata import ViewMetadata
from services.accounts.provider_clients import ProviderClients
from services.request.context import RequestContext
from services.request.interactions import OptionsHandler


async def offer_apps(typed: str, origin: ViewMetadata, context: RequestContext) -> dict[str, list[Block]]:
    """Offer the apps of one provider that the user may see."""
    return {
        "options": message_apps.app_options(typed, await context.visible_apps(origin.provider).list_in_time())
    }


async def _any_apps(typed: str, origin: ViewMetadata, context: RequestContext) -> dict[str, list[Block]]:
    """Those of all providers; first those of the one that was asked for them."""
    providers = sorted(context.services.clients.configured, key=lambda one: one is not origin.provider)
    found = await asyncio.gather(*(context.visible_apps(one).list_in_time() for one in providers))
    return message_apps.any_app_options(typed, [app for apps in found for app in apps])


async def _branches(typed: str, origin: ViewMetadata, context: RequestContext) -> dict[str, list[Block]]:
    if not await can_see(origin, context):
        return {"options": []}
    names = await context.services.option_cache.branches(
        _at(origin, context), origin.app, whose=reader_key(context)
    )
    return {"options": subscription_form.name_options(typed, names)}


async def _workflows(typed: str, origin: ViewMetadata, context: RequestContext) -> dict[str, list[Block]]:
    if not await can_see(origin, context):
        return {"options": []}
    names = await context.services.option_cache.workflows(
        _at(origin, context), origin.app, whose=reader_key(context)
    )
    return {"options": subscription_form.name_options(typed, names)}


async def _groups(typed: str, _origin: ViewMetadata, context: RequestContext) -> dict[str, list[Block]]:
    return {
        "options": access_rules.user_group_options(
            typed, await context.services.authorizer.groups.handles(context.team)
        )
    }


def reader_key(context: RequestContext) -> tuple[str, str]:
    """Return whose access the lists of an app are read with."""
    return context.team, context.identity


def _at(origin: ViewMetadata, context: RequestContext) -> ProviderClients[Any]:
    return context.services.clients.at(origin.provider)


async def can_see(origin: ViewMetadata, context: RequestContext) -> bool:
    """Whether the app, which a modal's own words name, is one that the person may see."""
    apps = await context.visible_apps(origin.provider).list_in_time()
    return bool(origin.app) and any(one.slug == origin.app for one in apps)


OPTIONS: Mapping[str, OptionsHandler] = {
    action_ids.PICK_APP: offer_apps,
    action_ids.PICK_BRANCH: _branches,
    action_ids.PICK_WORKFLOW: _workflows,
    action_ids.PICK_GROUPS: _groups,
}
# Where an app of any provider can be picked.
OPTIONS_IN: Mapping[tuple[str, str], OptionsHandler] = {
    (HOME, action_ids.PICK_APP): _any_apps,
    (action_ids.SUBSCRIPTION_MODAL, action_ids.PICK_APP): _any_apps,
}
SELECTIONS = frozenset({action_ids.PICK_BRANCH, action_ids.PICK_GROUPS, action_ids.PICK_WORKFLOW})
