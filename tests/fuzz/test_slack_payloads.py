"""What Slack sends, changed: nothing breaks, nothing leaks, nobody is mentioned, nobody acts as somebody else."""

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
from tests.fuzz.fuzz_harness import FuzzHarness, OutcomeCounter, fuzz_harness
from tests.fuzz.fuzz_runner import TIMEOUT, ReadableExample, fuzz, report
from tests.fuzz.mutations import differences, mutated, rewritten
from tests.fuzz.request_sender import as_body, type_of
from tests.fuzz.slack_scenario import RecordedPayload, play_scenario

WELL_EVERY = 25
KEPT_EVERY = 20
# What the bot listens to, and a day in which everything is used must have used.
LISTENED_TO = [
    name
    for key, name in vars(action_ids).items()
    if key.isupper() and key not in ("PICK_WORKFLOW", "ARTIFACTS_PICK", "PICK_GROUPS")
]


@dataclass(frozen=True, repr=False)
class Sent(ReadableExample):
    """A request as it is made of a payload: its body, and the payload where the body still says it."""

    name: str
    form: str
    body: bytes
    content_type: str
    payload: Any
    recorded: dict[str, Any]

    @property
    def words(self) -> str:
        """What was changed."""
        changed = (
            list(differences(self.recorded, self.payload)) if self.payload is not None else [self.body[:500]]
        )
        return "\n    ".join([f"{self.name}:", *map(str, changed)])


def requests(recorded: Sequence[RecordedPayload]) -> st.SearchStrategy[list[Sent]]:
    """Some changed requests, which are sent side by side."""

    @st.composite
    def one(draw: st.DrawFn) -> Sent:
        base = draw(st.sampled_from(recorded))
        payload = draw(mutated(base.payload, prefer=_is_read))
        body, content_type = as_body(base.form, payload), type_of(base.form)
        if draw(st.integers(0, 9)) == 0:
            body = draw(rewritten(body))
            content_type = draw(st.sampled_from([content_type, "application/json", "text/plain", "nonsense"]))
            payload = None
        return Sent(base.name, base.form, body, content_type, payload, base.payload)

    return st.lists(one(), min_size=1, max_size=4)


# What the bot does something with; messages come along with all that is in them.
_READ = frozenset(
    {"text", "value", "private_metadata", "block_id", "action_id", "callback_id", "url", "inputs"}
)
_READ |= {"selected_option", "selected_options", "selected_users", "selected_conversation", "state", "values"}


def _is_read(path: tuple[str | int, ...]) -> bool:
    return "message" not in path and any(name in _READ for name in path)


class Fuzzing:
    """Sends changed requests to a scene's bot, and looks at what came of each."""

    def __init__(self, scene: FuzzHarness) -> None:
        self._scene = scene
        self._sender = scene.sender
        self._tried = 0
        self.tally = OutcomeCounter()

    async def example(self, sent: list[Sent]) -> None:
        """Send them side by side. Raises AssertionError."""
        scene, evidence = self._scene, self._scene.evidence
        before = await scene.accounts()
        evidence.forget()
        scene.planted.put_back()
        scene.town.bitrise.requests.clear()
        scene.town.buildio.requests.clear()
        answers = await asyncio.gather(*(self._send(one) for one in sent))
        await scene.rest()
        self._answers_are_fine(answers)
        self._nobody_acts_as_somebody_else(sent, [before, await scene.accounts()])
        lines = scene.ear.take()
        scene.nothing_is_broken(lines)
        calls = evidence.calls()
        for call in calls:
            self.tally.count(call.what)
        assert evidence.leaks(calls, *lines, *(text for _, text in answers), *evidence.files()) == []
        assert evidence.broken_rules() == []
        self._tried += 1
        if self._tried % KEPT_EVERY == 0:
            kept = await evidence.kept()
            assert not kept, "\n".join(kept)
        if self._tried % WELL_EVERY == 0:
            await scene.is_well()

    async def _send(self, one: Sent) -> tuple[int, str]:
        body = one.body
        if isinstance(one.payload, dict):
            body = as_body(one.form, self._sender.renewed(one.payload, one.recorded))
        status, text = await self._sender.send(body, one.content_type)
        self.tally.count(status)
        return status, text

    def _answers_are_fine(self, answers: Sequence[tuple[int, str]]) -> None:
        assert [answer for answer in answers if answer[0] >= 500] == []

    def _nobody_acts_as_somebody_else(
        self, sent: Sequence[Sent], accounts: Sequence[Mapping[str, set[str]]]
    ) -> None:
        """What is changed somewhere is changed by those whom Slack has named; or by those with whom somebody agreed."""
        named = {name.decode() for one in sent for name in re.findall(rb"U0[A-Z]+", one.body)}
        allowed = {member for known in accounts for name in named for member in known.get(name, ())}
        agreed = any(action_ids.PROPOSAL_AGREE.encode() in one.body for one in sent)
        town = self._scene.town
        for where, requests in (("Bitrise", town.bitrise.requests), ("Build.io", town.buildio.requests)):
            for one in requests:
                if one.method == "GET" or one.path.startswith("/oauth/"):
                    continue
                self.tally.count(f"{one.method} at {where}")
                if agreed and any(
                    slug in one.path for slug in (town.bitrise.ios.slug, town.buildio.review.id)
                ):
                    continue
                assert one.member in allowed, f"{one.member} did {one.method} {one.path}"


@pytest.mark.fuzz
@pytest.mark.timeout(TIMEOUT)
def test_changed_payloads_of_slacks_break_nothing_and_bring_nothing_out(tmp_path: Path) -> None:
    with asyncio.Runner() as runner, fuzz_harness(runner, tmp_path) as scene:
        recorded = runner.run(play_scenario(scene))
        names = " ".join(one.name for one in recorded)
        left_out = [name for name in LISTENED_TO if name not in names]
        assert left_out == [], "nobody has used these"
        fuzzing = Fuzzing(scene)
        tried = fuzz(fuzzing.example, requests(recorded), runner=runner, clock=time.monotonic)
        runner.run(scene.is_well())
        kept = runner.run(scene.evidence.kept())
        assert not kept, "\n".join(kept)
        assert tried > 0
        report(f"{tried} examples of {len(recorded)} payloads; {fuzzing.tally}")
