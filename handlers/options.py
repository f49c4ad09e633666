"""Lists that are searched by typing: apps, and an app's real branches, workflows and pipelines."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from domain.message import Block
from handlers import home
from handlers.middleware import RequestTracker, wait_for_place
from messages import access_rules, subscription_form
from messages import apps as message_apps
from messages.home import HOME
from messages.kit import action_ids
from messages.kit.view_metadata import ViewMetadata
from providers.bitrise.builds import trigger_form, trigger_submission
from providers.buildio.teams import options as buildio_lists
from services.accounts.provider_clients import ProviderClients
from services.container import Services
from services.features.subscriptions import form
from services.request.context import RequestContext
from services.slack.workspace_members import NotAMember

log = structlog.get_logger()

Offered = Callable[[str, ViewMetadata, RequestContext], Awaitable[dict[str, Any]]]


def register(app: AsyncApp, services: Services, listening: RequestTracker) -> None:
    """Listen to what is typed into lists, and to an app that was picked in a modal."""
    for action_id, offered in _OFFERED.items():
        _offer(app, action_id, offered, services)

    @app.action(action_ids.PICK_APP)
    async def picked(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        async with listening.answering(action_ids.PICK_APP):
            await wait_for_place()
            then = _THEN.get((body.get("view") or {}).get("callback_id") or "")
            if then is not None:
                await then(body, services)

    @app.action(
        re.compile(
            f"^({action_ids.PICK_BRANCH}|{action_ids.PICK_GROUPS}|{action_ids.PICK_WORKFLOW}|{action_ids.PICK_BUILDABLE}|{action_ids.ARTIFACTS_PICK})$"
        )
    )
    async def chosen(ack: AsyncAck) -> None:
        await ack()  # it is read when the modal is submitted


def _offer(app: AsyncApp, action_id: str, offered: Offered, services: Services) -> None:
    @app.options(action_id)
    async def typed(ack: AsyncAck, body: dict[str, Any]) -> None:
        view = body.get("view") or {}
        origin = ViewMetadata.read(view.get("private_metadata"))
        here = _OFFERED_THERE.get((view.get("callback_id") or "", action_id), offered)
        try:
            offered_now = await here(
                str(body.get("value") or ""), origin, RequestContext.in_body(body, services)
            )
        except NotAMember as problem:
            # A list has no place for words, and what is picked from it is judged when the form is submitted.
            log.info("list.not_offered", reason=type(problem).__name__)
            offered_now = {"options": []}
        await ack(**offered_now)


async def _apps(typed: str, origin: ViewMetadata, context: RequestContext) -> dict[str, list[Block]]:
    return {"options": message_apps.app_options(typed, await context.apps_of(origin.provider).in_time())}


async def _any_apps(typed: str, origin: ViewMetadata, context: RequestContext) -> dict[str, list[Block]]:
    """Those of all providers; first those of the one that was asked for them."""
    providers = sorted(context.services.clients.set_up, key=lambda one: one is not origin.provider)
    found = await asyncio.gather(*(context.apps_of(one).in_time() for one in providers))
    return message_apps.any_app_options(typed, [app for apps in found for app in apps])


async def _branches(typed: str, origin: ViewMetadata, context: RequestContext) -> dict[str, list[Block]]:
    if not await _may_see(origin, context):
        return {"options": []}
    names = await context.services.choices.branches(_at(origin, context), origin.app, whose=_whose(context))
    return {"options": subscription_form.options_for(typed, names)}


async def _workflows(typed: str, origin: ViewMetadata, context: RequestContext) -> dict[str, list[Block]]:
    if not await _may_see(origin, context):
        return {"options": []}
    names = await context.services.choices.workflows(_at(origin, context), origin.app, whose=_whose(context))
    return {"options": subscription_form.options_for(typed, names)}


async def _buildables(typed: str, origin: ViewMetadata, context: RequestContext) -> dict[str, list[Block]]:
    if not await _may_see(origin, context):
        return {"options": []}
    choices, at, whose = context.services.choices, _at(origin, context), _whose(context)
    workflows, pipelines = await asyncio.gather(
        choices.workflows(at, origin.app, whose=whose), choices.pipelines(at, origin.app, whose=whose)
    )
    groups = trigger_form.buildable_options(typed, workflows, pipelines)
    return {"option_groups": groups} if groups else {"options": []}


async def _groups(typed: str, _origin: ViewMetadata, context: RequestContext) -> dict[str, list[Block]]:
    return {
        "options": access_rules.group_options(
            typed, await context.services.rulings.groups.handles(context.team)
        )
    }


def _whose(context: RequestContext) -> tuple[str, str]:
    return context.team, context.identity


def _at(origin: ViewMetadata, context: RequestContext) -> ProviderClients[Any]:
    return context.services.clients.at(origin.provider)


async def _may_see(origin: ViewMetadata, context: RequestContext) -> bool:
    """Whether the app, which a modal's own words name, is one that the person may see."""
    apps = await context.apps_of(origin.provider).in_time()
    return bool(origin.app) and any(one.slug == origin.app for one in apps)


_OFFERED: dict[str, Offered] = {
    action_ids.PICK_APP: _apps,
    action_ids.PICK_BRANCH: _branches,
    action_ids.PICK_WORKFLOW: _workflows,
    action_ids.PICK_BUILDABLE: _buildables,
    action_ids.PICK_GROUPS: _groups,
    action_ids.BUILDIO_PICK_APP: _apps,
    action_ids.BUILDIO_PICK_TEAM: buildio_lists.teams,
}
# Where an app of any provider can be picked.
_OFFERED_THERE: dict[tuple[str, str], Offered] = {
    (HOME, action_ids.PICK_APP): _any_apps,
    (action_ids.SUBSCRIPTION_MODAL, action_ids.PICK_APP): _any_apps,
}
_THEN: dict[str, Callable[[dict[str, Any], Services], Awaitable[None]]] = {
    action_ids.START_MODAL: trigger_submission.app_picked,
    action_ids.SUBSCRIPTION_MODAL: form.app_picked,
    HOME: home.app_picked,
}
