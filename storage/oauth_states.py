"""States of OAuth flows (RFC 6749, 10.12) that are known again by a signature, so that none needs to be kept.

Anybody may begin a flow, and as often as they like: what is begun writes nothing, and what was never issued is refused
before the database is asked.
"""

from __future__ import annotations

import re
import secrets
from datetime import datetime

from storage.encryption import SecretBox

_STATE = re.compile(r"(?P<ends>[0-9a-f]{1,12})-(?P<nonce>[0-9a-f]{64})-(?P<signature>[0-9a-f]{32})")


def new_state(vault: SecretBox, use: str, ends: datetime) -> str:
    """A state that nobody can guess, good for this use until then (in whole seconds)."""
    text = f"{int(ends.timestamp()):x}-{secrets.token_hex(32)}"
    return f"{text}-{vault.sign(_signed_text(use, text))}"


def is_issued(vault: SecretBox, use: str, state: str, now: datetime) -> bool:
    """Whether the state was issued for this use, and its time has not run out; it may have been taken already."""
    found = _STATE.fullmatch(state)
    if found is None or int(found["ends"], 16) < now.timestamp():
        return False
    return vault.is_signed(_signed_text(use, f"{found['ends']}-{found['nonce']}"), found["signature"])


def _signed_text(use: str, text: str) -> str:
    return f"state {use} {text}"
