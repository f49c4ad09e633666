"""The modal that asks why a build is to be aborted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.aborts import NO_CHANGES, PHRASES, SUPERSEDED, TIMEOUT
from bot.bitrise import AbortOrder
from bot.messages.actions import ABORT_MODAL
from bot.messages.blocks import plain_text, section
from bot.messages.buttons import BuildButton
from bot.messages.message import Block
from bot.messages.text import escape

SUGGESTION = "suggestion"
REASON = "reason"
OPTIONS = "options"
# Those that are a kind's own phrase are recognised again when Bitrise tells of the abort (bot/aborts.py).
SUGGESTIONS = (
    PHRASES[SUPERSEDED],
    PHRASES[NO_CHANGES],
    PHRASES[TIMEOUT],
    "Wrong branch or commit",
    "Known to fail",
    "The worker is needed for something else",
)
LONGEST_REASON = 500
_OPTIONS = {
    "with_success": ("Count it as a success", "Git and the statistics see a success instead of a failure"),
    "skip_notifications": ("No notifications from Bitrise", "Nobody gets an e-mail about it"),
    "skip_git_status_report": ("No Git status", "The commit or pull request keeps the status that it has"),
}


def abort_modal(
    build: BuildButton, *, private_metadata: str, order: AbortOrder | None = None, problem: str | None = None
) -> Block:
    """The question; with an order it shows again what was filled in, with a problem why it was not done."""
    order = order or AbortOrder()
    chosen = [_option(name) for name in _OPTIONS if getattr(order, name)]
    warning = [section(f"⚠️ {escape(problem, 1000)}")] if problem else []
    return _modal(
        [
            *warning,
            section(
                f"*{escape(f'{build.title} {build.label}', 200)}* stops at once. The channel is told who and why."
            ),
            _input(
                SUGGESTION,
                "Reason",
                {
                    "type": "static_select",
                    "action_id": SUGGESTION,
                    "placeholder": plain_text("Pick one, or write your own below", 150),
                    "options": [{"text": plain_text(text, 75), "value": text} for text in SUGGESTIONS],
                },
            ),
            _input(
                REASON,
                "In your own words",
                {
                    "type": "plain_text_input",
                    "action_id": REASON,
                    "max_length": LONGEST_REASON,
                    "multiline": True,
                    **({"initial_value": order.reason[:LONGEST_REASON]} if order.reason else {}),
                },
            ),
            _input(
                OPTIONS,
                "Options",
                {
                    "type": "checkboxes",
                    "action_id": OPTIONS,
                    "options": [_option(name) for name in _OPTIONS],
                    **({"initial_options": chosen} if chosen else {}),
                },
            ),
        ],
        private_metadata=private_metadata,
        submit="Abort build",
    )


def aborting(build: BuildButton) -> Block:
    """Bitrise takes its time; the person sees that it is under way."""
    return _modal([section(f"⏳ Aborting *{escape(f'{build.title} {build.label}', 200)}*…")])


def abort_done(build: BuildButton) -> Block:
    """It took its time, and it is done."""
    return _modal(
        [section(f"🛑 *{escape(f'{build.title} {build.label}', 200)}* is aborted; the channel was told.")]
    )


def not_aborted(problem: str) -> Block:
    """It was not done, and to ask again would not help."""
    return _modal([section(f"⚠️ {escape(problem, 2000)}")])


def read_abort(values: Mapping[str, Any]) -> AbortOrder:
    """What was filled in: a suggestion, own words, or both. `values` is the view's state as Slack sends it."""
    suggestion = (_element(values, SUGGESTION).get("selected_option") or {}).get("value")
    words = " ".join(str(_element(values, REASON).get("value") or "").split())
    reason = ": ".join(part for part in (suggestion if suggestion in SUGGESTIONS else None, words) if part)
    chosen = {one.get("value") for one in _element(values, OPTIONS).get("selected_options") or []}
    return AbortOrder(reason=reason[:LONGEST_REASON] or None, **{name: name in chosen for name in _OPTIONS})


def _element(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = (values.get(name) or {}).get(name)
    return found if isinstance(found, Mapping) else {}


def _option(name: str) -> Block:
    text, description = _OPTIONS[name]
    return {"text": plain_text(text, 75), "description": plain_text(description, 75), "value": name}


def _input(name: str, label: str, element: Block) -> Block:
    return {
        "type": "input",
        "block_id": name,
        "label": plain_text(label, 2000),
        "element": element,
        "optional": True,
    }


def _modal(blocks: list[Block], *, private_metadata: str = "", submit: str | None = None) -> Block:
    view: Block = {
        "type": "modal",
        "callback_id": ABORT_MODAL,
        "title": plain_text("Abort a build", 24),
        "close": plain_text("Keep it running" if submit else "Close", 24),
        "private_metadata": private_metadata,
        "blocks": blocks,
    }
    return view | {"submit": plain_text(submit, 24)} if submit else view
