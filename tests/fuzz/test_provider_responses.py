"""What Bitrise and Build.io answer, changed: the bot says what it can't understand, makes nothing up, and shows no secret."""

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

from domain.provider import Provider
from providers.buildio.api.coverage import ENDPOINTS
from sandbox.environment import BITRISE_TOKENS, BUILDIO_TOKENS
from tests.fuzz.fuzz_harness import SIGNS_IN, FuzzHarness, OutcomeCounter, fuzz_harness
from tests.fuzz.fuzz_runner import TIMEOUT, ReadableExample, fuzz, report
from tests.fuzz.leak_detector import shown
from tests.fuzz.mutations import differences, mutated, rewritten
from tests.fuzz.request_sender import as_body, type_of
from tests.fuzz.slack_scenario import RecordedPayload, play_scenario

WELL_EVERY = 25
KEPT_EVERY = 10
# Longer lists are cut, since a change in the fiftieth item is no other than one in the third.
MOST_ITEMS = 3
BUILDIO = "/api/v1/"
ONE_BUILD = "GET /v0.1/apps/*/builds/*"
ONE_APP = "GET /api/v1/apps/*"
DYNOS = "GET /api/v1/apps/*/dynos/list"
SIGNING_IN = "POST /oauth/token"
_SLUG = re.compile(r"/[0-9a-f-]{16,}(?=/|$)")
_OURS = "Something broke on my side"
# How a deployment's success is said on an app's card, and where it is told.
_SUCCESS_ON_CARD = re.compile(r"✅ (?:v\d+ )?\*")
_SUCCESS_TOLD = re.compile(r"deployment (?:v\d+)?[^\n]* succeeded|Deploying [^\n]* is green again")
_SUCCESSES = ("succeeded", "success", "successful", "deployed", "live", "complete", "completed")
_TELLS = frozenset({"chat.postMessage", "chat.update"})
# What must have been answered in a day in which everything is used.
ANSWERED = (
    *(re.sub(r"\{\w+\}", "*", one.asks).replace(" ", " /api/v1", 1) for one in ENDPOINTS),
    SIGNING_IN,
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
class MutatedResponse(ReadableExample):
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
class Asked(ReadableExample):
    """Something that somebody does meanwhile, as Slack tells of it."""

    one: RecordedPayload

    @property
    def words(self) -> str:
        """Its name."""
        return self.one.name


@dataclass(frozen=True, repr=False)
class Example(ReadableExample):
    """Answers that are changed, and what people do meanwhile."""

    answers: list[MutatedResponse]
    asked: list[Asked]
    failing: bool

    @property
    def words(self) -> str:
        """All of it."""
        return "\n".join(map(repr, [*self.answers, *self.asked, self.failing]))


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
    return kind.startswith("GET") and (kind in (ONE_APP, DYNOS) or kind.endswith(watched))


def _is_buildios(kind: str) -> bool:
    return BUILDIO in kind or kind == SIGNING_IN


def kind_of(asked: str) -> str:
    """A request's kind: its name without the names of things."""
    method, path = asked.split(" ", 1)
    if not path.startswith(BUILDIO):
        return _SLUG.sub("/*", asked)
    parts = path.removeprefix(BUILDIO).split("/")
    # What is asked for, its name, what of it, and the name of that; a config var of an environment's has no such word.
    names = (1, 2) if parts[0] == "environments" else (1, 3)
    shape = ["*" if at in names and part != "list" else part for at, part in enumerate(parts)]
    return f"{method} {BUILDIO}{'/'.join(shape)}"


def examples(
    answers: Mapping[str, Any],
    recorded: Sequence[RecordedPayload],
    asking: Mapping[str, Sequence[RecordedPayload]],
) -> st.SearchStrategy[Example]:
    """One to three kinds of answers changed, while some things are done; `asking` says what asks for which kind."""

    # What the watcher reads is told to everybody, and comes seldom to what is asked.
    kinds = [*sorted(answers), *([kind for kind in sorted(answers) if _is_watched(kind)] * 2)]
    of_buildio = [kind for kind in kinds if _is_buildios(kind)]
    providers = [of_buildio, [kind for kind in kinds if kind not in of_buildio]]

    @st.composite
    def one(draw: st.DrawFn) -> MutatedResponse:
        kind = draw(st.sampled_from(draw(st.sampled_from(providers))))
        answer = answers[kind]
        if isinstance(answer, bytes):
            return MutatedResponse(kind, draw(rewritten(answer)), answer)
        if draw(st.integers(0, 9)) == 0:
            return MutatedResponse(kind, draw(rewritten(json.dumps(answer).encode())), answer)
        return MutatedResponse(kind, json.dumps(draw(mutated(answer))).encode(), answer)

    @st.composite
    def example(draw: st.DrawFn) -> Example:
        twisted = draw(st.lists(one(), min_size=1, max_size=3, unique_by=lambda made: made.kind))
        those = [each for made in twisted for each in asking.get(made.kind, ())]
        asked = draw(st.lists(st.sampled_from(those or recorded), min_size=2, max_size=5))
        asked += draw(st.lists(st.sampled_from(recorded), max_size=3))
        failing = any(_is_watched(made.kind) for made in twisted)
        return Example(twisted, [Asked(each) for each in asked], failing)

    return example()


class ResponseMutation:
    """Changes what the sandbox's Bitrise answers, and remembers what it answered as it is."""

    def __init__(self, tally: OutcomeCounter) -> None:
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


class ProviderResponseFuzzer:
    """Lets people do things while answers are changed, and looks at what the bot makes of them."""

    def __init__(self, scene: FuzzHarness, twist: ResponseMutation, tally: OutcomeCounter) -> None:
        self._scene = scene
        self._sender = scene.sender
        self._twist = twist
        self._tried = 0
        self.tally = tally

    async def learn(self, recorded: Sequence[RecordedPayload]) -> Mapping[str, Sequence[RecordedPayload]]:
        """What asks for which kind of answer."""
        asking: dict[str, list[RecordedPayload]] = {}
        for one in recorded:
            self._scene.planted.put_back()
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
        bodies = {one.kind: one.body for one in example.answers}
        scene.planted.put_back()
        if ONE_APP in bodies:
            await self._settle()
        evidence.forget()
        self._twist.bodies = bodies
        try:
            build, app = await self._cards()
            answers = await asyncio.gather(*(self._send(asked.one) for asked in example.asked))
            if example.failing:
                await self._fail()
            await scene.look()
            await self._link(bodies)
            await scene.rest()
        finally:
            self._twist.bodies = {}
        lines, calls, files = evidence.ear.take(), evidence.calls(), evidence.files()
        broken = evidence.broken_rules()
        scene.nothing_is_broken(lines)
        if ONE_BUILD in bodies and "succeeded" in build:
            assert says_success(bodies[ONE_BUILD]), build
        if ONE_APP in bodies and not names_success(bodies[ONE_APP]):
            assert _SUCCESS_ON_CARD.search(app) is None, app
            told = [shown(call) for call in calls if call.what in _TELLS]
            assert [words for words in told if _SUCCESS_TOLD.search(words)] == []
        for call in calls:
            self.tally.count(call.what)
            assert _OURS not in shown(call), call
        assert evidence.leaks(calls, *lines, *answers, *files) == []
        assert broken == []
        self._tried += 1
        if self._tried % KEPT_EVERY == 0:
            kept = await evidence.kept()
            assert not kept, "\n".join(kept)
        if self._tried % WELL_EVERY == 0:
            await scene.is_well()

    async def _settle(self) -> None:
        """Nothing at Build.io is under way, and what has become of it was told: what is told now is told of a change."""
        self._scene.planted.fail_all("It was given up.")
        await self._scene.look()
        await self._scene.look()

    async def _cards(self) -> tuple[str, str]:
        """What is said of one build and of one app, whose answers may be among those that are changed."""
        town = self._scene.town
        asked = (f"/bitrise build {town.bitrise.farm.builds[0].slug}", f"/buildio app {town.buildio.shop.id}")
        said = []
        for words in asked:
            before = len(town.slack.journal.entries)
            await town.people.command("anna", "builds", words)
            await self._scene.rest()
            entries = [*town.slack.journal.entries][before:]
            said.append("\n".join(shown(one) for one in entries if one.what == "response_url"))
        return said[0], said[1]

    async def _send(self, one: RecordedPayload) -> str:
        payload = self._sender.renewed(one.payload, one.payload)
        status, text = await self._sender.send(as_body(one.form, payload), type_of(one.form))
        assert status < 500, one.name
        return text

    async def _fail(self) -> None:
        """A build and a deployment fail and a process crashes, of which somebody is told; there is a log to be read."""
        await self._scene.rest()
        self._scene.planted.fail_all("It was given up.")
        town, shop = self._scene.town, self._scene.town.buildio.shop
        town.clock.skip(timedelta(minutes=1))
        town.bitrise.finish(town.bitrise.start_build(town.bitrise.android), "error")
        town.buildio.deploy(shop)
        town.buildio.finish(shop, error="It does not build.")
        town.buildio.crash(shop.dynos[0])
        town.clock.skip(timedelta(minutes=1))

    async def _link(self, bodies: Mapping[str, bytes]) -> None:
        """Where the answers to it are changed, somebody links an account anew, or has a token that must be renewed."""
        town = self._scene.town
        for provider, tokens in ((Provider.BITRISE, BITRISE_TOKENS), (Provider.BUILDIO, BUILDIO_TOKENS)):
            if any(
                kind.endswith("/me") and _is_buildios(kind) is (provider is Provider.BUILDIO)
                for kind in bodies
            ):
                town.slack.workspace.views.clear()
                await town.people.command("carla", "builds", f"{provider.command} connect")
                await self._scene.rest()
                await town.people.submit("carla", {"token": tokens["carla"]})
                await self._scene.rest()
        if SIGNING_IN in bodies:
            town.buildio.grants.expire(town.buildio.members["ben-okafor"])
            await town.people.command(SIGNS_IN, "builds", "/buildio teams")
            await self._scene.rest()


def names_success(body: bytes) -> bool:
    """Whether an answer has a word for a deployment's success anywhere in it."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return False
    inside = [content]
    while inside:
        one = inside.pop()
        if isinstance(one, dict | list):
            inside += one.values() if isinstance(one, dict) else one
        elif isinstance(one, str) and one.strip().lower() in _SUCCESSES:
            return True
    return False


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
    return content[:MOST_ITEMS] if isinstance(content, list) else content


@pytest.mark.fuzz
@pytest.mark.timeout(TIMEOUT)
def test_changed_answers_break_nothing_and_nothing_is_made_up(tmp_path: Path) -> None:
    tally = OutcomeCounter()
    twist = ResponseMutation(tally)
    with asyncio.Runner() as runner, fuzz_harness(runner, tmp_path) as scene:
        scene.twist_answers(twist)
        recorded = runner.run(play_scenario(scene))
        fuzzing = ProviderResponseFuzzer(scene, twist, tally)
        left_out = [kind for kind in ANSWERED if kind not in twist.seen]
        assert not left_out, f"nobody has asked for {left_out}"
        answers = {kind: shortened(body) for kind, body in twist.seen.items()}
        asking = runner.run(fuzzing.learn(recorded))
        made = examples(answers, recorded, asking)
        tried = fuzz(fuzzing.example, made, runner=runner, clock=time.monotonic)
        runner.run(scene.is_well())
        kept = runner.run(scene.evidence.kept())
        assert not kept, "\n".join(kept)
        assert tried > 0
        report(f"{tried} examples of {len(answers)} answers; {tally}")
