"""What Bitrise answers, changed: the bot says what it can't understand, makes nothing up, and shows no secret."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from sandbox.journal import Entry
from sandbox.stage import TOKENS
from tests.canaries import seen_in
from tests.fuzz.evidence import live_markup, shown
from tests.fuzz.mutations import differences, mutated, rewritten
from tests.fuzz.playing import Recorded, play
from tests.fuzz.running import TIMEOUT, Legible, fuzz, report
from tests.fuzz.scene import WEBHOOK_SECRET, Scene, Tally, scene_in
from tests.fuzz.sending import as_body, type_of

WELL_EVERY = 25
KEPT_EVERY = 10
# Longer lists are cut, since a change in the fiftieth item is no other than one in the third.
MOST_ITEMS = 3
ONE_BUILD = "GET /v0.1/apps/*/builds/*"
_SLUG = re.compile(r"/[0-9a-f-]{16,}(?=/|$)")
_OURS = "Something broke on my side"
# What must have been answered in a day in which everything is used.
ANSWERED = (
    "GET /v0.1/me",
    "GET /v0.1/apps",
    "GET /v0.1/apps/*",
    "GET /v0.1/apps/*/branches",
    "GET /v0.1/apps/*/build-workflows",
    "GET /v0.1/apps/*/bitrise.yml",
    "GET /v0.1/apps/*/builds/*/bitrise.yml",
    "POST /v0.1/validate-bitrise-yml",
    "GET /v0.1/apps/*/build-requests",
    "PATCH /v0.1/apps/*/build-requests/*",
    "GET /v0.1/apps/*/pipelines",
    "GET /v0.1/apps/*/pipelines/*",
    "GET /v0.1/apps/*/builds",
    "POST /v0.1/apps/*/builds",
    "GET /v0.1/builds",
    ONE_BUILD,
    "GET /v0.1/apps/*/builds/*/log",
    "GET /v0.1/apps/*/builds/*/log/summary",
    "GET /v0.1/builds/*/ai-summary",
    "GET /v0.1/apps/*/builds/*/artifacts",
    "GET /v0.1/apps/*/builds/*/artifacts/*",
    "PATCH /v0.1/apps/*/builds/*/artifacts/*",
    "POST /v0.1/apps/*/builds/*/abort",
)


@dataclass(frozen=True, repr=False)
class Twisted(Legible):
    """The body that every answer of one kind has."""

    kind: str
    body: bytes
    recorded: Any

    @property
    def words(self) -> str:
        """What was changed."""
        try:
            changed = list(differences(self.recorded, json.loads(self.body)))
        except (ValueError, RecursionError):
            changed = [str(self.body[:500])]
        return "\n    ".join([f"{self.kind}:", *changed])


@dataclass(frozen=True, repr=False)
class Asked(Legible):
    """Something that somebody does meanwhile, as Slack tells of it."""

    one: Recorded

    @property
    def words(self) -> str:
        """Its name."""
        return self.one.name


@dataclass(frozen=True, repr=False)
class Example(Legible):
    """Answers that are changed, and what people do meanwhile."""

    answers: list[Twisted]
    asked: list[Asked]
    linking: bool
    failing: bool

    @property
    def words(self) -> str:
        """All of it."""
        return "\n".join(map(repr, [*self.answers, *self.asked, self.linking, self.failing]))


def _is_watched(kind: str) -> bool:
    """Whether the watcher asks for it, or whoever finds out why a build has failed."""
    watched = (
        "GET /v0.1/builds",
        "/builds",
        "/builds/*",
        "/log",
        "/pipelines",
        "/pipelines/*",
        "/ai-summary",
    )
    return kind.startswith("GET") and kind.endswith(watched)


def kind_of(asked: str) -> str:
    """A request's kind: its name without slugs."""
    return _SLUG.sub("/*", asked)


