"""The form that asks for the reason before a build or pipeline is aborted."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import StringConstraints, ValidationError

from domain.abort_kind import NO_CHANGES, PHRASES, SUPERSEDED, TIMEOUT
from domain.message import Block, Message
from domain.provider_errors import ProviderError
from domain.slack_ids import SlackId
from messages.kit.blocks import plain_text, section
from messages.kit.button_values import BuildButton, InvalidButtonValue
from messages.kit.mrkdwn import escape
from messages.kit.view_metadata import ViewMetadata
from messages.kit.views import FormValues, field, modal, option, text_element, warning
from providers.bitrise.action_ids import ABORT_MODAL
from providers.bitrise.api.requests import AbortRequest
from providers.bitrise.builds import commands
from providers.bitrise.pipelines import commands as pipeline_commands
from providers.bitrise.provider import BITRISE
from services.features.builds import commands as build_commands
from services.request.context import Reply, RequestContext, ViewContext
from services.request.finder import app_by_slug, build_by_slugs
from services.request.forms import Form, check_may_act
from services.request.responder import PressedMessage, ReplacingResponder, ResponseUrlResponder
from services.request.view_responder import ViewResponder

TITLE = "Abort a build"
SUGGESTION = "suggestion"
REASON = "reason"
OPTIONS = "options"
# The entries of PHRASES are recognised again when Bitrise reports the abort (domain/abort_kind.py).
SUGGESTIONS = (
    PHRASES[SUPERSEDED],
    PHRASES[NO_CHANGES],
    PHRASES[TIMEOUT],
    "Wrong branch or commit",
    "Known to fail",
    "The worker is needed for something else",
)
LONGEST_REASON = 500
_OPTION_TEXTS = {
    "with_success": ("Count it as a success", "Git and the statistics see a success instead of a failure"),
    "skip_notifications": ("No notifications from Bitrise", "Nobody gets an e-mail about it"),
    "skip_git_status_report": ("No Git status", "The commit or pull request keeps the status that it has"),
}


class AbortOrigin(ViewMetadata):
    """View metadata with the pressed button, and the message or modal that it was pressed on."""

    button: BuildButton
    ts: Annotated[str, StringConstraints(pattern=re.compile(r"^\d{1,12}\.\d{1,8}\Z"))] | None = None
    response_url: str | None = None
    unfurled: str | None = None
    view: SlackId | None = None

    @classmethod
    def decode(cls, private_metadata: str) -> AbortOrigin:
        """Decode private_metadata. Raises InvalidButtonValue: without the button there is nothing to abort."""
        try:
            return cls.model_validate_json(private_metadata)
        except ValidationError as error:
            raise InvalidButtonValue from error


def abort_modal(
    build: BuildButton,
    *,
    private_metadata: str,
    order: AbortRequest | None = None,
    problem: str | None = None,
) -> Block:
    """Render the form; `order` prefills it, and `problem` is shown above it."""
    order = order or AbortRequest()
    # Aborting a pipeline has no option for the Git status (API v0.1, "pipeline-abort").
    offered = [name for name in _OPTION_TEXTS if not (build.pipeline and name == "skip_git_status_report")]
    chosen = [_option(name) for name in offered if getattr(order, name)]
    return _modal(
        [
            *warning(problem),
            section(
                f"*{escape(f'{build.title} {build.label}', 200)}* stops at once. The channel is told who and why."
            ),
            field(
                SUGGESTION,
                "Reason",
                {
                    "type": "static_select",
                    "placeholder": plain_text("Pick one, or write your own below", 150),
                    "options": [option(text, text) for text in SUGGESTIONS],
                },
            ),
            field(
                REASON,
                "In your own words",
                text_element(order.reason, most=LONGEST_REASON, multiline=True),
            ),
            field(
                OPTIONS,
                "Options",
                {
                    "type": "checkboxes",
                    "options": [_option(name) for name in offered],
                    **({"initial_options": chosen} if chosen else {}),
                },
            ),
        ],
        private_metadata=private_metadata,
        submit="Abort build",
    )


def abort_in_progress(build: BuildButton) -> Block:
    """Render the modal while Bitrise takes long."""
    return _modal([section(f"⏳ Aborting *{escape(f'{build.title} {build.label}', 200)}*…")])


def abort_done(build: BuildButton) -> Block:
    """Render the modal after a slow abort succeeded."""
    return _modal(
        [section(f"🛑 *{escape(f'{build.title} {build.label}', 200)}* is aborted; the channel was told.")]
    )


def abort_failed(problem: str) -> Block:
    """Render the modal after an abort failed in a way that trying again does not fix."""
    return _modal([section(f"⚠️ {escape(problem, 2000)}")])


def read_abort(values: FormValues) -> AbortRequest:
    """Read the form: a suggestion, the user's own text, or both."""
    suggestion, text = values.picked(SUGGESTION), " ".join(values.text(REASON).split())
    reason = ": ".join(part for part in (suggestion if suggestion in SUGGESTIONS else None, text) if part)
    chosen = values.several(OPTIONS)
    return AbortRequest(
        reason=reason[:LONGEST_REASON] or None, **{name: name in chosen for name in _OPTION_TEXTS}
    )


