"""Open the forms about builds within the three seconds that a trigger_id lives, filled in with what is known."""

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
from domain.provider import Provider
from domain.slack_ids import SlackId
from messages.kit.button_values import BuildButton, InvalidButtonValue, LogButton
from messages.kit.view_metadata import ViewMetadata
from providers.bitrise.api.access import visible_apps
from providers.bitrise.builds import abort_form, find_form, trigger_form
from providers.bitrise.builds.find_form import BuildSearch
from providers.bitrise.builds.trigger_form import START_TITLE, StartForm, StartOrigin
from providers.bitrise.logs import messages as log_messages
from services.request.context import RequestContext
from services.request.finder import find_channel_app
from services.request.modals import check_can_open, check_may_act, open_in_time, opening_deadline
from services.request.responder import PressedMessage

log = structlog.get_logger()

# What repositories call the branch that they are built from, the most usual first.
MAIN_BRANCHES = ("main", "master", "trunk", "develop")
# The form is good without it.
BRANCHES_SECONDS = 1.2


class AbortOrigin(ViewMetadata):
    """Also the button that was pressed, and the message or modal that it was pressed on."""

    button: BuildButton
    ts: Annotated[str, StringConstraints(pattern=re.compile(r"^\d{1,12}\.\d{1,8}\Z"))] | None = None
    response_url: str | None = None
    unfurled: str | None = None
    view: SlackId | None = None

    @classmethod
    def decode(cls, private_metadata: str) -> AbortOrigin:
        """From private_metadata. Raises InvalidButtonValue: without the button there is nothing to abort."""
        try:
            return cls.model_validate_json(private_metadata)
        except ValidationError as error:
            raise InvalidButtonValue from error


async def open_abort(
    button: BuildButton, context: RequestContext, pressed: PressedMessage | None, response_url: str | None
) -> None:
    """Ask why the build is to be aborted; it is looked up only when that is known.

    Raises NotConnected, SlackCallFailed.
    """
    await check_may_act(context, Provider.BITRISE, opening_deadline())
    origin = AbortOrigin(
        button=button,
        channel=context.channel,
        ts=pressed.ts if pressed else None,
        unfurled=pressed.unfurled if pressed else None,
        response_url=response_url,
        view=context.view.id if context.view is not None and not context.view.is_home else None,
    )
    await context.open_view(abort_form.abort_modal(button, private_metadata=origin.encode()))


async def open_start(context: RequestContext, app: App | None = None, *, words: str | None = None) -> None:
    """Ask what to build: of this app, or the one that the words name; else the channel's, else the one started last.

    It is filled in with what they started last of it, else with its main branch, as far as that is known in time.
    Raises NotConnected, UserError, UnknownApp, AmbiguousApp, ProviderError, SlackCallFailed.
    """
    check_can_open(context)
    until = opening_deadline()
    await check_may_act(context, Provider.BITRISE, until)
    if words is None:
        await context.open_view(await _start_form(context, app, until))
        return

    async def of_named() -> Block:
        return await _start_form(context, await visible_apps(context).find(words), None)

    await open_in_time(of_named(), context, START_TITLE, until=until)


async def _start_form(context: RequestContext, app: App | None, until: float | None) -> Block:
    """The form for a build; what is not known at `until`, a time of the event loop, is left empty."""
    starts = context.storage.last_triggers
    slug = None
    try:
        async with asyncio.timeout_at(until):
            app, slug = await _app_to_start(context, app)
    except TimeoutError:
        log.info("form.app_not_known")  # nor the one started last is filled in: the channel may mean another
    before = await starts.last(context.person, slug) if slug else None
    if app is None and slug and before is not None:
        app = App(slug=slug, title=before.app or slug)
    branch = None
    if app is not None and before is None:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                branch = await main_branch(app, context)
    form = StartForm.of(before or TriggerBuild(branch=branch))
    origin = StartOrigin(
        channel=context.channel, app=app.slug if app is not None else "", rows=tuple(form.variables)
    )
    return trigger_form.start_modal(form, app, origin=origin, remembered=before is not None)


async def _app_to_start(context: RequestContext, app: App | None) -> tuple[App | None, str | None]:
    """The app that a build is most likely wanted of, as far as it is known, and its slug."""
    if (app := app or await find_channel_app(context, Provider.BITRISE)) is not None:
        return app, app.slug
    slug = await context.storage.last_triggers.last_app(context.person)
    if slug is None and len(only := await visible_apps(context).list_in_time()) == 1:
        return only[0], only[0].slug
    return None, slug


async def main_branch(app: App, context: RequestContext) -> str | None:
    """The branch that a build is most likely wanted of; None where none stands out, or none is known in time.

    Bitrise does not say which is the default branch (`default_branch` can be set and not read).
    """
    clients = context.services.clients.at(Provider.BITRISE)
    try:
        async with asyncio.timeout(BRANCHES_SECONDS):
            branches = await context.services.option_cache.branches(
                clients, app.slug, whose=(context.team, context.identity)
            )
    except TimeoutError:
        return None
    usual = next((name for name in MAIN_BRANCHES if name in branches), None)
    return usual or (branches[0] if len(branches) == 1 else None)


async def open_find(context: RequestContext) -> None:
    """Ask which build. Raises UserError, SlackCallFailed."""
    check_can_open(context)
    await context.open_view(find_form.find_modal(BuildSearch(), origin=ViewMetadata(channel=context.channel)))


async def open_search(about: LogButton, context: RequestContext) -> None:
    """Ask which word to look for in a log. Raises UserError, SlackCallFailed."""
    check_can_open(context)
    await context.open_view(log_messages.search_modal(about))
