"""Secrets of Build.io and of users: who may see them, and where they leak."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.request_log import LoggedRequest
from tests.support import canary_secrets

# The text of a message that shows a value to one user on purpose.
REVEALED = "Only visible to you. Hides in"
SHARED = "shared the output of a command in"
VALUE, TYPED, OUTPUT, CREDENTIAL, PRIVATE_KEY = (
    "config value",
    "typed value",
    "output of a command",
    "cluster credential",
    "private key of a certificate",
)
CREDENTIAL_FILE = "exec-credential.json"
# Methods that show something to one user only.
_ONE_USER_METHODS = frozenset({"views.open", "views.push", "views.update", "response_url"})
_EVERY_CANARY = frozenset(canary_secrets.CANARIES)


@dataclass(frozen=True)
class Secret:
    """A secret; this many consecutive characters give it away."""

    kind: str
    text: str = field(repr=False)
    letters: int = 8

    def pieces(self, step: int = 1) -> Iterator[str]:
        """Return the substrings that must not appear."""
        for at in range(0, max(len(self.text) - self.letters + 1, 1), step):
            yield self.text[at : at + self.letters]


class SecretTracker:
    """All secrets: planted ones, and those that Build.io has issued since."""

    def __init__(self) -> None:
        self._known: dict[str, Secret] = {}
        self._pieces: list[tuple[str, str]] = []

    def add(self, kind: str, text: str, *, letters: int = 8) -> str:
        """Add a secret and return it."""
        if text not in self._known:
            self._known[text] = secret = Secret(kind, text, letters)
            self._pieces += [(kind, piece) for piece in secret.pieces()]
        return text

    def add_observed(self, request_name: str, body: bytes) -> bytes:
        """Add the secrets in a response of Build.io; returns the response unchanged."""
        if "/oauth/token" in request_name or "/oidc-login" in request_name:
            content = json.loads(body)
            for name in ("access_token", "refresh_token"):
                if name in content:
                    self.add("token of a person", content[name], letters=20)
            if "status" in content:
                self.add(CREDENTIAL, content["status"]["token"].rpartition("-")[2])
        return body

    def find_kinds(self, text: str) -> list[str]:
        """Return the kinds of secrets that appear in a text."""
        return [*canary_secrets.leaked_kinds(text), *self._planted_in(text)]

    def leaked_kinds(self, call: LoggedRequest, text: str) -> list[str]:
        """Return the kinds of secrets that a call to Slack leaks; `text` is its visible text."""
        allowed = allowed_kinds(call)
        # Planted secrets must not appear anywhere in a call, not even in a form with the user's input.
        content = json.dumps(call.request, ensure_ascii=False, default=str)
        found = [*canary_secrets.leaked_kinds(text), *self._planted_in(content)]
        return [kind for kind in found if kind not in allowed]

    def pieces(self) -> list[bytes]:
        """Return overlapping substrings, so that no slightly longer leak is missed."""
        known = [*self._known.values(), *(Secret(*item) for item in canary_secrets.CANARIES.items())]
        return [piece.encode() for item in known for piece in item.pieces(step=4)]

    def _planted_in(self, text: str) -> list[str]:
        return list(dict.fromkeys(kind for kind, piece in self._pieces if piece in text))


def allowed_kinds(call: LoggedRequest) -> frozenset[str]:
    """Return the kinds that a call may show: a revealed value to one user, a command's output to its user."""
    text = json.dumps(call.request, ensure_ascii=False, default=str)
    request: Mapping[str, Any] = call.request if isinstance(call.request, dict) else {}
    if call.title in _ONE_USER_METHODS and REVEALED in text and request.get("response_type") != "in_channel":
        return frozenset({VALUE, TYPED}) | _EVERY_CANARY
    if call.title == "chat.postMessage" and (str(request.get("channel")).startswith("D") or SHARED in text):
        return frozenset({OUTPUT})
    return frozenset()