def examples(
    answers: Mapping[str, Any], recorded: Sequence[Recorded], asking: Mapping[str, Sequence[Recorded]]
) -> st.SearchStrategy[Example]:
    """One to three kinds of answers changed, while some things are done; `asking` says what asks for which kind."""

    # What the watcher reads is told to everybody, and comes seldom to what is asked.
    kinds = [*sorted(answers), *([kind for kind in sorted(answers) if _is_watched(kind)] * 2)]

    @st.composite
    def one(draw: st.DrawFn) -> Twisted:
        kind = draw(st.sampled_from(kinds))
        answer = answers[kind]
        if isinstance(answer, bytes):
            return Twisted(kind, draw(rewritten(answer)), answer)
        if draw(st.integers(0, 9)) == 0:
            return Twisted(kind, draw(rewritten(json.dumps(answer).encode())), answer)
        return Twisted(kind, json.dumps(draw(mutated(answer))).encode(), answer)

    @st.composite
    def example(draw: st.DrawFn) -> Example:
        twisted = draw(st.lists(one(), min_size=1, max_size=3, unique_by=lambda made: made.kind))
        those = [each for made in twisted for each in asking.get(made.kind, ())]
        asked = draw(st.lists(st.sampled_from(those or recorded), min_size=2, max_size=5))
        asked += draw(st.lists(st.sampled_from(recorded), max_size=3))
        linking = any(made.kind.endswith("/me") for made in twisted)
        failing = any(_is_watched(made.kind) for made in twisted)
        return Example(twisted, [Asked(each) for each in asked], linking, failing)

    return example()


class Twist:
    """Changes what the sandbox's Bitrise answers, and remembers what it answered as it is."""

    def __init__(self, tally: Tally) -> None:
        self.bodies: dict[str, bytes] = {}
        self.seen: dict[str, bytes] = {}
        self.kinds: set[str] = set()
        self._tally = tally

    def __call__(self, asked: str, body: bytes) -> bytes:
        kind = kind_of(asked)
        self.kinds.add(kind)
        # What succeeded, or has most in it, is worth more than what was refused.
        if len(body) > len(self.seen.get(kind, b"")):
            self.seen[kind] = body
        if kind in self.bodies:
            self._tally.count(kind)
        return self.bodies.get(kind, body)


