"""Errors of Slack during a reply are no bugs of the bot: users are told what to do, and the log has one line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from messages.kit.button_values import PolicyButton
from providers.bitrise.provider import BITRISE
from services.actions.permissions import PermissionDenied
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
        ("ratelimited", "Slack limits requests. Try again in a minute."),
        ("internal_error", "Slack isn't working properly right now. Try again in a minute."),
        ("service_unavailable", "Slack isn't working properly right now. Try again in a minute."),
        ("token_revoked", "Ask an admin to install Buildbell again."),
        ("missing_scope", "Buildbell lacks a permission in Slack"),
    ],
)
async def test_an_error_of_slack_while_a_modal_opens_is_explained(
    harness: BotHarness, words: str, expected: str
) -> None:
    harness.slack.fault("views.open", "error", words=words, times=5)
    with capture_logs() as entries:
        await harness.ask("/bitrise trigger", expected)
    assert [entry["reason"] for entry in entries if entry["event"] == "answer.refused"] == [words]
    assert [entry for entry in entries if entry["event"] == "answer.broken"] == []


def test_a_hint_about_a_refusal_is_shown_to_the_user_only() -> None:
    rule = PolicyButton(provider=BITRISE, app="")
    for error in (PermissionDenied("No.", connect=BITRISE), PermissionDenied("No.", rule=rule)):
        assert reply_to_error(error).audience is Visibility.ONE_PERSON
    assert reply_to_error(PermissionDenied("No.")).audience is Visibility.REQUESTER


async def test_a_reply_that_slack_refuses_is_logged_once(harness: BotHarness) -> None:
    # Failures of Slack itself are retried (test_late_replies.py).
    harness.slack.fault("chat.postMessage", "error", words="is_archived", times=5)
    with capture_logs() as entries:
        harness.users.say("anna", "D0ANNA", "apps")
        sample, labels = (
            harness.bot.metrics.registry.get_sample_value,
            {"command": "message", "outcome": "failed"},
        )
        await harness.wait_until(lambda: bool(sample("buildbell_commands_total", labels)))
    assert [entry for entry in entries if entry["event"] == "answer.broken"] == []
    assert [entry["reason"] for entry in entries if entry["event"] == "answer.not_said"] == ["is_archived"]


@pytest.mark.parametrize("kind", ["dropped", "status", "html"])
async def test_an_outage_of_slack_is_not_logged_as_a_bug(harness: BotHarness, kind: str) -> None:
    harness.slack.fault("views.open", kind, times=5)
    with capture_logs() as entries:
        await harness.ask("/bitrise trigger", "Slack isn't working properly right now")
    assert [entry for entry in entries if entry["event"] == "answer.broken"] == []
