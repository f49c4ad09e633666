"""What was done and refused, for those who may know."""

from __future__ import annotations

from domain.commands.shared_commands import ShowAuditLog
from domain.errors import ProviderError
from domain.provider import Provider
from messages import audit_log
from services.actions.result import PermissionDenied
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import find_app

TITLE = "Audit log"
MOST_ENTRIES = 20


async def show(command: ShowAuditLog, context: RequestContext, provider: Provider) -> Reply:
    """The newest entries of this channel; of the whole workspace for its admins.

    Raises PermissionDenied, NotAMember.
    """
    await context.check_full_member()
    if command.everywhere and not await context.is_admin():
        raise PermissionDenied(
            f"Only admins and owners of this workspace see all of it. `{provider.command} audit` shows this channel."
        )
    app = await find_app(context, command.app, provider) if command.app is not None else None
    found = await context.storage.audit_log.latest(
        MOST_ENTRIES,
        channel=None if command.everywhere else context.channel,
        app=app.slug if app is not None else None,
    )
    where = "in this workspace" if command.everywhere else "in this channel"
    if app is not None:
        where += f" to {app.title}"
    said = audit_log.audit_list(found, where=where, places=command.everywhere, apps=await _titles(context))
    return Reply(said, Visibility.ONE_PERSON, title=TITLE)


async def _titles(context: RequestContext) -> dict[str, str]:
    """What the apps are called, by their slugs, as far as that is known at once: the entries name slugs alone."""
    followed = await context.storage.subscriptions.of_all_channels()
    titles = {one.app.slug: one.app.title for one in followed if one.app is not None}
    for provider in context.services.clients.configured:
        try:
            apps = await context.visible_apps(provider).list_in_time()
        except ProviderError:
            continue
        titles |= {app.slug: app.title for app in apps}
    return titles
