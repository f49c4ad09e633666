"""Lists that are searched by typing: apps, and an app's real branches, workflows and pipelines."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from bot import messages
from bot.messages import Origin, actions
from bot.messages.home import HOME
from bot.messages.message import Block
from handlers import home, start_modal, subscription_modal
from handlers.buildio import picking as buildio_lists
from handlers.caller import Caller
from handlers.clients import ClientsAt
from handlers.desk import Desk
from handlers.listening import Listening, wait_for_place
from handlers.membership import NotAMember

log = structlog.get_logger()

Offered = Callable[[str, Origin, Caller], Awaitable[dict[str, Any]]]


def register(app: AsyncApp, desk: Desk, listening: Listening) -> None:
    """Listen to what is typed into lists, and to an app that was picked in a modal."""
    for action_id, offered in _OFFERED.items():
        _offer(app, action_id, offered, desk)

    @app.action(actions.PICK_APP)
    async def picked(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        async with listening.answering(actions.PICK_APP):
            await wait_for_place()
            then = _THEN.get((body.get("view") or {}).get("callback_id") or "")
            if then is not None:
                await then(body, desk)

    @app.action(
        re.compile(
            f"^({actions.PICK_BRANCH}|{actions.PICK_GROUPS}|{actions.PICK_WORKFLOW}|{actions.PICK_BUILDABLE}|{actions.ARTIFACTS_PICK})$"
        )
    )
    async def chosen(ack: AsyncAck) -> None:
        await ack()  # it is read when the modal is submitted


def _offer(app: AsyncApp, action_id: str, offered: Offered, desk: Desk) -> None:
    @app.options(action_id)
    async def typed(ack: AsyncAck, body: dict[str, Any]) -> None:
        view = body.get("view") or {}
        origin = Origin.read(view.get("private_metadata"))
        here = _OFFERED_THERE.get((view.get("callback_id") or "", action_id), offered)
        try:
            offered_now = await here(str(body.get("value") or ""), origin, Caller.in_body(body, desk))
        except NotAMember as problem:
            # A list has no place for words, and what is picked from it is judged when the form is submitted.
            log.info("list.not_offered", reason=type(problem).__name__)
            offered_now = {"options": []}
        await ack(**offered_now)


async def _apps(typed: str, origin: Origin, caller: Caller) -> dict[str, list[Block]]:
    return {"options": messages.app_options(typed, await caller.apps_of(origin.provider).in_time())}


async def _any_apps(typed: str, origin: Origin, caller: Caller) -> dict[str, list[Block]]:
    """Those of all providers; first those of the one that was asked for them."""
    providers = sorted(caller.desk.clients.set_up, key=lambda one: one is not origin.provider)
    found = await asyncio.gather(*(caller.apps_of(one).in_time() for one in providers))
    return messages.any_app_options(typed, [app for apps in found for app in apps])


async def _branches(typed: str, origin: Origin, caller: Caller) -> dict[str, list[Block]]:
    if not await _may_see(origin, caller):
        return {"options": []}
    names = await caller.desk.choices.branches(_at(origin, caller), origin.app, whose=_whose(caller))
    return {"options": messages.options_for(typed, names)}


async def _workflows(typed: str, origin: Origin, caller: Caller) -> dict[str, list[Block]]:
    if not await _may_see(origin, caller):
        return {"options": []}
    names = await caller.desk.choices.workflows(_at(origin, caller), origin.app, whose=_whose(caller))
    return {"options": messages.options_for(typed, names)}


async def _buildables(typed: str, origin: Origin, caller: Caller) -> dict[str, list[Block]]:
    if not await _may_see(origin, caller):
        return {"options": []}
    choices, at, whose = caller.desk.choices, _at(origin, caller), _whose(caller)
    workflows, pipelines = await asyncio.gather(
        choices.workflows(at, origin.app, whose=whose), choices.pipelines(at, origin.app, whose=whose)
    )
    groups = messages.buildable_options(typed, workflows, pipelines)
    return {"option_groups": groups} if groups else {"options": []}


async def _groups(typed: str, _origin: Origin, caller: Caller) -> dict[str, list[Block]]:
    return {"options": messages.group_options(typed, await caller.desk.rulings.groups.handles(caller.team))}


def _whose(caller: Caller) -> tuple[str, str]:
    return caller.team, caller.identity


def _at(origin: Origin, caller: Caller) -> ClientsAt[Any]:
    return caller.desk.clients.at(origin.provider)


async def _may_see(origin: Origin, caller: Caller) -> bool:
    """Whether the app, which a modal's own words name, is one that the person may see."""
    apps = await caller.apps_of(origin.provider).in_time()
    return bool(origin.app) and any(one.slug == origin.app for one in apps)


_OFFERED: dict[str, Offered] = {
    actions.PICK_APP: _apps,
    actions.PICK_BRANCH: _branches,
    actions.PICK_WORKFLOW: _workflows,
    actions.PICK_BUILDABLE: _buildables,
    actions.PICK_GROUPS: _groups,
    actions.BUILDIO_PICK_APP: _apps,
    actions.BUILDIO_PICK_TEAM: buildio_lists.teams,
}
# Where an app of any provider can be picked.
_OFFERED_THERE: dict[tuple[str, str], Offered] = {
    (HOME, actions.PICK_APP): _any_apps,
    (actions.SUBSCRIPTION_MODAL, actions.PICK_APP): _any_apps,
}
_THEN: dict[str, Callable[[dict[str, Any], Desk], Awaitable[None]]] = {
    actions.START_MODAL: start_modal.app_picked,
    actions.SUBSCRIPTION_MODAL: subscription_modal.app_picked,
    HOME: home.app_picked,
}
