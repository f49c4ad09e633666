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
from messages.kit.blocks import section
from messages.kit.button_values import BuildButton, InvalidButtonValue
from messages.kit.mrkdwn import escape
from messages.kit.views import FormValues, ViewMetadata, checkboxes, field, option, select, text_element
from providers.bitrise.action_ids import ABORT_MODAL
from providers.bitrise.api.requests import AbortRequest
from providers.bitrise.builds import commands
from providers.bitrise.pipelines import commands as pipeline_commands
from providers.bitrise.provider import BITRISE
from services.features.builds import commands as build_commands
from services.request.context import Reply, RequestContext, ViewContext
from services.request.finder import app_by_slug, build_by_slugs
from services.request.forms import Form, check_may_act
from services.request.responder import PressedMessage, ReplacingResponder, ResponseUrlResponder, ViewResponder

SUGGESTION = "suggestion"
REASON = "reason"
OPTIONS = "options"
# The entries of PHRASES are recognised again when Bitrise reports the abort (domain/abort_kind.py).
SUGGESTIONS = (
    PHRASES[SUPERSEDED],
    PHRASES[NO_CHANGES],
    PHRASES[TIMEOUT],
    "Wrong branch or commit",
    "Known failure",
    "Freeing up a machine",
)
LONGEST_REASON = 500
_OPTION_TEXTS = {
    "with_success": ("Count as success", "Git and statistics show a success instead of a failure"),
    "skip_notifications": ("No notifications from Bitrise", "No one gets an email about it"),
    "skip_git_status_report": ("No Git status", "The commit or pull request keeps its current status"),
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
    title = "Abort a build"
    error_field = REASON
    is_refusal_final = True
    read_origin = AbortOrigin.decode
    read_input = staticmethod(read_abort)

    @property
    def progress(self) -> str:
        """The sentence that names the build."""
        return f"Aborting {self._name}…"

    @property
    def success(self) -> str:
        """The sentence that names the build."""
        return f"🛑 {self._name} was aborted. The channel was notified."

    @property
    def _name(self) -> str:
        return f"{self.origin.button.title} {self.origin.button.label}"

    def render(self, problem: str | None = None) -> Block:
        """Draw the form with its input."""
        order = self.filled
        # Aborting a pipeline has no option for the Git status (API v0.1, "pipeline-abort").
        offered = [
            option(text, name, description)
            for name, (text, description) in _OPTION_TEXTS.items()
            if not (self.origin.button.pipeline and name == "skip_git_status_report")
        ]
        return self.draw(
            section(
                f"This stops *{escape(self._name, 200)}* at once and posts your name and reason to the channel."
            ),
            field(
                SUGGESTION,
                "Reason",
                select(
                    [option(text, text) for text in SUGGESTIONS], "Pick a reason, or write your own below"
                ),
            ),
            field(
                REASON,
                "Your own words",
                text_element(order.reason, most=LONGEST_REASON, multiline=True),
            ),
            field(
                OPTIONS,
                "Options",
                checkboxes(offered, [name for name in _OPTION_TEXTS if getattr(order, name)]),
            ),
            submit="Abort build",
            close="Cancel",
            problem=problem,
        )

    async def submit(self) -> Reply | None:
        """Abort the build or pipeline. Raises PermissionDenied, UserError, ProviderError."""
        button = self.origin.button
        if button.pipeline:
            app = await app_by_slug(self.context, button.app, BITRISE)
            return await pipeline_commands.abort(app, button.build, self.filled, self.context)
        app, build = await build_by_slugs(self.context, button.app, button.build, BITRISE)
        return await commands.abort_build(app, build, self.filled, self.context)

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
