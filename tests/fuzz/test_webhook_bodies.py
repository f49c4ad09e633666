"""Mutated webhook calls: they only trigger a poll, and only if the sender knows the secret."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import pytest
from hypothesis import strategies as st

from services.polling.poller import Poller
from tests.fuzz.fuzz_harness import WEBHOOK_SECRET, FuzzHarness, OutcomeCounter, fuzz_harness
from tests.fuzz.fuzz_runner import SHARE_SECONDS, TIMEOUT, ReadableExample, fuzz, report
from tests.fuzz.mutations import NASTY, SECRETS, mutated, rewritten
from tests.support.canary_secrets import leaked_kinds

SIGNING = "what-bitrise-signs-with"
HEALTH_CHECK_EVERY = 100
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


@dataclass(frozen=True, repr=False)
class Call(ReadableExample):
    """A call; `query` is the raw query string."""

    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def description(self) -> str:
        """Return the call with the start of its body."""
        return f"{self.query[:200]} {dict(self.headers)} {len(self.body)} bytes: {self.body[:200]!r}"

    def is_authorized(self, signing: str) -> bool:
        """Return whether it may trigger a poll, decided without code of the bot."""
        secret = self.headers.get("X-Buildbell-Secret")
        if secret is None:
            first = next((part for part in self.query.split("&") if part.split("=")[0] == "secret"), "")
            secret = first.partition("=")[2]
        if secret != WEBHOOK_SECRET or len(self.body) > 256 * 1024:
            return False
        if not signing:
            return True
        return self.headers.get("Bitrise-Hook-Signature") == signature(self.body, signing)


def signature(body: bytes, key: str) -> str:
    """Return Bitrise's signature of a body."""
    return "sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


def texts() -> st.SearchStrategy[str]:
    """Return texts that may be sent instead of a secret."""
    similar = [WEBHOOK_SECRET, WEBHOOK_SECRET[:-1], WEBHOOK_SECRET + " ", WEBHOOK_SECRET.upper(), SIGNING, ""]
    return st.sampled_from([*similar, *SECRETS, *NASTY])


def calls() -> st.SearchStrategy[Call]:
    """Return calls with some or all parts mutated, with and without valid credentials."""

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
        extra = f"{quoted(draw(texts()))}={quoted(draw(texts()))}"
        text = {
            "right": f"secret={WEBHOOK_SECRET}",
            "none": "",
            "other": f"secret={quoted(draw(texts()))}",
            "more": f"{extra}&secret={WEBHOOK_SECRET}",
            "raw": f"secret=%ff%zz%00{extra}",
        }[query]
        return Call(text, headers, body)

    return call()


def sendable(text: str) -> str:
    """Return the part of a text that a header can carry."""
    return _UNSENDABLE.sub("", text)[:2000].strip()


def quoted(text: str) -> str:
    """Return the part of a text that an address can carry; aiohttp echoes addresses that are too long to the caller."""
    return quote(text[:500], errors="replace")


class WebhookFuzzer:
    """Calls the webhook of the harness's bot, which checks signatures with the key `signing`.

    `requested_polls` collects the polls that calls trigger.
    """

    def __init__(
        self, target: FuzzHarness, signing: str, requested_polls: list[Poller], outcomes: OutcomeCounter
    ) -> None:
        self._target = target
        self._requested_polls = requested_polls
        self._signing = signing
        self._tried = 0
        self._tally = outcomes

    async def example(self, given: list[Call]) -> None:
        """Make the calls in parallel. Raises AssertionError."""
        leak_detector = self._target.leak_detector
        leak_detector.forget()
        before = await self._database()
        self._requested_polls.clear()
        responses = await asyncio.gather(*(self._make(call) for call in given))
        expected = [call.is_authorized(self._signing) for call in given]
        assert [status == 204 for status, _ in responses] == expected
        assert all(status == 204 or 400 <= status < 500 for status, _ in responses), responses
        assert len(self._requested_polls) == sum(expected)
        assert leak_detector.calls() == []
        assert await self._database() == before
        lines = leak_detector.log_capture.take()
        self._target.assert_no_errors(lines)
        for text in (*lines, *(text for _, text in responses)):
            assert leaked_kinds(text) == [], text
            assert WEBHOOK_SECRET not in text
            assert SIGNING not in text
        self._tried += 1
        if self._tried % HEALTH_CHECK_EVERY == 0:
            await self._target.assert_healthy()

    async def _make(self, call: Call) -> tuple[int, str]:
        url = f"/webhooks/bitrise?{call.query}"
        status, text = await self._target.sender.post(url, call.body, headers=call.headers)
        self._tally.count(status)
        return status, text

    async def _database(self) -> list[object]:
        """Return everything that the bot stores."""
        tables = await self._target.harness.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
        return [await self._target.harness.rows(f"SELECT * FROM {table}") for (table,) in tables]  # noqa: S608


@pytest.mark.fuzz
@pytest.mark.timeout(TIMEOUT)
def test_mutated_webhook_calls_are_only_hints_and_need_the_secret(tmp_path: Path) -> None:
    outcomes = OutcomeCounter()
    tried = 0
    for signing in ("", SIGNING):
        folder = tmp_path / f"signed {bool(signing)}"
        folder.mkdir()
        requested: list[Poller] = []
        with (
            patch(
                "services.polling.poller.Poller.wake",
                lambda poller, *_key, requested=requested, **_at: requested.append(poller),
            ),
            asyncio.Runner() as runner,
            # Only calls trigger polls.
            fuzz_harness(runner, folder, poll_interval="3600", signing=signing) as target,
        ):
            runner.run(target.assert_healthy())
            fuzzer = WebhookFuzzer(target, signing, requested, outcomes)
            examples = st.lists(calls(), min_size=1, max_size=4)
            seconds = SHARE_SECONDS / 2
            tried += fuzz(fuzzer.example, examples, runner=runner, clock=time.monotonic, seconds=seconds)
            assert runner.run(target.leak_detector.stored_secrets()) == []
    assert tried > 0
    report(f"{tried} examples; {outcomes}")
