"""What Slack sends, changed: nothing breaks, nothing leaks, nobody is mentioned, nobody acts as somebody else."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from hypothesis import strategies as st

from bot.messages import actions
from sandbox.slack import SIGNING_SECRET
from tests.canaries import seen_in
from tests.fuzz.evidence import live_markup, shown
from tests.fuzz.mutations import differences, mutated, rewritten
from tests.fuzz.playing import Player, Recorded
from tests.fuzz.running import TIMEOUT, fuzz
from tests.fuzz.scene import Scene, Tally, open_scene

WELL_EVERY = 25
KEPT_EVERY = 20
# What the bot listens to, and a day in which everything is used must have used.
LISTENED_TO = [
    name
    for key, name in vars(actions).items()
    if key.isupper() and key not in ("PICK_WORKFLOW", "ARTIFACTS_PICK", "PICK_GROUPS")
]


@dataclass(frozen=True)
class Sent:
    """A request as it is made of a payload: its body, and the payload where the body still says it."""

    name: str
    form: str
    body: bytes
    content_type: str
    payload: Any
    recorded: dict[str, Any] = field(repr=False)

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """For a failure: what was changed."""
        changed = (
            list(differences(self.recorded, self.payload)) if self.payload is not None else [self.body[:500]]
        )
        printer.text("\n    ".join([f"{self.name}:", *map(str, changed)]))


def requests(recorded: Sequence[Recorded]) -> st.SearchStrategy[list[Sent]]:
    """Some changed requests, which are sent side by side."""

    @st.composite
    def one(draw: st.DrawFn) -> Sent:
        base = draw(st.sampled_from(recorded))
        payload = draw(mutated(base.payload, prefer=_is_read))
        body, content_type = as_body(base.form, payload), _type(base.form)
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


def as_body(form: str, payload: Any) -> bytes:
    """The payload as Slack would send it."""
    if form == "":
        return json.dumps(payload).encode()
    fields = {"payload": json.dumps(payload)}
    if form == "command" and isinstance(payload, dict):
        fields = {name: one if isinstance(one, str) else json.dumps(one) for name, one in payload.items()}
    return urlencode(fields, errors="surrogatepass").encode()


def _type(form: str) -> str:
    return "application/x-www-form-urlencoded" if form else "application/json"


class Fuzzing:
    """Sends changed requests to a scene's bot, and looks at what came of each."""

    def __init__(self, scene: Scene, session: aiohttp.ClientSession) -> None:
        self._scene = scene
        self._session = session
        self._tried = 0
        self.tally = Tally()

    async def example(self, sent: list[Sent]) -> None:
        """Send them side by side. Raises AssertionError."""
        scene, evidence = self._scene, self._scene.evidence
        before = await scene.accounts()
        evidence.forget()
        scene.town.bitrise.requests.clear()
        answers = await asyncio.gather(*(self._send(one) for one in sent))
        await scene.rest()
        self._answers_are_fine(answers)
        self._nobody_acts_as_somebody_else(sent, before | await scene.accounts())
        lines = scene.nothing_is_broken()
        self._nothing_leaks(answers, lines)
        assert [one for one in evidence.violations() if _is_our_own(one)] == []
        self._tried += 1
        if self._tried % KEPT_EVERY == 0:
            assert evidence.kept() == []
        if self._tried % WELL_EVERY == 0:
            await scene.is_well()

    async def _send(self, one: Sent) -> tuple[int, str]:
        body = self._fresh(one)
        url = f"http://127.0.0.1:{self._scene.town.bot.port}/slack/events"
        headers = signed(body) | {"Content-Type": one.content_type}
        async with self._session.post(url, data=body, headers=headers) as answer:
            self.tally.count(answer.status)
            return answer.status, await answer.text()

    def _fresh(self, one: Sent) -> bytes:
        """The body with handles that live, in the place of those that were recorded."""
        town = self._scene.town
        if not isinstance(one.payload, dict):
            return one.body
        person = str(one.recorded.get("user_id") or (one.recorded.get("user") or {}).get("id") or "U0ANNA")
        response = f"{town.slack.url}/response/{town.slack.handles.new_response(person, 'C0BUILDS')}"
        fresh = {
            "trigger_id": town.slack.handles.new_trigger(person),
            "response_url": response,
            "event_id": f"Ev{time.monotonic_ns()}",
        }
        renewed = {
            name: value
            for name, value in fresh.items()
            if name in one.recorded and one.payload.get(name) == one.recorded[name]
        }
        return as_body(one.form, one.payload | renewed)

    def _answers_are_fine(self, answers: Sequence[tuple[int, str]]) -> None:
        assert [answer for answer in answers if answer[0] >= 500] == []

    def _nobody_acts_as_somebody_else(self, sent: Sequence[Sent], accounts: Mapping[str, str]) -> None:
        """What is changed at Bitrise is changed by those whom Slack has named; or by those with whom somebody agreed."""
        named = {name for one in sent for name in re.findall(rb"U0[A-Z]+", one.body)}
        allowed = {accounts.get(name.decode(), "") for name in named} - {""}
        agreed = any(actions.PROPOSAL_AGREE.encode() in one.body for one in sent)
        for one in self._scene.town.bitrise.requests:
            if one.method == "GET":
                continue
            self.tally.count(f"{one.method} at Bitrise")
            if agreed and self._scene.town.bitrise.ios.slug in one.path:
                continue
            assert one.member in allowed, f"{one.member} did {one.method} {one.path}"

    def _nothing_leaks(self, answers: Sequence[tuple[int, str]], lines: Sequence[str]) -> None:
        for _, text in answers:
            assert seen_in(text) == []
        for line in lines:
            assert seen_in(line) == [], line
        for call in self._scene.evidence.calls():
            self.tally.count(call.what)
            assert seen_in(shown(call)) == [], call
            assert live_markup(call) == []
        for content in self._scene.evidence.files():
            assert seen_in(content) == []


