"""What a modal carries along, signed: it comes back as it was sent, to the one whom it was sent to, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storage.encryption import SecretBox

# In front of the state; `Vault.sign` makes signatures of this length.
_SIGNATURE = 32


def sign_view(view: Mapping[str, Any], signing: SecretBox, *, team: str, person: str) -> dict[str, Any]:
    """The view as it is sent, with its state signed for this person of this workspace."""
    state = str(view.get("private_metadata") or "")
    if not state:
        return dict(view)
    signature = signing.sign(_text(view, state, team, person))
    return {**view, "private_metadata": signature + state}


def state_of(view: Mapping[str, Any], signing: SecretBox, *, team: str, person: str) -> str | None:
    """The state that a view brings back; None where it is not as it was sent, or was sent to somebody else."""
    sent = str(view.get("private_metadata") or "")
    signature, state = sent[:_SIGNATURE], sent[_SIGNATURE:]
    return state if signing.is_signed(_text(view, state, team, person), signature) else None


def _text(view: Mapping[str, Any], state: str, team: str, person: str) -> str:
    # With the form that it belongs to: another one would read the same names in another way. Only the state, which
    # comes last, has spaces in it.
    return f"view {team} {person} {view.get('callback_id') or '-'} {state}"
