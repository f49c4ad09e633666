"""The form that chooses a channel's app."""

from __future__ import annotations

from dataclasses import dataclass

from domain.commands.shared_commands import UseApp
from domain.message import Block
from domain.provider import Provider
from messages import apps as message_apps
from messages.apps import PickedApp
from messages.kit import action_ids
from messages.kit.views import ViewMetadata
from services.features.apps import commands
from services.request.context import Reply, RequestContext
from services.request.forms import Form, check_may_act


@dataclass
class ChooseAppForm(Form[ViewMetadata, PickedApp | None, Reply]):
    """Sets the channel's app, used by commands that name none."""

    callback_id = action_ids.CHOOSE_APP_MODAL
    title = "Choose an app"
    error_field = message_apps.APP_FIELD
    success = "✅ Chosen; the channel was told."
    is_refused_for_good = True
    read_origin = ViewMetadata.read
    read_input = staticmethod(message_apps.read_app)

    def render(self, problem: str | None = None) -> Block:
        """Draw the form with the picked app."""
        fields = message_apps.choose_app_fields(self.filled, self.origin.provider)
        return self.draw(*fields, submit="Choose", problem=problem)

    async def submit(self) -> Reply:
        """Set the channel's app. Raises PermissionDenied, UserError, ProviderError."""
        command = UseApp(app=self.filled.slug if self.filled is not None else None)
        return await commands.use_app(command, self.context, self.origin.provider)


async def open_choose_app(context: RequestContext, provider: Provider) -> None:
    """Open the form to choose the channel's default app. Raises NotConnected, UserError, SlackCallFailed."""
    await check_may_act(context, provider)
    await ChooseAppForm(context, ViewMetadata(channel=context.channel, provider=provider), None).open()
