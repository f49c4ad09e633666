"""Builds that wait for approval: listed, approved, declined."""

from __future__ import annotations

from domain.build import App
from domain.commands.shared_commands import ListApprovals
from domain.message import Message
from domain.provider import Provider
from messages.kit.button_values import RequestButton
from providers.bitrise.action_execution import APPROVALS as TITLE
from providers.bitrise.actions import Decide
from providers.bitrise.build_requests import messages as build_request_messages
from services.actions import run
from services.actions.result import Done
from services.request.context import Answer, Caller
from services.request.finder import app_by_slug, find_app


async def list_requests(ask: ListApprovals, caller: Caller) -> Answer:
    """The builds of an app that wait now."""
    return Answer(await listed(await find_app(caller, ask.app), caller), title=TITLE)


async def listed(app: App, caller: Caller) -> Message:
    """Those of this app that wait now. Raises ProviderError."""
    return build_request_messages.request_list(await caller.own_bitrise.build_requests(app.slug), app)


async def decide(about: RequestButton, caller: Caller, *, approved: bool) -> Done:
    """Approve or decline one; every message that asked for it says so then.

    Raises NotAllowed, NotNamed where it waits no longer, ProviderError.
    """
    app = await app_by_slug(caller, about.app)
    known = await caller.desk.storage.requests.find(Provider.BITRISE, about.request)
    return await run.do(Decide.on(about.request, app, known, approved=approved), caller)