class Fuzzing:
    """Lets people do things while answers are changed, and looks at what the bot makes of them."""

    def __init__(self, scene: Scene, twist: Twist, tally: Tally) -> None:
        self._scene = scene
        self._sender = scene.sender
        self._twist = twist
        self._tried = 0
        self.tally = tally

    async def learn(self, recorded: Sequence[Recorded]) -> Mapping[str, Sequence[Recorded]]:
        """What asks for which kind of answer."""
        asking: dict[str, list[Recorded]] = {}
        for one in recorded:
            self._twist.kinds.clear()
            await self._send(one)
            await self._scene.rest()
            for kind in self._twist.kinds:
                asking.setdefault(kind, []).append(one)
        await self._scene.is_well()
        return asking

    async def example(self, example: Example) -> None:
        """Ask while the answers are changed. Raises AssertionError."""
        scene, evidence = self._scene, self._scene.evidence
        evidence.forget()
        self._twist.bodies = {one.kind: one.body for one in example.answers}
        try:
            card = await self._card()
            await asyncio.gather(*(self._send(asked.one) for asked in example.asked))
            if example.failing:
                await self._fail()
            await self._look()
            if example.linking:
                await self._link()
            await scene.rest()
        finally:
            said = dict(self._twist.bodies)
            self._twist.bodies = {}
        lines, calls, files = evidence.ear.take(), evidence.calls(), evidence.files()
        broken = evidence.broken_rules()
        scene.nothing_is_broken(lines)
        if ONE_BUILD in said and "succeeded" in card:
            assert says_success(said[ONE_BUILD]), card
        self._nothing_leaks(lines, calls, files)
        assert broken == []
        self._tried += 1
        if self._tried % KEPT_EVERY == 0:
            kept = await evidence.kept()
            assert not kept, "\n".join(kept)
        if self._tried % WELL_EVERY == 0:
            await scene.is_well()

    def _nothing_leaks(self, lines: Sequence[str], calls: Sequence[Entry], files: Sequence[str]) -> None:
        for line in lines:
            assert seen_in(line) == [], line
        for call in calls:
            self.tally.count(call.what)
            assert _OURS not in shown(call), call
            assert seen_in(shown(call)) == [], call
            assert live_markup(call) == [], call
        for content in files:
            assert seen_in(content) == []

    async def _card(self) -> str:
        """What is said of one build, whose answer may be one of those that are changed."""
        town = self._scene.town
        build = town.bitrise.farm.builds[0]
        before = len(town.slack.journal.entries)
        await town.people.command("anna", "builds", f"/bitrise build {build.slug}")
        await self._scene.rest()
        entries = [*town.slack.journal.entries][before:]
        return "\n".join(shown(one) for one in entries if one.what == "response_url")

    async def _send(self, one: Recorded) -> None:
        payload = self._sender.renewed(one.payload, one.payload)
        status, _ = await self._sender.send(as_body(one.form, payload), type_of(one.form))
        assert status < 500, one.name

    async def _look(self) -> None:
        """Let the watcher look once more, from beginning to end, whatever comes of it."""
        before = await self._sender.readiness()
        status, _ = await self._sender.post("/webhooks/bitrise", b"", params={"secret": WEBHOOK_SECRET})
        assert status == 204
        for _ in range(1000):
            if await self._sender.readiness() != before:
                return
            await asyncio.sleep(0.01)
        raise TimeoutError("nobody has looked")

    async def _fail(self) -> None:
        """A build fails that somebody is told of, and its log is there to be read."""
        town = self._scene.town
        town.clock.skip(timedelta(minutes=1))
        town.bitrise.finish(town.bitrise.start_build(town.bitrise.android), "error")
        town.clock.skip(timedelta(minutes=1))

    async def _link(self) -> None:
        """Somebody links their account anew."""
        town = self._scene.town
        town.slack.workspace.views.clear()
        await town.people.command("carla", "builds", "/bitrise connect")
        await self._scene.rest()
        await town.people.submit("carla", {"token": TOKENS["carla"]})
        await self._scene.rest()


def says_success(body: bytes) -> bool:
    """Whether an answer says of its build that it has succeeded, or was aborted as a success."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return False
    items = [content, content.get("data")] if isinstance(content, dict) else []
    return any(
        one.get("status") in (1, "1", 4, "4")
        or str(one.get("status_text")) in ("success", "aborted-with-success")
        for one in items
        if isinstance(one, dict) and not isinstance(one.get("status"), bool)
    )


def shortened(body: bytes) -> Any:
    """An answer as it is changed: JSON with short lists, or bytes."""
    try:
        content = json.loads(body)
    except ValueError:
        return body
    if isinstance(content, dict) and isinstance(content.get("data"), list):
        content["data"] = content["data"][:MOST_ITEMS]
    return content


@pytest.mark.fuzz
@pytest.mark.timeout(TIMEOUT)
def test_changed_answers_of_bitrises_break_nothing_and_nothing_is_made_up(tmp_path: Path) -> None:
    tally = Tally()
    twist = Twist(tally)
    with asyncio.Runner() as runner, scene_in(runner, tmp_path) as scene:
        scene.town.bitrise.twist = twist
        recorded = runner.run(play(scene))
        fuzzing = Fuzzing(scene, twist, tally)
        left_out = [kind for kind in ANSWERED if kind not in twist.seen]
        assert left_out == [], "nobody has asked for these"
        answers = {kind: shortened(body) for kind, body in twist.seen.items()}
        asking = runner.run(fuzzing.learn(recorded))
        made = examples(answers, recorded, asking)
        tried = fuzz(fuzzing.example, made, runner=runner, clock=time.monotonic)
        runner.run(scene.is_well())
        assert runner.run(scene.evidence.kept()) == []
        assert tried > 0
        report(f"{tried} examples of {len(answers)} answers; {tally}")
