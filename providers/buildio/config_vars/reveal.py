"""The value of one config var, for one person and a minute: judged, noted, shown, taken away.

It is put where Slack lets the bot take it away again: into an ephemeral message in the place of the one that was
pressed, or into a dialog. A slash command's own response_url can't replace what it has said, so it gets a dialog; a
message that stays, as in direct messages, is never given a value.
"""

from __future__ import annotations

from domain.action import Action
from domain.audit_log import Event
from domain.message import Message
from messages.kit import views
from messages.kit.button_values import InvalidButtonValue
from providers.buildio.config_vars import messages as config_var_messages
from providers.buildio.config_vars.reveal_grant import is_granted
from providers.buildio.config_vars.scope import ConfigVarScope, check_access, check_keys_exist
from providers.buildio.shared import error_texts
from providers.buildio.shared.button_values import ConfigVarsButton, RevealButton
from services.actions import run
from services.actions.audit import build_audit_entry, write_audit_entry
from services.request.button_press import ButtonPress
from services.request.context import Reply, RequestContext, Visibility
from services.request.error_messages import reply_or_explain
from services.request.finder import UserError
from services.request.responder import ResponseUrlResponder
from services.request.view_responder import ViewResponder
from services.slack.errors import SlackCallFailed

TITLE = "Config var"
NOT_TAKEN = "Slack did not let me show it here. Ask for it with `/buildio config get KEY`."


async def reveal_on_press(its: ConfigVarScope, button: ConfigVarsButton, press: ButtonPress) -> Reply | None:
    """Show it to whoever pressed, in the place of what they pressed where that can be taken away.

    Raises PermissionDenied, UserError, InvalidButtonValue, ProviderError.
    """
    if button.key is None:
        raise InvalidButtonValue
    context = press.context
    grant = button if isinstance(button, RevealButton) else None
    if press.message is None or press.message.ts is not None or press.response_url is None:
        await reveal_in_dialog(its, button.key, context, grant)
        return None
    found = await _look(its, button.key, context, grant)
    if isinstance(found, Reply):
        return found
    place = ResponseUrlResponder(context, press.response_url, press.message)
    if not await place.replace_over_url(found):
        raise UserError(NOT_TAKEN)
    hidden = config_var_messages.vars_hidden(its.owner, button.key)
    await context.services.message_expiry.hide_later(context.team, lambda: place.replace_over_url(hidden))
    return None


async def reveal_in_dialog(
    its: ConfigVarScope, key: str, context: RequestContext, grant: RevealButton | None = None
) -> None:
    """Show it in a dialog; what goes wrong is said there too."""
    pane, shown = ViewResponder(context), False

    async def look() -> Reply:
        nonlocal shown
        found = await _look(its, key, context, grant)
        if isinstance(found, Reply):
            return found
        shown = True
        return Reply(found, Visibility.ONE_PERSON, title=TITLE)

    async def hide() -> bool:
        return pane.shown is None or await _put(
            pane.shown, config_var_messages.vars_hidden(its.owner, key), context
        )

    try:
        await reply_or_explain(look(), pane)
    finally:
        if shown and pane.shown is not None:
            await context.services.message_expiry.hide_later(context.team, hide)


async def _look(
    its: ConfigVarScope, key: str, context: RequestContext, grant: RevealButton | None
) -> Message | Reply:
    """The value as it may be shown; an answer where somebody else must agree first."""
    action = its.revealing(key)
    if grant is not None and is_granted(grant, context):
        await check_access(its, context)
        await check_keys_exist(its, [key], context)
        await write_audit_entry(
            context, build_audit_entry(Event.DONE, action, context, answer="shown, as agreed to")
        )
    elif (waiting := await _ask(action, context)) is not None:
        return waiting
    values = await its.read(context)
    if key not in values:
        raise UserError(error_texts.unknown_key(key, values, lists=its.command))
    return config_var_messages.vars_revealed(its.owner, key, values[key])


async def _ask(action: Action, context: RequestContext) -> Reply | None:
    done = await run.run_action(action, context)
    return done.answer if done.is_pending else None


async def _put(view_id: str, message: Message, context: RequestContext) -> bool:
    """Put the message into the dialog; where it was closed, nothing is shown any more."""
    view = views.shown_in_modal(TITLE, message)
    try:
        await context.update_view(view_id, view)
    except SlackCallFailed as error:
        if error.reason != "not_found":
            raise
    return True
