"""Mutated responses of Bitrise and Build.io: errors are reported, nothing is invented, and no secret leaks."""

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

from providers.bitrise.provider import BITRISE
from providers.buildio.provider import BUILDIO
from sandbox.environment import BITRISE_TOKENS, BUILDIO_TOKENS
from tests.fuzz.fuzz_harness import SIGNS_IN, FuzzHarness, OutcomeCounter, fuzz_harness
from tests.fuzz.fuzz_runner import TIMEOUT, ReadableExample, fuzz, report
from tests.fuzz.leak_detector import visible_text
from tests.fuzz.mutations import differences, mutated, rewritten
from tests.fuzz.request_sender import content_type, encode_body
from tests.fuzz.slack_scenario import RecordedPayload, play_scenario
from tests.providers.buildio.endpoints import ENDPOINTS

HEALTH_CHECK_EVERY = 25
STORAGE_CHECK_EVERY = 10
# Longer lists are cut, since a change in item 50 is like one in item 3.
MAX_ITEMS = 3
BUILDIO_PATH = "/api/v1/"
ONE_BUILD = "GET /v0.1/apps/*/builds/*"
ONE_APP = "GET /api/v1/apps/*"
DYNOS = "GET /api/v1/apps/*/dynos/list"
SIGNING_IN = "POST /oauth/token"
_SLUG = re.compile(r"/[0-9a-f-]{16,}(?=/|$)")
_INTERNAL_ERROR_TEXT = "Something went wrong in Buildbell"
# How a successful deployment appears on an app's card, and in notifications.
_SUCCESS_ON_CARD = re.compile(r"✅ (?:v\d+ )?\*")
_SUCCESS_IN_NOTIFICATION = re.compile(r"deployment (?:v\d+)?[^\n]* succeeded|Deployment of [^\n]* is fixed")
_SUCCESSES = ("succeeded", "success", "successful", "deployed", "live", "complete", "completed")
_NOTIFYING_METHODS = frozenset({"chat.postMessage", "chat.update"})
# Responses that must occur in a scenario that uses everything.
ANSWERED = (
    *(re.sub(r"\{\w+\}", "*", item.asks).replace(" ", " /api/v1", 1) for item in ENDPOINTS),
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
    """The replaced body of all responses of one kind."""

    kind: str
    body: bytes
    recorded: Any

    @property
    def description(self) -> str:
        """Return the differences from the recorded response, or the start of the body."""
        try:
            changed = list(differences(self.recorded, json.loads(self.body)))
        except (ValueError, RecursionError):
            changed = [str(self.body[:500])]
        return "\n    ".join([f"{self.kind}:", *changed])


@dataclass(frozen=True, repr=False)
class UserAction(ReadableExample):
    """A user action, as Slack sends it."""

    payload: RecordedPayload

    @property
    def description(self) -> str:
        """Return its name."""
        return self.payload.name


@dataclass(frozen=True, repr=False)
class Example(ReadableExample):
    """Mutated responses, and the user actions meanwhile."""

    responses: list[MutatedResponse]
    actions: list[UserAction]
    failing: bool

    @property
    def description(self) -> str:
        """Return all mutated responses and user actions."""
        return "\n".join(map(repr, [*self.responses, *self.actions, self.failing]))


def _is_background_request(kind: str) -> bool:
    """Return whether the poller or the failure analyzer makes this request."""
    background_paths = (
        "GET /v0.1/builds",
        "/builds",
        "/builds/*",
        "/log",
        "/pipelines",
        "/pipelines/*",
        "/ai-summary",
    )
    return kind.startswith("GET") and (kind in (ONE_APP, DYNOS) or kind.endswith(background_paths))


def _is_buildio_request(kind: str) -> bool:
    return BUILDIO_PATH in kind or kind == SIGNING_IN


def kind_of(request_name: str) -> str:
    """Return the kind of a request: its path without ids."""
    method, path = request_name.split(" ", 1)
    if not path.startswith(BUILDIO_PATH):
        return _SLUG.sub("/*", request_name)
    parts = path.removeprefix(BUILDIO_PATH).split("/")
    # Resource, id, sub-resource, id; the config vars of an environment have no sub-resource in their path.
    names = (1, 2) if parts[0] == "environments" else (1, 3)
    kind_parts = ["*" if at in names and part != "list" else part for at, part in enumerate(parts)]
    return f"{method} {BUILDIO_PATH}{'/'.join(kind_parts)}"


def examples(
    answers: Mapping[str, Any],
    recorded: Sequence[RecordedPayload],
    asking: Mapping[str, Sequence[RecordedPayload]],
) -> st.SearchStrategy[Example]:
    """Return examples of one to three mutated kinds with user actions; `asking` has the actions that need a kind."""

    # The poller's responses reach everybody but few user actions need them, so they are chosen more often.
    kinds = [*sorted(answers), *([kind for kind in sorted(answers) if _is_background_request(kind)] * 2)]
    buildio_kinds = [kind for kind in kinds if _is_buildio_request(kind)]
    providers = [buildio_kinds, [kind for kind in kinds if kind not in buildio_kinds]]

    @st.composite
    def mutated_response(draw: st.DrawFn) -> MutatedResponse:
        kind = draw(st.sampled_from(draw(st.sampled_from(providers))))
        answer = answers[kind]
        if isinstance(answer, bytes):
            return MutatedResponse(kind, draw(rewritten(answer)), answer)
        if draw(st.integers(0, 9)) == 0:
            return MutatedResponse(kind, draw(rewritten(json.dumps(answer).encode())), answer)
        return MutatedResponse(kind, json.dumps(draw(mutated(answer))).encode(), answer)

    @st.composite
    def example(draw: st.DrawFn) -> Example:
        mutations = draw(
            st.lists(mutated_response(), min_size=1, max_size=3, unique_by=lambda mutation: mutation.kind)
        )
        related = [payload for mutation in mutations for payload in asking.get(mutation.kind, ())]
        payloads = draw(st.lists(st.sampled_from(related or recorded), min_size=2, max_size=5))
        payloads += draw(st.lists(st.sampled_from(recorded), max_size=3))
        failing = any(_is_background_request(mutation.kind) for mutation in mutations)
        return Example(mutations, [UserAction(payload) for payload in payloads], failing)

    return example()


class ResponseMutation:
    """Mutates the responses of the simulated providers, and records the originals."""

    def __init__(self, outcomes: OutcomeCounter) -> None:
        self.bodies: dict[str, bytes] = {}
        self.originals: dict[str, bytes] = {}
        self.kinds: set[str] = set()
        self._outcomes = outcomes

    def __call__(self, request_name: str, body: bytes) -> bytes:
        kind = kind_of(request_name)
        self.kinds.add(kind)
        # Successful and long responses are more interesting than errors.
        if len(body) > len(self.originals.get(kind, b"")):
            self.originals[kind] = body
        if kind in self.bodies:
            self._outcomes.count(kind)
        return self.bodies.get(kind, body)


class ProviderResponseFuzzer:
    """Runs user actions with mutated responses, and checks the bot's reaction."""

    def __init__(self, target: FuzzHarness, rewrite: ResponseMutation, outcomes: OutcomeCounter) -> None:
        self._target = target
        self._sender = target.sender
        self._rewrite = rewrite
        self._tried = 0
        self.outcomes = outcomes

    async def learn(self, recorded: Sequence[RecordedPayload]) -> Mapping[str, Sequence[RecordedPayload]]:
        """Record which actions need which responses."""
        asking: dict[str, list[RecordedPayload]] = {}
        for item in recorded:
            self._target.planted.restore()
            self._rewrite.kinds.clear()
            await self._send(item)
            await self._target.wait_until_idle()
            for kind in self._rewrite.kinds:
                asking.setdefault(kind, []).append(item)
        await self._target.assert_healthy()
        return asking

    async def example(self, example: Example) -> None:
        """Run the actions with the mutated responses. Raises AssertionError."""
        target, leak_detector = self._target, self._target.leak_detector
        bodies = {response.kind: response.body for response in example.responses}
        target.planted.restore()
        if ONE_APP in bodies:
            await self._finish_deployments()
        leak_detector.forget()
        self._rewrite.bodies = bodies
        try:
            build, app = await self._show_cards()
            answers = await asyncio.gather(*(self._send(action.payload) for action in example.actions))
            if example.failing:
                await self._cause_failures()
            await target.poll()
            await self._refresh_accounts(bodies)
            await target.wait_until_idle()
        finally:
            self._rewrite.bodies = {}
        lines, calls, files = leak_detector.log_capture.take(), leak_detector.calls(), leak_detector.files()
        broken = leak_detector.violations()
        target.assert_no_errors(lines)
        if ONE_BUILD in bodies and "*passed*" in build:
            assert says_success(bodies[ONE_BUILD]), build
        if ONE_APP in bodies and not names_success(bodies[ONE_APP]):
            assert _SUCCESS_ON_CARD.search(app) is None, app
            notifications = [visible_text(call) for call in calls if call.title in _NOTIFYING_METHODS]
            assert [text for text in notifications if _SUCCESS_IN_NOTIFICATION.search(text)] == []
        for call in calls:
            self.outcomes.count(call.title)
            assert _INTERNAL_ERROR_TEXT not in visible_text(call), call
        assert leak_detector.leaks(calls, *lines, *answers, *files) == []
        assert broken == []
        self._tried += 1
        if self._tried % STORAGE_CHECK_EVERY == 0:
            stored = await leak_detector.stored_secrets()
            assert not stored, "\n".join(stored)
        if self._tried % HEALTH_CHECK_EVERY == 0:
            await target.assert_healthy()

    async def _finish_deployments(self) -> None:
        """Finish all deployments and deliver their notifications, so that later ones are about new changes."""
        self._target.planted.fail_all("It was given up.")
        await self._target.poll()
        await self._target.poll()

    async def _show_cards(self) -> tuple[str, str]:
        """Show the cards of a build and of an app, whose responses may be mutated."""
        harness = self._target.harness
        commands = (
            f"/bitrise build {harness.bitrise.state.builds[0].slug}",
            f"/buildio app {harness.buildio.shop.id}",
        )
        replies = []
        for text in commands:
            before = len(harness.slack.request_log.entries)
            await harness.users.command("anna", "builds", text)
            await self._target.wait_until_idle()
            entries = [*harness.slack.request_log.entries][before:]
            replies.append(
                "\n".join(visible_text(entry) for entry in entries if entry.title == "response_url")
            )
        return replies[0], replies[1]

    async def _send(self, recorded: RecordedPayload) -> str:
        payload = self._sender.with_fresh_handles(recorded.payload, recorded.payload)
        status, text = await self._sender.send(
            encode_body(recorded.form, payload), content_type(recorded.form)
        )
        assert status < 500, recorded.name
        return text

    async def _cause_failures(self) -> None:
        """Fail a build with a log and a deployment, and crash a process; the bot notifies all three."""
        await self._target.wait_until_idle()
        self._target.planted.fail_all("It was given up.")
        harness, shop = self._target.harness, self._target.harness.buildio.shop
        harness.clock.skip(timedelta(minutes=1))
        harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "error")
        harness.buildio.deploy(shop)
        harness.buildio.finish(shop, error="It does not build.")
        harness.buildio.crash(shop.dynos[0])
        harness.clock.skip(timedelta(minutes=1))

    async def _refresh_accounts(self, bodies: Mapping[str, bytes]) -> None:
        """If the responses for it are mutated, reconnect an account, or refresh a token."""
        harness = self._target.harness
        for provider, tokens in ((BITRISE, BITRISE_TOKENS), (BUILDIO, BUILDIO_TOKENS)):
            if any(
                kind.endswith("/me") and _is_buildio_request(kind) is (provider is BUILDIO) for kind in bodies
            ):
                harness.slack.workspace.views.clear()
                await harness.users.command("carla", "builds", f"{provider.command} connect")
                await self._target.wait_until_idle()
                await harness.users.submit("carla", {"token": tokens["carla"]})
                await self._target.wait_until_idle()
        if SIGNING_IN in bodies:
            harness.buildio.oauth_grants.expire(harness.buildio.members["ben-okafor"])
            await harness.users.command(SIGNS_IN, "builds", "/buildio teams")
            await self._target.wait_until_idle()


