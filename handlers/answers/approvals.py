"""Builds that wait for approval: listed, approved, declined."""

from __future__ import annotations

from bot import messages
from bot.build import Provider
from bot.commands import ListApprovals
from bot.http import NotFound
from bot.messages import Message, RequestButton
from handlers.answers.acts import check_may_act, note
from handlers.caller import Answer, Audience, Caller
from handlers.finding import NotNamed, app_by_slug, find_app

TITLE = "Approvals"


async def list_requests(ask: ListApprovals, caller: Caller) -> Answer:
    """The builds of an app that wait now."""
    app = await find_app(caller, ask.app)
    found = await caller.desk.bitrise.build_requests(app.slug)
    return Answer(messages.request_list(found, app), title=TITLE)


async def decide(about: RequestButton, caller: Caller, *, approved: bool) -> Answer:
    """Approve or decline one; every message that asked for it says so then.

    Raises NotAllowed, NotNamed where it waits no longer, ProviderError.
    """
    check_may_act(caller)
    app = await app_by_slug(caller, about.app)
    requests = caller.desk.storage.requests
    try:
        one = await caller.desk.bitrise.decide_request(app.slug, about.request, approved=approved)
    except NotFound as error:
        await requests.end(Provider.BITRISE, about.request, lambda gone: messages.request_gone(gone, app))
        caller.desk.outbox_changed()
        raise NotNamed(
            "This build does not wait any more: somebody else has decided, or it has gone."
        ) from error
    note("approve" if approved else "decline", caller, app, request=about.request)
    said: Message = messages.request_decided(one, app, approved=approved, by=caller.person)
    await requests.end(
        Provider.BITRISE,
        about.request,
        lambda known: messages.request_decided(known, app, approved=approved, by=caller.person),
    )
    caller.desk.outbox_changed()
    caller.desk.look_now()
    return Answer(said, Audience.CHANNEL, title=TITLE)
