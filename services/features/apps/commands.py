"""Commands about apps: the list of apps, and the channel's default app."""

from __future__ import annotations

from domain.commands.errors import UserError
from domain.commands.shared_commands import ListApps, UseApp
from domain.message import Message
from domain.provider import Provider
from messages import apps as message_apps
from messages import notices
from services.actions.permissions import permitted_and_audited
from services.features.subscriptions.commands import current_app
from services.request.context import Reply, RequestContext, Visibility
from services.slack.workspace_members import NotAMember

PAGE = 20


async def list_apps(command: ListApps, context: RequestContext, provider: Provider) -> Reply:
    """List a page of the provider's apps that the user may see."""
    apps = sorted(await context.visible_apps(provider).all(), key=lambda app: app.title.casefold())
    start = (command.page - 1) * PAGE
    message = message_apps.app_list(
        apps[start : start + PAGE],
        presentation=context.services.registry.presentation_of(provider),
        total=len(apps),
        page=command.page,
        size=PAGE,
    )
    return Reply(await explain_limit(message, context, provider, empty=not apps))


async def explain_limit(
    message: Message, context: RequestContext, provider: Provider, *, empty: bool
) -> Message:
    """Return the list with a hint if the user sees only the apps that the channel subscribes to.

    Raises the hint as an error if the list is empty.
    """
    limit = await context.visible_apps(provider).why_limited()
    if limit is None or isinstance(limit, NotAMember):
        return message
    if empty:
        raise limit
    return notices.add_connect_button(message, str(limit), provider)


async def use_app(command: UseApp, context: RequestContext, provider: Provider) -> Reply:
    """Make an app the channel's default. Raises PermissionDenied, and UserError if none is named."""
    if command.app is None:
        example = context.services.registry.get(provider).parser.find_help("use")
        raise UserError(
            f"Which app? For example `{provider.command} {example.example if example else 'use APP'}`;"
            f" `{provider.command} apps` lists them all."
        )
    app = await current_app(await context.visible_apps(provider).find(command.app), context)
    async with permitted_and_audited(context, "use", provider, app):
        await context.storage.channel_settings.set_default_app(
            context.channel, provider, app.slug, by=context.person, at=context.now()
        )
    return Reply(message_apps.app_chosen(app, by=context.person), Visibility.CHANNEL)