def signed(body: bytes) -> dict[str, str]:
    """The headers by which the bot knows that bytes are Slack's."""
    timestamp = str(int(time.time()))
    digest = hmac.new(SIGNING_SECRET.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": f"v0={digest}"}


# What Slack refuses where the handles that it gave, or the people and places that it named, were changed.
_OF_THE_PAYLOAD = re.compile(
    r": (?:invalid_trigger_id|exchanged_trigger_id|expired_trigger_id|user_not_found|no_such_response_url"
    r"|function_execution_not_found|function_execution_not_in_progress|cannot_find_message|cannot_unfurl_url"
    r"|push_limit_reached|hash_conflict)"
)


def _is_our_own(violation: str) -> bool:
    """Whether a rule was broken by what the bot wrote, and not by what was changed in what it answered."""
    return not _OF_THE_PAYLOAD.search(violation)


@pytest.mark.timeout(TIMEOUT)
def test_changed_payloads_of_slacks_break_nothing_and_bring_nothing_out(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        opening = open_scene(tmp_path)
        scene = runner.run(opening.__aenter__())
        try:
            recorded = runner.run(Player(scene.town, scene.listening).play())
            names = " ".join(one.name for one in recorded)
            assert not (left := [name for name in LISTENED_TO if name not in names]), left
            assert [one for one in scene.nothing_is_broken() if seen_in(one)] == []
            runner.run(scene.is_well())
            assert scene.evidence.violations() == []

            async def session() -> aiohttp.ClientSession:
                return aiohttp.ClientSession()

            http = runner.run(session())
            fuzzing = Fuzzing(scene, http)
            try:
                tried = fuzz(fuzzing.example, requests(recorded), runner=runner, clock=time.monotonic)
            finally:
                runner.run(http.close())
            runner.run(scene.is_well())
            assert scene.evidence.kept() == []
            print(f"{tried} examples of {len(recorded)} payloads; {fuzzing.tally}")
        finally:
            runner.run(opening.__aexit__(None, None, None))
