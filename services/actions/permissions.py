"""Asking whether somebody may do what is done in the bot itself: subscribing, choosing a channel's app."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from domain.access_policy import AccessRequest, Permission
from domain.audit_log import AuditEntry, Event, PersonalFields
from domain.build import App
from domain.provider import Provider
from messages.kit.button_values import PolicyButton
from services.actions.audit import noted, write_audit_entry
from services.actions.result import PermissionDenied
from services.authorization.authorizer import Decision, Requester
from services.request.context import RequestContext


def person_of(context: RequestContext) -> Requester:
    """The caller, as the policy sees them."""
    return Requester(team=context.team, id=context.person, vouched=context.vouched)


async def ruling_on(question: AccessRequest, context: RequestContext) -> Decision:
    """Whether the caller may, and belongs here at all: one rebuilt from what is stored is asked about like any other.

    What is refused is for whoever asked to write down.
    """
    return await context.services.rulings.of(question, person_of(context))


async def refusal_of(
    ruling: Decision, context: RequestContext, provider: Provider, app: App | None
) -> PermissionDenied:
    """What somebody is told who may not, with what they can do about it themselves."""
    words = ruling.refused or ""
    if not ruling.off or not await context.is_admin():
        return PermissionDenied(words, connect=ruling.connect)
    rule = PolicyButton(provider=provider, app=app.slug if app is not None else "")
    return PermissionDenied(f"{words} You are an admin here, so you can add that rule.", rule=rule)


@asynccontextmanager
async def permitted(
    context: RequestContext,
    action: str,
    provider: Provider,
    app: App | None,
    *,
    about: Mapping[str, str] | None = None,
) -> AsyncIterator[None]:
    """Around a change of the channel's own orders at a provider: asked, done, written down. Raises PermissionDenied."""
    await check_permitted(context, action, provider, app, about=about)
    slug = app.slug if app is not None else ""
    async with noted(context, action, app=slug, about=about):
        yield


async def check_permitted(
    context: RequestContext,
    action: str,
    provider: Provider,
    app: App | None,
    *,
    about: Mapping[str, str] | None = None,
) -> None:
    """Ask whether they may; a refusal is written down. Raises PermissionDenied."""
    question = AccessRequest(
        permission=Permission.SUBSCRIBE, provider=provider, app=app, channel=context.channel
    )
    ruling = await ruling_on(question, context)
    slug = app.slug if app is not None else ""
    if ruling.refused is not None:
        refused = AuditEntry(
            event=Event.REFUSED,
            act=action,
            personal=PersonalFields(person=context.person),
            channel=context.channel,
            app=slug,
            about=dict(about or {}),
            answer=ruling.refused,
        )
        await write_audit_entry(context, refused)
        raise await refusal_of(ruling, context, provider, app)
