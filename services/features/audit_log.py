"""The audit log for members: the actions that were run or refused."""

from __future__ import annotations

from domain.commands.shared_commands import ShowAuditLog
from domain.provider import Provider
from domain.provider_errors import ProviderError
from messages import audit_log
from services.actions.permissions import PermissionDenied
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import find_app

TITLE = "Audit log"
MAX_ENTRIES = 20


async def show(command: ShowAuditLog, context: RequestContext, provider: Provider) -> Reply:
    """Show the newest entries of this channel, or of the whole workspace to its admins.

    Raises PermissionDenied, NotAMember.
    """
    await context.check_full_member()
    if command.everywhere and not await context.is_admin():
        raise PermissionDenied(
            f"Only admins and owners of this workspace see all of it. `{provider.command} audit` shows this channel."
        )
    app = await find_app(context, command.app, provider) if command.app is not None else None
    records = await context.storage.audit_log.latest(
        MAX_ENTRIES,
        channel=None if command.everywhere else context.channel,
        app=app.slug if app is not None else None,
    )
    where = "in this workspace" if command.everywhere else "in this channel"
    if app is not None:
        where += f" for {app.title}"
    message = audit_log.audit_list(
        records, where=where, places=command.everywhere, apps=await _titles(context)
    )
    return Reply(message, Visibility.ONE_PERSON, title=TITLE)


async def _titles(context: RequestContext) -> dict[str, str]:
    """Return the titles of apps by slug, as far as they are known in time: audit entries hold only slugs."""
    subscriptions = await context.storage.subscriptions.of_all_channels()
    subscribed = (subscription.app for subscription in subscriptions)
    titles = {app.slug: app.title for app in subscribed if app is not None}
    for provider in context.services.clients.configured:
        try:
            apps = await context.visible_apps(provider).list_in_time()
        except ProviderError:
            continue
        titles |= {app.slug: app.title for app in apps}
    return titles