def names_success(body: bytes) -> bool:
    """Return whether a response contains a word for a successful deployment."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return False
    remaining = [content]
    while remaining:
        value = remaining.pop()
        if isinstance(value, dict | list):
            remaining += value.values() if isinstance(value, dict) else value
        elif isinstance(value, str) and value.strip().lower() in _SUCCESSES:
            return True
    return False


def says_success(body: bytes) -> bool:
    """Return whether a response says that its build succeeded, or was aborted as a success."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return False
    items = [content, content.get("data")] if isinstance(content, dict) else []
    return any(
        item.get("status") in (1, "1", 4, "4")
        or str(item.get("status_text")) in ("success", "aborted-with-success")
        for item in items
        if isinstance(item, dict) and not isinstance(item.get("status"), bool)
    )


def shorten(body: bytes) -> Any:
    """Return the response for mutation: JSON with shortened lists, or bytes."""
    try:
        content = json.loads(body)
    except ValueError:
        return body
    if isinstance(content, dict) and isinstance(content.get("data"), list):
        content["data"] = content["data"][:MAX_ITEMS]
    return content[:MAX_ITEMS] if isinstance(content, list) else content


@pytest.mark.fuzz
@pytest.mark.timeout(TIMEOUT)
def test_mutated_provider_responses_cause_no_errors_and_no_false_notifications(tmp_path: Path) -> None:
    outcomes = OutcomeCounter()
    rewrite = ResponseMutation(outcomes)
    with asyncio.Runner() as runner, fuzz_harness(runner, tmp_path) as target:
        target.rewrite_responses(rewrite)
        recorded = runner.run(play_scenario(target))
        fuzzer = ProviderResponseFuzzer(target, rewrite, outcomes)
        unseen = [kind for kind in ANSWERED if kind not in rewrite.originals]
        assert not unseen, f"nothing requested {unseen}"
        answers = {kind: shorten(body) for kind, body in rewrite.originals.items()}
        asking = runner.run(fuzzer.learn(recorded))
        mutation = examples(answers, recorded, asking)
        tried = fuzz(fuzzer.example, mutation, runner=runner, clock=time.monotonic)
        runner.run(target.assert_healthy())
        stored = runner.run(target.leak_detector.stored_secrets())
        assert not stored, "\n".join(stored)
        assert tried > 0
        report(f"{tried} examples of {len(answers)} answers; {outcomes}")
