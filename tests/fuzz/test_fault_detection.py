"""The fuzz tests detect what they look for: each protection is disabled in turn, and the failure is found."""

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
from services.slack.event_payloads import EventPayload, Mention
from tests.fuzz import test_provider_responses as replies
from tests.fuzz import test_slack_payloads as slack
from tests.fuzz import test_webhook_bodies as webhook
from tests.fuzz.buildio_scenario import VALUES
from tests.fuzz.fuzz_harness import WEBHOOK_SECRET, FuzzHarness, OutcomeCounter, fuzz_harness
from tests.fuzz.fuzz_runner import fuzz
from tests.fuzz.request_sender import content_type, encode_body
from tests.fuzz.secret_tracker import CREDENTIAL, REVEALED, VALUE, SecretTracker
from tests.fuzz.slack_scenario import RecordedPayload, record_payload
from tests.support.canary_secrets import CANARIES

TOKEN = CANARIES["GitHub token"]


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as opened:
        yield opened


@pytest.fixture
def target(runner: asyncio.Runner, tmp_path: Path) -> Iterator[FuzzHarness]:
    with fuzz_harness(runner, tmp_path) as opened:
        opened.harness.bitrise.finish(opened.harness.bitrise.start_build(opened.harness.bitrise.android))
        yield opened


async def _as_it_is(result: Any, *_: Any) -> str:
    return str(result.output)


def command(target: FuzzHarness, text: str, name: str = "/bitrise") -> RecordedPayload:
    people, channels = target.harness.slack.workspace.users, target.harness.slack.workspace.channels
    channel = channels["C0BUILDS"]
    return record_payload(
        slash_command(name, text, people["U0ANNA"], channel, trigger_id="1.2.3", response_url="-")
    )


def sent(target: FuzzHarness, text: str, name: str = "/bitrise", **changed: Any) -> slack.MutatedRequest:
    recorded = command(target, text, name)
    payload = recorded.payload | changed
    return slack.MutatedRequest(
        recorded.name,
        recorded.form,
        encode_body(recorded.form, payload),
        content_type(recorded.form),
        payload,
        recorded.payload,
    )


def test_an_unmodified_bot_has_no_findings(runner: asyncio.Runner, target: FuzzHarness) -> None:
    fuzzing = slack.SlackPayloadFuzzer(target)
    nasty = f"build {TOKEN} <!channel> <https://evil.example|Approve>"
    runner.run(fuzzing.example([sent(target, f"build {TOKEN}"), sent(target, nasty)]))
    runner.run(fuzzing.example([sent(target, "help", user_id={"U0ANNA": "U0ANNA"})]))
    assert fuzzing.outcomes.counts["200"] == 2
    assert fuzzing.outcomes.counts["400"] == 1


@pytest.mark.parametrize(
    ("place", "instead", "text"),
    [
        ("services.request.error_messages.redact", lambda text: text, f"build {TOKEN}"),
        ("messages.kit.mrkdwn.html.escape", lambda text, **_quote: text, "build <!channel>"),
    ],
    ids=["redaction", "escaping"],
)
def test_a_leak_or_an_unwanted_mention_is_detected(
    runner: asyncio.Runner, target: FuzzHarness, place: str, instead: Callable[..., str], text: str
) -> None:
    with (
        patch(place, instead),
        patch("domain.commands.errors.redact_beginning", lambda typed, _most: typed),
        patch("messages.kit.mrkdwn.redact_beginning", lambda shown, _most: shown),
        pytest.raises(AssertionError),
    ):
        runner.run(slack.SlackPayloadFuzzer(target).example([sent(target, text)]))


def test_an_error_is_detected(runner: asyncio.Runner, target: FuzzHarness) -> None:
    with (
        patch("services.features.shared_commands.notices.help_message", side_effect=RuntimeError),
        pytest.raises(AssertionError, match="RuntimeError"),
    ):
        runner.run(slack.SlackPayloadFuzzer(target).example([sent(target, "help")]))


def test_an_unvalidated_payload_is_detected(runner: asyncio.Runner, target: FuzzHarness) -> None:
    event: dict[str, Any] = {"type": "app_mention", "channel": 5, "user": "U0ANNA"}
    payload: dict[str, Any] = {"type": "event_callback", "event": event}
    recorded = slack.MutatedRequest("event", "", encode_body("", payload), content_type(""), payload, payload)
    runner.run(slack.SlackPayloadFuzzer(target).example([recorded]))
    unchecked = EventPayload[Mention].model_construct(
        type="event_callback", event=Mention.model_construct(**event)
    )
    with patch("bot.http_server.parse_payload", lambda _body: unchecked), pytest.raises(AssertionError):
        runner.run(slack.SlackPayloadFuzzer(target).example([recorded]))


def test_impersonation_is_detected(runner: asyncio.Runner, target: FuzzHarness) -> None:
    as_ben = sent(target, "trigger android branch:main", user_id="U0BEN")
    fuzzing = slack.SlackPayloadFuzzer(target)
    runner.run(fuzzing.example([as_ben]))
    assert fuzzing.outcomes.counts["POST at Bitrise"] == 1
    with (
        patch("handlers.commands.RequestContext", lambda **given: _anna(given)),
        pytest.raises(AssertionError, match="anna-berg did POST"),
    ):
        runner.run(fuzzing.example([as_ben]))


def _anna(given: dict[str, Any]) -> Any:
    from services.request.context import RequestContext

    return RequestContext(**given | {"person": "U0ANNA"})


