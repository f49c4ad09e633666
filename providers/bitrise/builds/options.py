"""Options of the select menus in the forms about builds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from messages.kit.views import ViewMetadata
from providers.bitrise import action_ids
from providers.bitrise.builds import trigger_form
from services.features.option_lists import can_see, reader_key
from services.request.context import RequestContext
from services.request.interactions import OptionsHandler


async def offer_build_targets(typed: str, origin: ViewMetadata, context: RequestContext) -> dict[str, Any]:
    """Return the app's workflows and pipelines as option groups."""
    if not await can_see(origin, context):
        return {"options": []}
    cache, clients = context.services.lookups.options, context.services.clients.at(origin.provider)
    workflows, pipelines = await asyncio.gather(
        cache.read("workflows", clients, origin.app, whose=reader_key(context)),
        cache.read("pipelines", clients, origin.app, whose=reader_key(context)),
    )
    groups = trigger_form.buildable_options(typed, workflows, pipelines)
    return {"option_groups": groups} if groups else {"options": []}


OPTIONS: Mapping[str, OptionsHandler] = {action_ids.PICK_BUILDABLE: offer_build_targets}
