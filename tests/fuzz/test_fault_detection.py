"""That the fuzzing finds what it looks for: each protection is taken away in turn, by hand, and the loss is seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import strategies as st

from sandbox.request_log import LoggedRequest
from sandbox.slack.payloads import slash_command
from tests.fuzz import test_provider_responses as replies
from tests.fuzz import test_slack_payloads as slack
from tests.fuzz import test_webhook_bodies as webhook
from tests.fuzz.buildio_scenario import VALUES
from tests.fuzz.fuzz_harness import WEBHOOK_SECRET, FuzzHarness, OutcomeCounter, fuzz_harness
from tests.fuzz.fuzz_runner import fuzz
from tests.fuzz.request_sender import as_body, type_of
from tests.fuzz.secret_tracker import CREDENTIAL, REVEALED, VALUE, SecretTracker
from tests.fuzz.slack_scenario import RecordedPayload, recorded
from tests.support.canary_secrets import CANARIES

TOKEN = CANARIES["GitHub token"]


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture
def scene(runner: asyncio.Runner, tmp_path: Path) -> Iterator[FuzzHarness]:
    with fuzz_harness(runner, tmp_path) as made:
        made.town.bitrise.finish(made.town.bitrise.start_build(made.town.bitrise.android))
        yield made


async def _as_it_is(result: Any, *_: Any) -> str:
    return str(result.output)


def command(scene: FuzzHarness, text: str, name: str = "/bitrise") -> RecordedPayload:
    people, channels = scene.town.slack.workspace.people, scene.town.slack.workspace.channels
    where = channels["C0BUILDS"]
    return recorded(slash_command(name, text, people["U0ANNA"], where, trigger_id="1.2.3", response_url="-"))


def sent(scene: FuzzHarness, text: str, name: str = "/bitrise", **changed: Any) -> slack.Sent:
    one = command(scene, text, name)
    payload = one.payload | changed
    return slack.Sent(one.name, one.form, as_body(one.form, payload), type_of(one.form), payload, one.payload)


def test_where_nothing_is_taken_away_nothing_is_found(runner: asyncio.Runner, scene: FuzzHarness) -> None:
    fuzzing = slack.Fuzzing(scene)
    nasty = f"build {TOKEN} <!channel> <https://evil.example|Approve>"
    runner.run(fuzzing.example([sent(scene, f"build {TOKEN}"), sent(scene, nasty)]))
    runner.run(fuzzing.example([sent(scene, "help", user_id={"U0ANNA": "U0ANNA"})]))
    assert fuzzing.tally.counts["200"] == 2
    assert fuzzing.tally.counts["400"] == 1


@pytest.mark.parametrize(
    ("place", "instead", "text"),
    [
        ("services.request.error_messages.redact", lambda text: text, f"build {TOKEN}"),
        ("messages.kit.mrkdwn.html.escape", lambda text, **_quote: text, "build <!channel>"),
    ],
    ids=["redaction", "escaping"],
)
def test_a_leak_or_a_mention_is_found(
    runner: asyncio.Runner, scene: FuzzHarness, place: str, instead: Callable[..., str], text: str
) -> None:
    with (
        patch(place, instead),
        patch("messages.kit.mrkdwn.redact_beginning", lambda shown, _most: shown),
        pytest.raises(AssertionError),
    ):
        runner.run(slack.Fuzzing(scene).example([sent(scene, text)]))


def test_what_breaks_is_found(runner: asyncio.Runner, scene: FuzzHarness) -> None:
    with (
        patch("services.features.dispatch.notices.help_message", side_effect=RuntimeError),
        pytest.raises(AssertionError, match="RuntimeError"),
    ):
        runner.run(slack.Fuzzing(scene).example([sent(scene, "help")]))


def test_a_payload_that_is_let_in_as_it_is_breaks_what_reads_it(
    runner: asyncio.Runner, scene: FuzzHarness
) -> None:
    payload = {"type": "event_callback", "event": {"type": "app_mention", "channel": 5, "user": "U0ANNA"}}
    one = slack.Sent("event", "", as_body("", payload), type_of(""), payload, payload)
    runner.run(slack.Fuzzing(scene).example([one]))
    with patch("bot.http_server.check_payload", lambda _body: None), pytest.raises(AssertionError):
        runner.run(slack.Fuzzing(scene).example([one]))


def test_somebody_who_acts_as_somebody_else_is_found(runner: asyncio.Runner, scene: FuzzHarness) -> None:
    as_ben = sent(scene, "trigger android branch:main", user_id="U0BEN")
    fuzzing = slack.Fuzzing(scene)
    runner.run(fuzzing.example([as_ben]))
    assert fuzzing.tally.counts["POST at Bitrise"] == 1
    with (
        patch("handlers.commands.RequestContext", lambda **given: _anna(given)),
        pytest.raises(AssertionError, match="anna-berg did POST"),
    ):
        runner.run(fuzzing.example([as_ben]))


def _anna(given: dict[str, Any]) -> Any:
    from services.request.context import RequestContext

    return RequestContext(**given | {"person": "U0ANNA"})


def test_a_success_that_bitrise_has_not_told_of_is_found(runner: asyncio.Runner, scene: FuzzHarness) -> None:
    from domain.build import BuildState

    tally = OutcomeCounter()
    twist = replies.ResponseMutation(tally)
    scene.twist_answers(twist)
    fuzzing = replies.ProviderResponseFuzzer(scene, twist, tally)
    slug, app = scene.town.bitrise.farm.builds[0].slug, scene.town.bitrise.android.slug
    body = f'{{"data": {{"slug": "{slug}", "status": true, "commit_message": "{TOKEN}"}}}}'.encode()
    changed = replies.MutatedResponse(replies.ONE_BUILD, body, {})
    example = replies.Example([changed], [replies.Asked(command(scene, f"build {slug}"))], failing=True)
    runner.run(fuzzing.example(example))
    assert tally.counts[replies.ONE_BUILD] >= 2
    assert replies.kind_of(f"GET /v0.1/apps/{app}/builds/{slug}") == replies.ONE_BUILD
    with (
        patch("providers.bitrise.api.models.state_of", lambda *_args, **_named: BuildState.SUCCEEDED),
        pytest.raises(AssertionError),
    ):
        runner.run(fuzzing.example(example))
    with (
        patch("messages.kit.mrkdwn.redact_beginning", lambda shown, _most: shown),
        pytest.raises(AssertionError),
    ):
        runner.run(fuzzing.example(example))


def test_a_success_of_a_deployment_that_build_io_has_not_told_of_is_found(
    runner: asyncio.Runner, scene: FuzzHarness
) -> None:
    from domain.build import BuildState

    tally = OutcomeCounter()
    twist = replies.ResponseMutation(tally)
    scene.twist_answers(twist)
    fuzzing = replies.ProviderResponseFuzzer(scene, twist, tally)
    runner.run(scene.town.ask("/buildio subscribe shop", "subscribed"))
    shop = scene.town.buildio.shop.id
    said = f'{{"id": "{shop}", "name": "shop", "deployment": {{"id": "7", "status": "glowing"}}}}'
    changed = replies.MutatedResponse(replies.ONE_APP, said.encode(), {})
    asked = replies.Asked(command(scene, "app shop", "/buildio"))
    example = replies.Example([changed], [asked], failing=True)
    runner.run(fuzzing.example(example))
    assert tally.counts[replies.ONE_APP] >= 3
    assert replies.kind_of(f"GET /api/v1/apps/{shop}") == replies.ONE_APP
    with (
        patch("providers.buildio.api.deployments.state_of", lambda _word: BuildState.SUCCEEDED),
        pytest.raises(AssertionError),
    ):
        runner.run(fuzzing.example(example))


@pytest.mark.parametrize(
    ("place", "instead", "words"),
    [
        ("providers.buildio.config_vars.messages.masked", lambda value: value, "config shop"),
        ("providers.buildio.action_execution._without_values", _as_it_is, "run shop dyno:web.1 -- env"),
    ],
    ids=["masks", "values in an output"],
)
def test_a_config_var_that_is_shown_to_more_than_one_is_found(
    runner: asyncio.Runner, scene: FuzzHarness, place: str, instead: Callable[..., Any], words: str
) -> None:
    def play() -> None:
        fuzzing = slack.Fuzzing(scene)
        runner.run(fuzzing.example([sent(scene, words, "/buildio")]))
        if scene.town.people.modal("anna") is not None:
            scene.evidence.forget()
            runner.run(scene.town.people.submit("anna"))
            runner.run(scene.rest())
            assert scene.evidence.leaks(scene.evidence.calls()) == []

    play()
    with patch(place, instead), pytest.raises(AssertionError, match="config value"):
        play()


def test_what_is_handed_out_once_is_looked_for_from_then_on(
    runner: asyncio.Runner, scene: FuzzHarness
) -> None:
    secrets = scene.evidence.secrets
    overheard = secrets.add_observed(
        "GET /api/v1/oidc-login", b'{"status": {"token": "k8s_sandbox-0a1b2c3d4e5f"}}'
    )
    assert secrets.seen_in(overheard.decode()) == [CREDENTIAL]
    runner.run(scene.town.execute("CREATE TABLE found (words)"))
    assert runner.run(scene.evidence.kept()) == []
    runner.run(scene.town.execute("INSERT INTO found VALUES (?)", "it is 0a1b2c3d4e5f"))
    assert CREDENTIAL in runner.run(scene.evidence.kept())


def test_a_value_may_be_shown_to_one_person_and_in_no_channel() -> None:
    shown = f"`CANARY` of shop, {REVEALED}. {VALUES[0]}"
    secrets = SecretTracker()
    secrets.add(VALUE, VALUES[0])

    def told(what: str, **request: Any) -> list[str]:
        return secrets.leaked_kinds(
            LoggedRequest(1, 0.0, "app → Slack", what, {"text": shown, **request}), shown
        )

    assert told("response_url", response_type="ephemeral") == []
    assert told("views.update") == []
    assert told("response_url", response_type="in_channel") == [VALUE]
    assert told("chat.postMessage", channel="D0ANNA") == [VALUE]


def test_a_look_for_somebody_who_does_not_know_the_secret_is_found(
    runner: asyncio.Runner, scene: FuzzHarness
) -> None:
    asked: list[Any] = []
    fuzzing = webhook.Fuzzing(scene, "", asked, OutcomeCounter())
    wrong = webhook.Call(f"secret={WEBHOOK_SECRET}x", {}, b"{}")
    runner.run(fuzzing.example([wrong]))
    with (
        patch("providers.bitrise.webhook.secrets_equal", lambda _given, _secret: True),
        pytest.raises(AssertionError),
    ):
        runner.run(fuzzing.example([wrong]))


def test_a_failing_example_is_made_small_and_its_seed_is_told(
    runner: asyncio.Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    smallest: list[int] = []

    async def example(numbers: list[int]) -> None:
        if sum(numbers) > 100:
            smallest[:] = numbers
            raise ValueError("too much")

    with pytest.raises(ValueError, match="too much"):
        fuzz(example, st.lists(st.integers(0, 1000)), runner=runner, clock=lambda: 0.0, seconds=1, start=7)
    assert smallest == [101]
    assert "FUZZ_SEED=" in capsys.readouterr().out


def test_it_ends_when_the_time_is_over(runner: asyncio.Runner) -> None:
    now = iter(range(1_000_000))
    tried: list[bool] = []

    async def example(given: bool) -> None:
        tried.append(given)

    assert fuzz(example, st.booleans(), runner=runner, clock=lambda: next(now), seconds=200) == len(tried) > 0
