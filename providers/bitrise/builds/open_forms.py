"""Opening of the forms about builds, prefilled, within the three seconds that a trigger_id is valid."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import Annotated

import structlog
from pydantic import StringConstraints, ValidationError

from domain.build import App
from domain.commands.trigger_build import TriggerBuild
from domain.message import Block
from domain.slack_ids import SlackId
from messages.kit.button_values import BuildButton, InvalidButtonValue
from messages.kit.view_metadata import ViewMetadata
from providers.bitrise.api.access import visible_apps
from providers.bitrise.builds import abort_form, find_form, trigger_form
from providers.bitrise.builds.find_form import BuildSearch
from providers.bitrise.builds.trigger_form import START_TITLE, StartForm, StartOrigin
from providers.bitrise.provider import BITRISE
from services.request.context import RequestContext
from services.request.finder import find_channel_app
from services.request.modals import check_can_open, check_may_act, open_in_time, opening_deadline
from services.request.responder import PressedMessage

log = structlog.get_logger()

# Common names of main branches, the most common first.
MAIN_BRANCHES = ("main", "master", "trunk", "develop")
# The form opens without a branch if the list takes longer.
BRANCHES_SECONDS = 1.2


class AbortOrigin(ViewMetadata):
    """View metadata with the pressed button, and the message or modal that it was pressed on."""

    button: BuildButton
    ts: Annotated[str, StringConstraints(pattern=re.compile(r"^\d{1,12}\.\d{1,8}\Z"))] | None = None
    response_url: str | None = None
    unfurled: str | None = None
    view: SlackId | None = None

    @classmethod
    def decode(cls, private_metadata: str) -> AbortOrigin:
        """Decode private_metadata. Raises InvalidButtonValue: without the button there is nothing to abort."""
        try:
            return cls.model_validate_json(private_metadata)
        except ValidationError as error:
            raise InvalidButtonValue from error


async def open_abort(
    button: BuildButton, context: RequestContext, pressed: PressedMessage | None, response_url: str | None
) -> None:
    """Open the abort form; the build is fetched only after the form is submitted.

    Raises NotConnected, SlackCallFailed.
    """
    await check_may_act(context, BITRISE, opening_deadline())
    origin = AbortOrigin(
        button=button,
        channel=context.channel,
        ts=pressed.ts if pressed else None,
        unfurled=pressed.unfurled if pressed else None,
        response_url=response_url,
        view=context.view.id if context.view is not None and not context.view.is_home else None,
    )
    await context.open_view(abort_form.abort_modal(button, private_metadata=origin.encode()))


async def open_start(
    context: RequestContext, app: App | None = None, *, app_query: str | None = None
) -> None:
    """Open the start form for `app` or the app that `app_query` names; else the channel's, else the one last started.

    It is prefilled with what the user last started of the app, else with the app's main branch if it is known in time.
    Raises NotConnected, UserError, UnknownApp, AmbiguousApp, ProviderError, SlackCallFailed.
    """
    check_can_open(context)
    until = opening_deadline()
    await check_may_act(context, BITRISE, until)
    if app_query is None:
        await context.open_view(await _render_start_form(context, app, until))
        return

    async def render_named_app() -> Block:
        return await _render_start_form(context, await visible_apps(context).find(app_query), None)

    await open_in_time(render_named_app(), context, START_TITLE, until=until)


async def _render_start_form(context: RequestContext, app: App | None, until: float | None) -> Block:
    """Render the start form; fields not known at `until`, a time of the event loop, are left empty."""
    last_triggers = context.storage.last_triggers
    slug = None
    try:
        async with asyncio.timeout_at(until):
            app, slug = await _choose_app(context, app)
    except TimeoutError:
        # The app last started is not filled in either: the channel may have another app.
        log.info("form.app_not_known")
    last_command = await last_triggers.last(context.person, slug) if slug else None
    if app is None and slug and last_command is not None:
        app = App(provider=BITRISE, slug=slug, title=last_command.app or slug)
    branch = None
    if app is not None and last_command is None:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                branch = await main_branch(app, context)
    form = StartForm.of(last_command or TriggerBuild(branch=branch))
    origin = StartOrigin(
        channel=context.channel, app=app.slug if app is not None else "", rows=tuple(form.variables)
    )
    return trigger_form.start_modal(form, app, origin=origin, remembered=last_command is not None)


async def _choose_app(context: RequestContext, app: App | None) -> tuple[App | None, str | None]:
    """Return the app that the user most likely wants to build, and its slug; None if unknown."""
    if (app := app or await find_channel_app(context, BITRISE)) is not None:
        return app, app.slug
    slug = await context.storage.last_triggers.last_app(context.person)
    if slug is None and len(apps := await visible_apps(context).list_in_time()) == 1:
        return apps[0], apps[0].slug
    return None, slug


async def main_branch(app: App, context: RequestContext) -> str | None:
    """Return the app's likely main branch; None if no name stands out, or the branches are not known in time.

    Bitrise does not report the default branch (`default_branch` can be set but not read).
    """
    clients = context.services.clients.at(BITRISE)
    try:
        async with asyncio.timeout(BRANCHES_SECONDS):
            branches = await context.services.lookups.options.branches(
                clients, app.slug, whose=(context.team, context.identity)
            )
    except TimeoutError:
        return None
    common_name = next((name for name in MAIN_BRANCHES if name in branches), None)
    return common_name or (branches[0] if len(branches) == 1 else None)


async def open_find(context: RequestContext) -> None:
    """Open the form that finds builds. Raises UserError, SlackCallFailed."""
    check_can_open(context)
    await context.open_view(find_form.find_modal(BuildSearch(), origin=ViewMetadata(channel=context.channel)))
