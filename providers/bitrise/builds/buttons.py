"""Handlers of the buttons and select menus about builds: cards, lists, abort, rebuild."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from domain.build import App, Build
from domain.commands.shared_commands import ListApps, ListBuilds
from messages.kit import action_ids as shared_action_ids
from messages.kit.button_values import AppsButton, BuildButton, InvalidButtonValue, ListButton
from messages.kit.views import ViewMetadata
from providers.bitrise import action_ids
from providers.bitrise.builds import abort_form, commands, diff, find_form, trigger_form
from providers.bitrise.provider import BITRISE
from services.features import apps
from services.features.builds import commands as build_commands
from services.features.option_lists import can_see
from services.features.profile import commands as profile_commands
from services.features.subscriptions import notification_buttons
from services.request.button_press import ButtonHandler, ButtonPress, read_app
from services.request.context import Reply, RequestContext
from services.request.finder import build_by_slugs
from services.request.interactions import OptionsHandler


async def find_pressed_build(press: ButtonPress) -> tuple[App, Build]:
    """Return the build that a pressed button names, and its app. Raises InvalidButtonValue, ProviderError."""
    button = BuildButton.decode(press.value)
    return await build_by_slugs(press.context, button.app, button.build, BITRISE)


def on_build(handle: Callable[[App, Build, RequestContext], Awaitable[Reply | None]]) -> ButtonHandler:
    """Return the handler of a button that does something with its build."""

    async def handle_press(press: ButtonPress) -> Reply | None:
        return await handle(*await find_pressed_build(press), press.context)

    return handle_press


async def _show(press: ButtonPress) -> Reply:
    return Reply(await build_commands.card(*await find_pressed_build(press), press.context), title="Build")


async def _refresh(press: ButtonPress) -> None:
    app, build = await find_pressed_build(press)
    if build.ended or await notification_buttons.is_started_run(press):
        # Notifications and messages about started builds hold more than the card, so they are updated, not replaced.
        await press.context.services.pollers.poll_now(app.provider)
        if await notification_buttons.refresh(press):
            return
    await press.responder.replace_original(await build_commands.card(app, build, press.context))


async def _list_older_builds(press: ButtonPress) -> Reply:
    button = ListButton.decode(press.value)
    command = press.context.services.registry.get(BITRISE).parser.parse(button.words, surface="slash")
    if not isinstance(command, ListBuilds):
        raise InvalidButtonValue
    return await build_commands.list_builds(command, press.context, BITRISE, start=button.start)


async def _list_apps(press: ButtonPress) -> Reply:
    return await apps.list_apps(ListApps(page=AppsButton.decode(press.value).page), press.context, BITRISE)


async def _open_abort_form(press: ButtonPress) -> None:
    await abort_form.open_abort(
        BuildButton.decode(press.value), press.context, press.message, press.response_url
    )


async def _open_start_form(press: ButtonPress) -> None:
    await trigger_form.open_start(press.context, read_app(press))


async def _open_find_form(press: ButtonPress) -> None:
    await find_form.open_find(press.context)


BUTTONS: Mapping[str, ButtonHandler] = {
    shared_action_ids.BUILD_SHOW: _show,
    action_ids.BUILD_REFRESH: _refresh,
    action_ids.BUILD_COMPARE: on_build(diff.compare),
    action_ids.BUILD_REBUILD: on_build(commands.rebuild_build),
    shared_action_ids.BUILDS_NEXT: _list_older_builds,
    shared_action_ids.APPS_PAGE: _list_apps,
    action_ids.BUILD_TELL_ME: on_build(profile_commands.notify_of_end),
}
FORM_BUTTONS: Mapping[str, ButtonHandler] = {
    shared_action_ids.BUILD_ABORT: _open_abort_form,
    shared_action_ids.START_BUILD: _open_start_form,
    shared_action_ids.FIND_BUILD: _open_find_form,
}


async def offer_build_targets(typed: str, origin: ViewMetadata, context: RequestContext) -> dict[str, Any]:
    """Return the app's workflows and pipelines as option groups."""
    if not await can_see(origin, context):
        return {"options": []}
    cache, user = context.services.lookups.options, context.client_for(origin.provider)
    workflows, pipelines = await asyncio.gather(
        cache.read("workflows", user, origin.app), cache.read("pipelines", user, origin.app)
    )
    groups = trigger_form.buildable_options(typed, workflows, pipelines)
    return {"option_groups": groups} if groups else {"options": []}


OPTIONS: Mapping[str, OptionsHandler] = {action_ids.PICK_BUILDABLE: offer_build_targets}
