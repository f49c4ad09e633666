"""What Build.io knows and people type that must not come out, who alone may see it, and where it is seen all the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.request_log import LoggedRequest
from tests.support import canary_secrets

# What stands where one value is shown to one person on purpose.
REVEALED = "for your eyes only"
SHARED = "shows what a command in"
VALUE, TYPED, OUTPUT, CREDENTIAL, PRIVATE_KEY = (
    "config value",
    "typed value",
    "output of a command",
    "cluster credential",
    "private key of a certificate",
)
CREDENTIAL_FILE = "exec-credential.json"
# By these a person alone is shown something.
_TO_ONE = frozenset({"views.open", "views.push", "views.update", "response_url"})
_EVERY_CANARY = frozenset(canary_secrets.CANARIES)


@dataclass(frozen=True)
class Secret:
    """A secret; so many letters of it in a row give it away."""

    kind: str
    text: str = field(repr=False)
    letters: int = 8

    def pieces(self, step: int = 1) -> Iterator[str]:
        """What must not be seen of it."""
        for at in range(0, max(len(self.text) - self.letters + 1, 1), step):
            yield self.text[at : at + self.letters]


class SecretTracker:
    """All secrets that are to be kept: those that were planted, and those that Build.io has handed out since."""

    def __init__(self) -> None:
        self._known: dict[str, Secret] = {}
        self._pieces: list[tuple[str, str]] = []

    def add(self, kind: str, text: str, *, letters: int = 8) -> str:
        """One more; returns it."""
        if text not in self._known:
            self._known[text] = secret = Secret(kind, text, letters)
            self._pieces += [(kind, piece) for piece in secret.pieces()]
        return text

    def add_observed(self, asked: str, body: bytes) -> bytes:
        """Keep what Build.io hands out in this answer; the answer is returned as it is."""
        if "/oauth/token" in asked or "/oidc-login" in asked:
            content = json.loads(body)
            for name in ("access_token", "refresh_token"):
                if name in content:
                    self.add("token of a person", content[name], letters=20)
            if "status" in content:
                self.add(CREDENTIAL, content["status"]["token"].rpartition("-")[2])
        return body

    def seen_in(self, text: str) -> list[str]:
        """The kinds of which something can be seen in the text."""
        return [*canary_secrets.leaked_kinds(text), *self._planted_in(text)]

    def leaked_kinds(self, call: LoggedRequest, words: str) -> list[str]:
        """The kinds that a call to Slack tells although it must not; `words` are what it shows."""
        allowed = may_show(call)
        # Of what was planted nothing stands anywhere in a call, not even where a form holds what was typed.
        whole = json.dumps(call.request, ensure_ascii=False, default=str)
        found = [*canary_secrets.leaked_kinds(words), *self._planted_in(whole)]
        return [kind for kind in found if kind not in allowed]

    def pieces(self) -> list[bytes]:
        """Pieces that lie so close together that no leak of some letters more slips through between them."""
        known = [*self._known.values(), *(Secret(*one) for one in canary_secrets.CANARIES.items())]
        return [piece.encode() for one in known for piece in one.pieces(step=4)]

    def _planted_in(self, text: str) -> list[str]:
        return list(dict.fromkeys(kind for kind, piece in self._pieces if piece in text))


def may_show(call: LoggedRequest) -> frozenset[str]:
    """The kinds that a call may show: a value that is revealed to one person, a command's output to whoever ran it."""
    words = json.dumps(call.request, ensure_ascii=False, default=str)
    given: Mapping[str, Any] = call.request if isinstance(call.request, dict) else {}
    if call.what in _TO_ONE and REVEALED in words and given.get("response_type") != "in_channel":
        return frozenset({VALUE, TYPED}) | _EVERY_CANARY
    if call.what == "chat.postMessage" and (str(given.get("channel")).startswith("D") or SHARED in words):
        return frozenset({OUTPUT})
    return frozenset()