def test_an_invented_build_success_is_detected(runner: asyncio.Runner, target: FuzzHarness) -> None:
    from domain.build import BuildState

    outcomes = OutcomeCounter()
    mutation = replies.ResponseMutation(outcomes)
    target.rewrite_responses(mutation)
    fuzzing = replies.ProviderResponseFuzzer(target, mutation, outcomes)
    slug, app = target.harness.bitrise.state.builds[0].slug, target.harness.bitrise.android.slug
    body = f'{{"data": {{"slug": "{slug}", "status": true, "commit_message": "{TOKEN}"}}}}'.encode()
    changed = replies.MutatedResponse(replies.ONE_BUILD, body, {})
    example = replies.Example([changed], [replies.UserAction(command(target, f"build {slug}"))], failing=True)
    runner.run(fuzzing.example(example))
    assert outcomes.counts[replies.ONE_BUILD] >= 2
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


def test_an_invented_deployment_success_is_detected(runner: asyncio.Runner, target: FuzzHarness) -> None:
    from domain.build import BuildState

    outcomes = OutcomeCounter()
    mutation = replies.ResponseMutation(outcomes)
    target.rewrite_responses(mutation)
    fuzzing = replies.ProviderResponseFuzzer(target, mutation, outcomes)
    runner.run(target.harness.ask("/buildio subscribe shop", "subscribed"))
    shop = target.harness.buildio.shop.id
    body = f'{{"id": "{shop}", "name": "shop", "deployment": {{"id": "7", "status": "glowing"}}}}'
    changed = replies.MutatedResponse(replies.ONE_APP, body.encode(), {})
    user_action = replies.UserAction(command(target, "app shop", "/buildio"))
    example = replies.Example([changed], [user_action], failing=True)
    runner.run(fuzzing.example(example))
    assert outcomes.counts[replies.ONE_APP] >= 3
    assert replies.kind_of(f"GET /api/v1/apps/{shop}") == replies.ONE_APP
    with (
        patch("providers.buildio.api.deployments.parse_state", lambda _word: BuildState.SUCCEEDED),
        pytest.raises(AssertionError),
    ):
        runner.run(fuzzing.example(example))


@pytest.mark.parametrize(
    ("place", "instead", "words"),
    [
        ("providers.buildio.config_vars.messages.mask_value", lambda value: value, "config shop"),
        (
            "providers.buildio.processes.actions._remove_config_values",
            _as_it_is,
            "run shop dyno:web.1 -- env",
        ),
    ],
    ids=["masks", "values in an output"],
)
def test_a_config_var_shown_to_several_users_is_detected(
    runner: asyncio.Runner, target: FuzzHarness, place: str, instead: Callable[..., Any], words: str
) -> None:
    def play() -> None:
        fuzzing = slack.SlackPayloadFuzzer(target)
        runner.run(fuzzing.example([sent(target, words, "/buildio")]))
        if target.harness.users.modal("anna") is not None:
            target.leak_detector.forget()
            runner.run(target.harness.users.submit("anna"))
            runner.run(target.wait_until_idle())
            assert target.leak_detector.leaks(target.leak_detector.calls()) == []

    play()
    with patch(place, instead), pytest.raises(AssertionError, match="config value"):
        play()


def test_a_secret_is_tracked_once_it_was_issued(runner: asyncio.Runner, target: FuzzHarness) -> None:
    secrets = target.leak_detector.secrets
    response = secrets.add_observed(
        "GET /api/v1/oidc-login", b'{"status": {"token": "k8s_sandbox-0a1b2c3d4e5f"}}'
    )
    assert secrets.find_kinds(response.decode()) == [CREDENTIAL]
    runner.run(target.harness.execute("CREATE TABLE found (words)"))
    assert runner.run(target.leak_detector.stored_secrets()) == []
    runner.run(target.harness.execute("INSERT INTO found VALUES (?)", "it is 0a1b2c3d4e5f"))
    assert CREDENTIAL in runner.run(target.leak_detector.stored_secrets())


def test_a_value_can_be_shown_to_one_user_but_not_in_a_channel() -> None:
    shown = f"`CANARY` of shop, {REVEALED}. {VALUES[0]}"
    secrets = SecretTracker()
    secrets.add(VALUE, VALUES[0])

    def leaked(title: str, **request: Any) -> list[str]:
        return secrets.leaked_kinds(
            LoggedRequest(1, 0.0, "app → Slack", title, {"text": shown, **request}), shown
        )

    assert leaked("response_url", response_type="ephemeral") == []
    assert leaked("views.update") == []
    assert leaked("response_url", response_type="in_channel") == [VALUE]
    assert leaked("chat.postMessage", channel="D0ANNA") == [VALUE]


def test_a_poll_for_a_webhook_call_without_the_secret_is_detected(
    runner: asyncio.Runner, target: FuzzHarness
) -> None:
    polls: list[Any] = []
    fuzzing = webhook.WebhookFuzzer(target, "", polls, OutcomeCounter())
    wrong = webhook.Call(f"secret={WEBHOOK_SECRET}x", {}, b"{}")
    runner.run(fuzzing.example([wrong]))
    with (
        patch("providers.bitrise.webhook.secrets_equal", lambda _given, _secret: True),
        pytest.raises(AssertionError),
    ):
        runner.run(fuzzing.example([wrong]))


def test_a_failing_example_is_minimised_and_reported_with_its_seed(
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


def test_a_run_ends_when_its_time_is_over(runner: asyncio.Runner) -> None:
    now = iter(range(1_000_000))
    tried: list[bool] = []

    async def example(given: bool) -> None:
        tried.append(given)

    assert fuzz(example, st.booleans(), runner=runner, clock=lambda: next(now), seconds=200) == len(tried) > 0
