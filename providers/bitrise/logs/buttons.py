"""Handlers of the buttons about logs, and the form that searches one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from domain.message import Block, Message
from messages.kit import views
from messages.kit.button_values import InvalidButtonValue, LogButton
from messages.notices import sent_as_direct_message
from providers.bitrise import action_ids
from providers.bitrise.api.access import own_client
from providers.bitrise.builds.buttons import find_pressed_build
from providers.bitrise.logs import commands, messages
from providers.bitrise.logs.follower import LogFollower
from providers.bitrise.logs.messages import log_of_block
from providers.bitrise.provider import BITRISE
from providers.bitrise.state import state_of
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply, Visibility
from services.request.finder import build_by_slugs
from services.request.forms import FollowUp, Form

LONGEST_WORD = 200


@dataclass
class LogSearchForm(Form[LogButton, str, Message]):
    """Shows the lines of the log that contain the word."""

    callback_id = action_ids.LOG_SEARCH_MODAL
    title = "Search the log"
    error_field = messages.WORD
    progress = "Searching the log…"
    follow_up = FollowUp.COVERED
    is_refusal_final = True
    read_origin = LogButton.decode
    read_input = staticmethod(messages.read_word)

    def render(self, problem: str | None = None) -> Block:
        """Draw the form with the word."""
        return self.draw(
            views.field(
                messages.WORD,
                "Word or part of a line",
                views.text_element(self.filled, most=LONGEST_WORD, placeholder="error:"),
                optional=False,
                hint="Case doesn't matter. A running build's log is searched as far as it is written.",
            ),
            submit="Search",
            problem=problem,
        )

    async def submit(self) -> Message:
        """Render the lines. Raises UserError, ProviderError."""
        return await commands.search(self.origin, self.filled, self.context)

    def render_result(self, result: Message) -> Block:
        """Draw the lines."""
        return views.shown_in_modal(self.title, result)


async def _show(press: ButtonPress) -> Reply:
    return await commands.show_build_log(
        *await find_pressed_build(press), press.context, thread=press.message.ts if press.message else None
    )


async def _show_step(press: ButtonPress) -> Reply:
    button = log_of_block(press.block)
    app, build = await build_by_slugs(press.context, button.app, button.build, BITRISE)
    if not press.value.isdecimal() or len(press.value) > 4:
        raise InvalidButtonValue
    return await commands.show_build_log(
        app, build, press.context, step=int(press.value), thread=button.thread
    )


async def _send_file(press: ButtonPress, *, share: bool) -> Reply | None:
    return await commands.send_log_file(LogButton.decode(press.value), press.context, share=share)


async def _follow(press: ButtonPress) -> Reply:
    button = LogButton.decode(press.value)
    app, build = await build_by_slugs(press.context, button.app, button.build, BITRISE)
    if build.ended:
        return await commands.show_build_log(app, build, press.context)
    context = press.context
    channel = await context.direct_message_alone()
    follower = LogFollower(own_client(context), context.accounts, context.slack, app, build, channel=channel)
    await state_of(context).log_followers.start(follower, context.services.storage)
    message = sent_as_direct_message("Following the log in your DMs, for up to 10 minutes.")
    return Reply(message, Visibility.ONE_PERSON, title=commands.TITLE)


async def _open_search_form(press: ButtonPress) -> None:
    await LogSearchForm(press.context, LogButton.decode(press.value), "").open()


BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.BUILD_LOG: _show,
    action_ids.LOG_STEP: _show_step,
    action_ids.LOG_FILE: partial(_send_file, share=False),
    action_ids.LOG_SHARE: partial(_send_file, share=True),
    action_ids.LOG_FOLLOW: _follow,
}
FORM_BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.LOG_SEARCH: _open_search_form,
}
