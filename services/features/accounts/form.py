"""The form for a user's own token, and the buttons for accounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from domain.commands.shared_commands import DisconnectAccount
from domain.message import Block
from messages import accounts as message_accounts
from messages import notices
from messages.accounts import TOKEN
from messages.kit import action_ids
from messages.kit.views import ViewMetadata
from services.features.accounts import commands
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply
from services.request.forms import FollowUp, Form


@dataclass
class ConnectAccountForm(Form[ViewMetadata, SecretStr, str]):
    """Connects the account of the pasted token."""

    callback_id = action_ids.CONNECT_MODAL
    error_field = TOKEN
    follow_up = FollowUp.REPLACED
    is_refusal_final = True
    read_origin = ViewMetadata.read
    read_input = staticmethod(message_accounts.read_token)

    @property
    def title(self) -> str:
        """The title, which names the provider."""
        return message_accounts.account_title(self.origin.provider)

    @property
    def progress(self) -> str:
        """The sentence that names the provider."""
        return f"Checking the token with {self.origin.provider.label}…"

    def render(self, problem: str | None = None) -> Block:
        """Draw the form without the input: a token is put into no view."""
        presentation = self.context.services.registry.presentation_of(self.origin.provider)
        return message_accounts.connect_modal(presentation, origin=self.origin, problem=problem)

    async def submit(self) -> str:
        """Connect the account; return its name. Raises PermissionDenied, UserError, ProviderError."""
        return await commands.link_account(self.filled, self.context, self.origin.provider)

    def render_result(self, result: str) -> Block:
        """Draw the modal that says who the user is at the provider."""
        return notices.notice_modal(
            self.title, message_accounts.account_connected(result, self.origin.provider)
        )


async def _connect(press: ButtonPress) -> None:
    await commands.open_modal(press.context, message_accounts.read_provider(press.value))


async def _disconnect(press: ButtonPress) -> Reply:
    return await commands.disconnect(
        DisconnectAccount(), press.context, message_accounts.read_provider(press.value)
    )


async def _wipe(press: ButtonPress) -> Reply:
    return await commands.wipe(press.context, message_accounts.read_provider(press.value))


BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.DISCONNECT: _disconnect,
    action_ids.WIPE_TOKEN: _wipe,
}
FORM_BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.CONNECT: _connect,
}