@dataclass
class AbortForm(Form[AbortOrigin, AbortRequest, Reply | None]):
    """Aborts a build or pipeline, and updates the message that the form was opened from."""

    callback_id = ABORT_MODAL
    title = TITLE
    error_field = REASON
    is_refused_for_good = True
    read_origin = AbortOrigin.decode
    read_input = staticmethod(read_abort)

    def render(self, problem: str | None = None) -> Block:
        """Draw the form with its input."""
        button, metadata = self.origin.button, self.origin.encode()
        return abort_modal(button, private_metadata=metadata, order=self.filled, problem=problem)

    async def submit(self) -> Reply | None:
        """Abort the build or pipeline. Raises PermissionDenied, UserError, ProviderError."""
        button = self.origin.button
        if button.pipeline:
            app = await app_by_slug(self.context, button.app, BITRISE)
            return await pipeline_commands.abort(app, button.build, self.filled, self.context)
        app, build = await build_by_slugs(self.context, button.app, button.build, BITRISE)
        return await commands.abort_build(app, build, self.filled, self.context)

    def render_progress(self) -> Block:
        """Draw the modal while Bitrise takes long."""
        return abort_in_progress(self.origin.button)

    def render_result(self, result: Reply | None) -> Block:  # noqa: ARG002 - the channel gets the reply
        """Draw the modal after a slow abort."""
        return abort_done(self.origin.button)

    def render_refusal(self, problem: str) -> Block:
        """Draw the modal that says why Bitrise refused."""
        return abort_failed(problem)

    async def finish(self, result: Reply | None) -> None:
        """Post the reply in the channel, and update the message or modal that Abort was pressed on."""
        if result is None:
            return
        context, origin = self.context, self.origin
        message_responder = ResponseUrlResponder(
            context, origin.response_url, PressedMessage(context.channel, origin.ts, origin.unfurled)
        )
        await message_responder(result)
        responder: ReplacingResponder = message_responder
        if not context.channel or origin.view is not None:
            view = ViewContext(origin.view, is_home=False, is_full=False) if origin.view is not None else None
            responder = ViewResponder(replace(context, view=view))
        try:
            card = await self._render_card()
        except ProviderError:
            return
        await responder.replace_original(card)

    async def _render_card(self) -> Message:
        button = self.origin.button
        if button.pipeline:
            app = await app_by_slug(self.context, button.app, BITRISE)
            return await pipeline_commands.card(app, button.build, self.context)
        app, build = await build_by_slugs(self.context, button.app, button.build, BITRISE)
        return await build_commands.card(app, build, self.context)


async def open_abort(
    button: BuildButton, context: RequestContext, pressed: PressedMessage | None, response_url: str | None
) -> None:
    """Open the abort form; the build is fetched only after the form is submitted.

    Raises NotConnected, SlackCallFailed.
    """
    await check_may_act(context, BITRISE)
    origin = AbortOrigin(
        button=button,
        channel=context.channel,
        ts=pressed.ts if pressed else None,
        unfurled=pressed.unfurled if pressed else None,
        response_url=response_url,
        view=context.view.id if context.view is not None and not context.view.is_home else None,
    )
    await AbortForm(context, origin, AbortRequest()).open()


def _option(name: str) -> Block:
    text, description = _OPTION_TEXTS[name]
    return option(text, name, description)


def _modal(blocks: list[Block], *, private_metadata: str = "", submit: str | None = None) -> Block:
    return modal(
        TITLE,
        blocks,
        callback_id=ABORT_MODAL,
        private_metadata=private_metadata,
        submit=submit,
        close="Keep it running" if submit else "Close",
    )
