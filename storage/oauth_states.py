"""Signed states of OAuth flows (RFC 6749, 10.12), which need not be stored.

Anybody can start a flow any number of times, so starting one writes nothing, and states that we have not issued are
refused without a query.
"""

from __future__ import annotations

import re
import secrets
from datetime import datetime

from storage.encryption import SecretBox

_STATE = re.compile(r"(?P<ends>[0-9a-f]{1,12})-(?P<nonce>[0-9a-f]{64})-(?P<signature>[0-9a-f]{32})")


def new_state(vault: SecretBox, use: str, ends: datetime) -> str:
    """Return an unguessable state for this use that expires at `ends` (in whole seconds)."""
    text = f"{int(ends.timestamp()):x}-{secrets.token_hex(32)}"
    return f"{text}-{vault.sign(_signed_text(use, text))}"


def is_issued(vault: SecretBox, use: str, state: str, now: datetime) -> bool:
    """Return whether the state was issued for this use and has not expired; it may have been used already."""
    found = _STATE.fullmatch(state)
    if found is None or int(found["ends"], 16) < now.timestamp():
        return False
    return vault.is_signed(_signed_text(use, f"{found['ends']}-{found['nonce']}"), found["signature"])


def _signed_text(use: str, text: str) -> str:
    return f"state {use} {text}"
