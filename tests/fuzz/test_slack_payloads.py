"""Mutated Slack payloads: no errors, no leaks, no mentions, and no impersonation."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from messages.kit import action_ids
from providers.bitrise import action_ids as bitrise_action_ids
from tests.fuzz.fuzz_harness import FuzzHarness, OutcomeCounter, fuzz_harness
from tests.fuzz.fuzz_runner import TIMEOUT, ReadableExample, fuzz, report
from tests.fuzz.mutations import differences, mutated, rewritten
from tests.fuzz.request_sender import content_type, encode_body
from tests.fuzz.slack_scenario import RecordedPayload, play_scenario
from tests.support.action_ids import ALL_ACTION_IDS

HEALTH_CHECK_EVERY = 25
STORAGE_CHECK_EVERY = 20
# The ids that the bot handles; a complete scenario must have used all of them.
HANDLED_IDS = [
    name
    for name in ALL_ACTION_IDS
    if name not in (action_ids.PICK_WORKFLOW, action_ids.PICK_GROUPS, bitrise_action_ids.ARTIFACTS_PICK)
]


@dataclass(frozen=True, repr=False)
class MutatedRequest(ReadableExample):
    """A mutated request: its body, and the payload if the body is still valid."""

    name: str
    form: str
    body: bytes
    content_type: str
    payload: Any
    recorded: dict[str, Any]

    @property
    def description(self) -> str:
        """Return the differences from the recorded payload, or the start of the body."""
        changed = (
            list(differences(self.recorded, self.payload)) if self.payload is not None else [self.body[:500]]
        )
        return "\n    ".join([f"{self.name}:", *map(str, changed)])


def requests(recorded: Sequence[RecordedPayload]) -> st.SearchStrategy[list[MutatedRequest]]:
    """Return lists of mutated requests, which are sent in parallel."""

    @st.composite
    def mutated_request(draw: st.DrawFn) -> MutatedRequest:
        base = draw(st.sampled_from(recorded))
        payload = draw(mutated(base.payload, prefer=_is_read))
        body, sent_content_type = encode_body(base.form, payload), content_type(base.form)
        if draw(st.integers(0, 9)) == 0:
            body = draw(rewritten(body))
            sent_content_type = draw(
                st.sampled_from([sent_content_type, "application/json", "text/plain", "nonsense"])
            )
            payload = None
        return MutatedRequest(base.name, base.form, body, sent_content_type, payload, base.payload)

    return st.lists(mutated_request(), min_size=1, max_size=4)


# The fields that the bot uses; messages are included completely.
_READ_FIELDS = frozenset(
    {"text", "value", "private_metadata", "block_id", "action_id", "callback_id", "url", "inputs"}
)
_READ_FIELDS |= {
    "selected_option",
    "selected_options",
    "selected_users",
    "selected_conversation",
    "state",
    "values",
}


def _is_read(path: tuple[str | int, ...]) -> bool:
    return "message" not in path and any(name in _READ_FIELDS for name in path)


class SlackPayloadFuzzer:
    """Sends mutated requests to the harness's bot and checks the results."""

    def __init__(self, target: FuzzHarness) -> None:
        self._target = target
        self._sender = target.sender
        self._tried = 0
        self.outcomes = OutcomeCounter()

    async def example(self, sent: list[MutatedRequest]) -> None:
        """Send the requests in parallel. Raises AssertionError."""
        target, leak_detector = self._target, self._target.leak_detector
        before = await target.accounts()
        leak_detector.forget()
        target.planted.restore()
        target.harness.bitrise.requests.clear()
        target.harness.buildio.requests.clear()
        responses = await asyncio.gather(*(self._send(item) for item in sent))
        await target.wait_until_idle()
        self._assert_no_server_errors(responses)
        self._assert_no_impersonation(sent, [before, await target.accounts()])
        lines = target.log_capture.take()
        target.assert_no_errors(lines)
        calls = leak_detector.calls()
        for call in calls:
            self.outcomes.count(call.title)
        assert (
            leak_detector.leaks(calls, *lines, *(text for _, text in responses), *leak_detector.files()) == []
        )
        assert leak_detector.violations() == []
        self._tried += 1
        if self._tried % STORAGE_CHECK_EVERY == 0:
            stored = await leak_detector.stored_secrets()
            assert not stored, "\n".join(stored)
        if self._tried % HEALTH_CHECK_EVERY == 0:
            await target.assert_healthy()

    async def _send(self, recorded: MutatedRequest) -> tuple[int, str]:
        body = recorded.body
        if isinstance(recorded.payload, dict):
            body = encode_body(
                recorded.form, self._sender.with_fresh_handles(recorded.payload, recorded.recorded)
            )
        status, text = await self._sender.send(body, recorded.content_type)
        self.outcomes.count(status)
        return status, text

    def _assert_no_server_errors(self, answers: Sequence[tuple[int, str]]) -> None:
        assert [answer for answer in answers if answer[0] >= 500] == []

    def _assert_no_impersonation(
        self, sent: Sequence[MutatedRequest], accounts: Sequence[Mapping[str, set[str]]]
    ) -> None:
        """Assert that only users named by Slack made changes, except in protected apps after an approval."""
        named = {name.decode() for item in sent for name in re.findall(rb"U0[A-Z]+", item.body)}
        allowed = {member for known in accounts for name in named for member in known.get(name, ())}
        is_approved = any(action_ids.PROPOSAL_AGREE.encode() in item.body for item in sent)
        harness = self._target.harness
        for service, requests in (
            ("Bitrise", harness.bitrise.requests),
            ("Build.io", harness.buildio.requests),
        ):
            for request in requests:
                if request.method == "GET" or request.path.startswith("/oauth/"):
                    continue
                self.outcomes.count(f"{request.method} at {service}")
                if is_approved and any(
                    slug in request.path for slug in (harness.bitrise.ios.slug, harness.buildio.review.id)
                ):
                    continue
                assert request.member in allowed, f"{request.member} did {request.method} {request.path}"


@pytest.mark.fuzz
@pytest.mark.timeout(TIMEOUT)
def test_mutated_slack_payloads_cause_no_errors_and_no_leaks(tmp_path: Path) -> None:
    with asyncio.Runner() as runner, fuzz_harness(runner, tmp_path) as target:
        recorded = runner.run(play_scenario(target))
        names = " ".join(item.name for item in recorded)
        unused = [name for name in HANDLED_IDS if name not in names]
        assert unused == [], "nobody has used these"
        fuzzer = SlackPayloadFuzzer(target)
        tried = fuzz(fuzzer.example, requests(recorded), runner=runner, clock=time.monotonic)
        runner.run(target.assert_healthy())
        stored = runner.run(target.leak_detector.stored_secrets())
        assert not stored, "\n".join(stored)
        assert tried > 0
        report(f"{tried} examples of {len(recorded)} payloads; {fuzzer.outcomes}")
