"""Builds that wait for approval: listed, approved, declined."""

from __future__ import annotations

from bot import messages
from bot.acts import Decide
from bot.build import App
from bot.commands import ListApprovals
from bot.messages import Message, RequestButton
from bot.provider import Provider
from handlers import doing
from handlers.caller import Answer, Caller
from handlers.doing import Done
from handlers.doing.performing.bitrise import APPROVALS as TITLE
from handlers.finding import app_by_slug, find_app


async def list_requests(ask: ListApprovals, caller: Caller) -> Answer:
    """The builds of an app that wait now."""
    return Answer(await listed(await find_app(caller, ask.app), caller), title=TITLE)


async def listed(app: App, caller: Caller) -> Message:
    """Those of this app that wait now. Raises ProviderError."""
    return messages.request_list(await caller.own_bitrise.build_requests(app.slug), app)


async def decide(about: RequestButton, caller: Caller, *, approved: bool) -> Done:
    """Approve or decline one; every message that asked for it says so then.

    Raises NotAllowed, NotNamed where it waits no longer, ProviderError.
    """
    app = await app_by_slug(caller, about.app)
    known = await caller.desk.storage.requests.find(Provider.BITRISE, about.request)
    return await doing.do(Decide.on(about.request, app, known, approved=approved), caller)
