"""The list of apps, and the channel's default app: commands, the form that chooses it, and its button."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domain.commands.errors import UserError
from domain.commands.shared_commands import ListApps, UseApp
from domain.message import Block, Message
from domain.provider import Provider
from messages import apps as message_apps
from messages import notices
from messages.accounts import read_provider
from messages.apps import PickedApp
from messages.kit import action_ids
from messages.kit.views import ViewMetadata
from services.actions.permissions import permitted_and_audited
from services.features.subscriptions.commands import current_app
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply, RequestContext, Visibility
from services.request.forms import Form, check_may_act
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
            f"Which app? For example: `{provider.command} {example.example if example else 'use APP'}`."
            f" `{provider.command} apps` lists all apps."
        )
    app = await current_app(await context.visible_apps(provider).find(command.app), context)
    async with permitted_and_audited(context, "use", provider, app):
        await context.storage.channel_settings.set_default_app(
            context.channel, provider, app.slug, by=context.person, at=context.now()
        )
    return Reply(message_apps.app_chosen(app, by=context.person), Visibility.CHANNEL)


@dataclass
class ChooseAppForm(Form[ViewMetadata, PickedApp | None, Reply]):
    """Sets the channel's app, used by commands that name none."""

    callback_id = action_ids.CHOOSE_APP_MODAL
    title = "Choose an app"
    error_field = message_apps.APP_FIELD
    success = "✅ App chosen and posted to the channel."
    is_refusal_final = True
    read_origin = ViewMetadata.read
    read_input = staticmethod(message_apps.read_app)

    def render(self, problem: str | None = None) -> Block:
        """Draw the form with the picked app."""
        fields = message_apps.choose_app_fields(self.filled, self.origin.provider)
        return self.draw(*fields, submit="Choose", problem=problem)

    async def submit(self) -> Reply:
        """Set the channel's app. Raises PermissionDenied, UserError, ProviderError."""
        command = UseApp(app=self.filled.slug if self.filled is not None else None)
        return await use_app(command, self.context, self.origin.provider)


async def open_choose_app(context: RequestContext, provider: Provider) -> None:
    """Open the form to choose the channel's default app. Raises NotConnected, UserError, SlackCallFailed."""
    await check_may_act(context, provider)
    await ChooseAppForm(context, ViewMetadata(channel=context.channel, provider=provider), None).open()


async def _choose_app(press: ButtonPress) -> None:
    await open_choose_app(press.context, read_provider(press.value))


FORM_BUTTONS: Mapping[str, ButtonHandler] = {action_ids.CHOOSE_APP: _choose_app}
