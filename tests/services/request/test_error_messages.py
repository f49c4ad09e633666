"""What Slack refuses while it is answered is no bug of ours: people hear what to do, and the log has one line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from domain.provider import Provider
from messages.kit.button_values import PolicyButton
from services.actions.result import PermissionDenied
from services.request.context import Visibility
from services.request.error_messages import reply_to_error
from tests.support.bot_harness import BotHarness, bot_harness


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    async with bot_harness(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ratelimited", "Slack asks me to slow down. Try again in a minute."),
        ("internal_error", "Slack has trouble at the moment. Try again in a minute."),
        ("service_unavailable", "Slack has trouble at the moment. Try again in a minute."),
        ("token_revoked", "Ask an admin to install me again."),
        ("missing_scope", "Slack does not let me do this"),
    ],
)
async def test_what_slack_refuses_while_a_dialog_is_opened_is_said_in_words(
    harness: BotHarness, words: str, expected: str
) -> None:
    harness.slack.fault("views.open", "error", words=words, times=5)
    with capture_logs() as logged:
        await harness.ask("/bitrise trigger", expected)
    assert [one["reason"] for one in logged if one["event"] == "answer.refused"] == [words]
    assert [one for one in logged if one["event"] == "answer.broken"] == []


def test_what_somebody_can_do_about_a_refusal_themselves_is_for_them_alone() -> None:
    rule = PolicyButton(provider=Provider.BITRISE, app="")
    for error in (PermissionDenied("No.", connect=Provider.BITRISE), PermissionDenied("No.", rule=rule)):
        assert reply_to_error(error).audience is Visibility.ONE_PERSON
    assert reply_to_error(PermissionDenied("No.")).audience is Visibility.REQUESTER


async def test_an_answer_that_slack_does_not_take_is_one_line_in_the_log(harness: BotHarness) -> None:
    # Whatever is trouble of Slack's own is tried again (test_late_answers.py).
    harness.slack.fault("chat.postMessage", "error", words="is_archived", times=5)
    with capture_logs() as logged:
        harness.users.say("anna", "D0ANNA", "apps")
        sample, labels = (
            harness.bot.metrics.registry.get_sample_value,
            {"command": "message", "outcome": "failed"},
        )
        await harness.wait_until(lambda: bool(sample("buildbell_commands_total", labels)))
    assert [one for one in logged if one["event"] == "answer.broken"] == []
    assert [one["reason"] for one in logged if one["event"] == "answer.not_said"] == ["is_archived"]


@pytest.mark.parametrize("kind", ["dropped", "status", "html"])
async def test_slack_being_away_is_no_bug(harness: BotHarness, kind: str) -> None:
    harness.slack.fault("views.open", kind, times=5)
    with capture_logs() as logged:
        await harness.ask("/bitrise trigger", "Slack has trouble at the moment")
    assert [one for one in logged if one["event"] == "answer.broken"] == []
