"""Permission for changes inside the bot: subscriptions, a channel's app, deploy links."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from domain.access_policy import AccessRequest, Permission
from domain.audit_chain import AuditEntry, Event, PersonalFields
from domain.build import App
from domain.provider import Provider
from messages.kit.button_values import PolicyButton
from services.actions.audit import audited, write_audit_entry
from services.actions.result import PermissionDenied
from services.authorization.authorizer import Decision, Requester
from services.request.context import RequestContext


def build_requester(context: RequestContext) -> Requester:
    """Return the user of the context as a requester for the authorizer."""
    return Requester(team=context.team, id=context.person, vouched=context.is_verified)


async def authorize(access_request: AccessRequest, context: RequestContext) -> Decision:
    """Decide whether the user may do this and belongs to the workspace.

    A context that was made from stored data is checked like any other. The calling code audits a refusal.
    """
    return await context.services.authorizer.authorize(access_request, build_requester(context))


async def build_permission_denied(
    decision: Decision, context: RequestContext, provider: Provider, app: App | None
) -> PermissionDenied:
    """Return the error for a refusal, with what the user can do about it."""
    refusal = decision.refusal or ""
    if not decision.is_off or not await context.is_admin():
        return PermissionDenied(refusal, connect=decision.missing_account)
    rule = PolicyButton(provider=provider, app=app.slug if app is not None else "")
    return PermissionDenied(f"{refusal} You are an admin here, so you can add that rule.", rule=rule)


@asynccontextmanager
async def permitted_and_audited(
    context: RequestContext,
    action: str,
    provider: Provider,
    app: App | None,
    *,
    about: Mapping[str, str] | None = None,
) -> AsyncIterator[None]:
    """Check permission for a change of subscriptions, apps or deploy links, and audit what this block does.

    Raises PermissionDenied.
    """
    await check_subscribe_permission(context, action, provider, app, about=about)
    slug = app.slug if app is not None else ""
    async with audited(context, action, app=slug, about=about):
        yield


async def check_subscribe_permission(
    context: RequestContext,
    action: str,
    provider: Provider,
    app: App | None,
    *,
    about: Mapping[str, str] | None = None,
) -> None:
    """Check that the user may change subscriptions here; a refusal is audited. Raises PermissionDenied."""
    access_request = AccessRequest(
        permission=Permission.SUBSCRIBE, provider=provider, app=app, channel=context.channel
    )
    decision = await authorize(access_request, context)
    slug = app.slug if app is not None else ""
    if decision.refusal is not None:
        entry = AuditEntry(
            event=Event.REFUSED,
            act=action,
            personal=PersonalFields(person=context.person),
            channel=context.channel,
            app=slug,
            about=dict(about or {}),
            answer=decision.refusal,
        )
        await write_audit_entry(context, entry)
        raise await build_permission_denied(decision, context, provider, app)
