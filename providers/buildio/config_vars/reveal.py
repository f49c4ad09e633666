"""Revealing one config var to one person for a minute: authorized, audited, shown, hidden again.

A value is shown only where Slack lets the bot remove it: in an ephemeral message that replaces the pressed one, or in a
dialog. The response_url of a slash command can't replace its own message, so a dialog is used; a permanent message, as
in direct messages, never contains a value.
"""

from __future__ import annotations

from domain.audit_chain import Event
from domain.commands.errors import UserError
from domain.message import Message
from messages.kit import views
from messages.kit.button_values import InvalidButtonValue
from providers.buildio.config_vars import messages as config_var_messages
from providers.buildio.config_vars.actions import is_granted
from providers.buildio.config_vars.scope import ConfigVarScope, check_access, check_keys_exist
from providers.buildio.shared import lookup
from providers.buildio.shared.button_values import ConfigVarsButton, RevealButton
from services.actions import run
from services.actions.action import ExecutableAction
from services.actions.audit import audit_action
from services.request.button_press import ButtonPress
from services.request.context import Reply, RequestContext, Visibility
from services.request.responder import ResponseUrlResponder, ViewResponder, reply_or_explain
from services.slack.errors import SlackCallFailed

TITLE = "Config var"
NOT_TAKEN = "Slack couldn't show it here. Try `/buildio config get KEY`."


async def reveal_on_press(
    scope: ConfigVarScope, button: ConfigVarsButton, press: ButtonPress
) -> Reply | None:
    """Reveal the value to the person who pressed, in place of the pressed message if that can be replaced later.

    Raises PermissionDenied, UserError, InvalidButtonValue, ProviderError.
    """
    if button.key is None:
        raise InvalidButtonValue
    context = press.context
    grant = button if isinstance(button, RevealButton) else None
    if press.message is None or press.message.ts is not None or press.response_url is None:
        await reveal_in_dialog(scope, button.key, context, grant)
        return None
    result = await _load_value(scope, button.key, context, grant)
    if isinstance(result, Reply):
        return result
    responder = ResponseUrlResponder(context, press.response_url, press.message)
    if not await responder.replace_over_url(result):
        raise UserError(NOT_TAKEN)
    hidden = config_var_messages.vars_hidden(scope.owner, button.key)
    await context.services.slack.message_expiry.hide_later(
        context.team, lambda: responder.replace_over_url(hidden)
    )
    return None


async def reveal_in_dialog(
    scope: ConfigVarScope, key: str, context: RequestContext, grant: RevealButton | None = None
) -> None:
    """Reveal the value in a dialog; errors are shown there too."""
    dialog, shown = ViewResponder(context), False

    async def look() -> Reply:
        nonlocal shown
        result = await _load_value(scope, key, context, grant)
        if isinstance(result, Reply):
            return result
        shown = True
        return Reply(result, Visibility.ONE_PERSON, title=TITLE)

    async def hide() -> bool:
        return dialog.shown is None or await _update_dialog(
            dialog.shown, config_var_messages.vars_hidden(scope.owner, key), context
        )

    try:
        await reply_or_explain(look(), dialog)
    finally:
        if shown and dialog.shown is not None:
            await context.services.slack.message_expiry.hide_later(context.team, hide)


async def _load_value(
    scope: ConfigVarScope, key: str, context: RequestContext, grant: RevealButton | None
) -> Message | Reply:
    """Return the message with the value, or the reply if an approval is needed first."""
    action = scope.revealing(key)
    if grant is not None and is_granted(grant, context):
        await check_access(scope, context)
        await check_keys_exist(scope, [key], context)
        await audit_action(Event.DONE, action, context, answer="shown, as approved")
    elif (pending := await _run_reveal(action, context)) is not None:
        return pending
    values = await scope.read(context)
    if key not in values:
        raise UserError(lookup.unknown_key(key, values, lists=scope.command))
    return config_var_messages.vars_revealed(scope.owner, key, values[key])


async def _run_reveal(action: ExecutableAction, context: RequestContext) -> Reply | None:
    result = await run.run_action(action, context)
    return result.answer if result.is_pending else None


async def _update_dialog(view_id: str, message: Message, context: RequestContext) -> bool:
    """Update the dialog; if it was closed, there is nothing left to hide."""
    view = views.shown_in_modal(TITLE, message)
    try:
        await context.update_view(view_id, view)
    except SlackCallFailed as error:
        if error.reason != "not_found":
            raise
    return True
