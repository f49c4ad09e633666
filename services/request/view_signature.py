"""Signed private metadata of views, so that a view is accepted only unchanged and from the user it was sent to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.slack.interaction_payloads import ShownView
from storage.encryption import SecretBox

# The signature comes before the state; `SecretBox.sign` makes signatures of this length.
_SIGNATURE = 32


def sign_view(view: Mapping[str, Any], signing: SecretBox, *, team: str, person: str) -> dict[str, Any]:
    """Return the view with its state signed for this user of this workspace."""
    state = str(view.get("private_metadata") or "")
    if not state:
        return dict(view)
    signature = signing.sign(_text(view.get("callback_id"), state, team, person))
    return {**view, "private_metadata": signature + state}


def state_of(view: ShownView, signing: SecretBox, *, team: str, person: str) -> str | None:
    """Return the state of a view that comes back; None if it was changed, or was sent to another user."""
    sent = view.private_metadata or ""
    signature, state = sent[:_SIGNATURE], sent[_SIGNATURE:]
    return state if signing.is_signed(_text(view.callback_id, state, team, person), signature) else None


def _text(callback_id: str | None, state: str, team: str, person: str) -> str:
    # Includes the form's callback_id, because another form would read the same names differently. Only the state, which
    # comes last, contains spaces.
    return f"view {team} {person} {callback_id or '-'} {state}"
