"""Calls of the webhook, changed: a hint to look now at most, and only from those who know the secrets."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from tests.fuzz.mutations import NASTY, SECRETS, mutated, rewritten
from tests.fuzz.scene import WEBHOOK_SECRET, Scene, Tally
from tests.fuzz.sending import Sender

SIGNING = "what-bitrise-signs-with"
WELL_EVERY = 100
# A call as Bitrise makes it (its documents, "Outgoing webhooks").
CALL: Mapping[str, Any] = {
    "app_slug": "0" * 16,
    "build_slug": "1" * 16,
    "build_number": 7,
    "build_status": 1,
    "build_triggered_workflow": "primary",
    "git": {
        "provider": "github",
        "src_branch": "main",
        "dst_branch": None,
        "pull_request_id": 0,
        "tag": None,
        "commit_hash": "c0ffee",
        "commit_message": "Mend it",
    },
}
_UNSENDABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class Call:
    """A call: `query` is what follows the question mark, as it is sent."""

    query: str
    headers: Mapping[str, str]
    body: bytes

    def knows(self, signing: str | None) -> bool:
        """Whether it may make the bot look. Says so by itself, and shares nothing with the bot that decides."""
        secret = self.headers.get("X-Buildbell-Secret")
        if secret is None:
            first = next((part for part in self.query.split("&") if part.split("=")[0] == "secret"), "")
            secret = first.partition("=")[2]
        if secret != WEBHOOK_SECRET or len(self.body) > 256 * 1024:
            return False
        if signing is None:
            return True
        return self.headers.get("Bitrise-Hook-Signature") == signature(self.body, signing)


def signature(body: bytes, key: str) -> str:
    """Bitrise's signature over a body."""
    return "sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


def texts() -> st.SearchStrategy[str]:
    """What somebody may send in the place of a secret."""
    near = [WEBHOOK_SECRET, WEBHOOK_SECRET[:-1], WEBHOOK_SECRET + " ", WEBHOOK_SECRET.upper(), SIGNING, ""]
    return st.sampled_from([*near, *SECRETS, *NASTY])


def calls() -> st.SearchStrategy[Call]:
    """Calls with all or some of it changed, with and without what lets them in."""

    @st.composite
    def call(draw: st.DrawFn) -> Call:
        body = json.dumps(draw(mutated(dict(CALL)))).encode()
        if draw(st.booleans()):
            body = draw(rewritten(body))
        if draw(st.integers(0, 40)) == 0:
            body = b"x" * 300_000
        query = draw(st.sampled_from(["right", "right", "none", "other", "more", "raw"]))
        headers = {"Bitrise-Event-Type": "build/finished"}
        if draw(st.booleans()):
            headers["Content-Type"] = draw(
                st.sampled_from(["application/json", "text/plain", "x", "a/b; charset=no"])
            )
        if (secret := draw(st.sampled_from(["", "", "right", "other"]))) != "":
            headers["X-Buildbell-Secret"] = WEBHOOK_SECRET if secret == "right" else sendable(draw(texts()))
        match draw(st.sampled_from(["right", "right", "none", "other", "of another body"])):
            case "right":
                headers["Bitrise-Hook-Signature"] = signature(body, SIGNING)
            case "other":
                headers["Bitrise-Hook-Signature"] = sendable(draw(texts()))
            case "of another body":
                headers["Bitrise-Hook-Signature"] = signature(body + b" ", SIGNING)
        more = f"{quote(draw(texts()), errors='replace')}={quote(draw(texts()), errors='replace')}"
        text = {
            "right": f"secret={WEBHOOK_SECRET}",
            "none": "",
            "other": f"secret={quote(draw(texts()), errors='replace')}",
            "more": f"{more}&secret={WEBHOOK_SECRET}",
            "raw": f"secret=%ff%zz%00{more}",
        }[query]
        return Call(text, headers, body)

    return call()


def sendable(text: str) -> str:
    """As much of a text as a header can carry."""
    return _UNSENDABLE.sub("", text)[:2000].strip()


class Fuzzing:
    """Calls the webhook of a scene's bot, which has been given this key to check signatures with."""

    def __init__(self, scene: Scene, sender: Sender, signing: str | None) -> None:
        self._scene = scene
        self._sender = sender
        self._signing = signing
        self._looks = 0
        self._tried = 0
        self.tally = Tally()

    async def example(self, given: list[Call]) -> None:
        """Make the calls side by side. Raises AssertionError."""
        raise NotImplementedError
