"""The modal that asks for the reason before a build is aborted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.abort_kind import NO_CHANGES, PHRASES, SUPERSEDED, TIMEOUT
from domain.message import Block
from messages.kit.blocks import plain_text, section
from messages.kit.button_values import BuildButton
from messages.kit.mrkdwn import escape
from messages.kit.views import FormValues, field, modal, option, text_element, warning
from providers.bitrise.action_ids import ABORT_MODAL
from providers.bitrise.api.requests import AbortRequest

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


def read_abort(values: Mapping[str, Any]) -> AbortRequest:
    """Read the form: a suggestion, the user's own text, or both. `values` is the view's state as Slack sends it."""
    form_values = FormValues(values)
    suggestion, text = form_values.picked(SUGGESTION), " ".join(form_values.text(REASON).split())
    reason = ": ".join(part for part in (suggestion if suggestion in SUGGESTIONS else None, text) if part)
    chosen = form_values.several(OPTIONS)
    return AbortRequest(
        reason=reason[:LONGEST_REASON] or None, **{name: name in chosen for name in _OPTION_TEXTS}
    )


def _option(name: str) -> Block:
    text, description = _OPTION_TEXTS[name]
    return option(text, name, description)


def _modal(blocks: list[Block], *, private_metadata: str = "", submit: str | None = None) -> Block:
    return modal(
        "Abort a build",
        blocks,
        callback_id=ABORT_MODAL,
        private_metadata=private_metadata,
        submit=submit,
        close="Keep it running" if submit else "Close",
    )
