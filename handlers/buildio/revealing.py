"""The value of one config var, for one person and a minute: judged, noted, shown, taken away.

It is put where Slack lets the bot take it away again: into an ephemeral message in the place of the one that was
pressed, or into a dialog. A slash command's own response_url can't replace what it has said, so it gets a dialog; a
message that stays, as in direct messages, is never given a value.
"""

from __future__ import annotations

from bot import messages
from bot.acts import Act
from bot.audit import Event
from bot.messages import Message, NotAButton, buildio
from bot.messages.buildio import GrantButton, VarsButton
from bot.slack_errors import SlackCallFailed
from handlers import doing
from handlers.actions.press import Press
from handlers.buildio.variables import Vars, check_known, check_may_look
from handlers.caller import Answer, Audience, Caller
from handlers.doing.granting import is_granted
from handlers.doing.noting import entry_of, note
from handlers.finding import NotNamed
from handlers.panes import ToPane
from handlers.saying import ToResponseUrl
from handlers.trouble import say_or_explain

TITLE = "Config var"
NOT_TAKEN = "Slack did not let me show it here. Ask for it with `/buildio config get KEY`."


async def pressed(its: Vars, button: VarsButton, press: Press) -> Answer | None:
    """Show it to whoever pressed, in the place of what they pressed where that can be taken away.

    Raises NotAllowed, NotNamed, NotAButton, ProviderError.
    """
    if button.key is None:
        raise NotAButton
    caller = press.caller
    grant = button if isinstance(button, GrantButton) else None
    if press.on is None or press.on.ts is not None or press.response_url is None:
        await in_dialog(its, button.key, caller, grant)
        return None
    found = await _look(its, button.key, caller, grant)
    if isinstance(found, Answer):
        return found
    place = ToResponseUrl(caller, press.response_url, press.on)
    if not await place.replaced(found):
        raise NotNamed(NOT_TAKEN)
    hidden = buildio.vars_hidden(its.of, button.key)
    await caller.desk.vanishing.after_a_while(caller.team, lambda: place.replaced(hidden))
    return None


async def in_dialog(its: Vars, key: str, caller: Caller, grant: GrantButton | None = None) -> None:
    """Show it in a dialog; what goes wrong is said there too."""
    pane, shown = ToPane(caller), False

    async def look() -> Answer:
        nonlocal shown
        found = await _look(its, key, caller, grant)
        if isinstance(found, Answer):
            return found
        shown = True
        return Answer(found, Audience.ONE_PERSON, title=TITLE)

    async def hide() -> bool:
        return pane.shown is None or await _put(pane.shown, buildio.vars_hidden(its.of, key), caller)

    try:
        await say_or_explain(look(), pane)
    finally:
        if shown and pane.shown is not None:
            await caller.desk.vanishing.after_a_while(caller.team, hide)


async def _look(its: Vars, key: str, caller: Caller, grant: GrantButton | None) -> Message | Answer:
    """The value as it may be shown; an answer where somebody else must agree first."""
    act = its.revealing(key)
    if grant is not None and is_granted(grant, caller):
        await check_may_look(its, caller)
        await check_known(its, [key], caller)
        await note(caller, entry_of(Event.DONE, act, caller, answer="shown, as agreed to"))
    elif (waiting := await _ask(act, caller)) is not None:
        return waiting
    values = await its.read(caller)
    if key not in values:
        raise NotNamed(buildio.unknown_key(key, values, lists=its.command))
    return buildio.vars_revealed(its.of, key, values[key])


async def _ask(act: Act, caller: Caller) -> Answer | None:
    done = await doing.do(act, caller)
    return done.answer if done.waits else None


async def _put(view_id: str, message: Message, caller: Caller) -> bool:
    """Put the message into the dialog; where it was closed, nothing is shown any more."""
    view = messages.shown_in_modal(TITLE, message)
    try:
        await caller.redraw(view_id, view)
    except SlackCallFailed as error:
        if error.reason != "not_found":
            raise
    return True
