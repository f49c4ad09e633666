"""Validation of Slack's payloads: a payload that Slack does not send is refused, and breaks nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from structlog.testing import capture_logs

from bot.slack.payload_validation import InvalidPayload, parse_payload
from messages.kit.mrkdwn import mention, mention_group
from services.request.context import sign_view
from storage.encryption import SecretBox
from tests.support.bot_harness import SECRET_KEY, BotHarness, bot_harness

USER = {"id": "U0ANNA", "username": "anna", "team_id": "T0SANDBOX"}
COMMAND: dict[str, Any] = {
    "command": "/bitrise",
    "text": "help",
    "user_id": "U0ANNA",
    "channel_id": "C0BUILDS",
}
PRESS: dict[str, Any] = {
    "type": "block_actions",
    "trigger_id": "1.2.ab",
    "user": USER,
    "team": {"id": "T0SANDBOX"},
    "container": {"type": "message", "message_ts": "1700000000.000100", "channel_id": "C0BUILDS"},
    "actions": [{"action_id": "build_log", "block_id": "b1", "value": "{}"}],
}
VIEW: dict[str, Any] = {
    "id": "V0",
    "type": "modal",
    "callback_id": "x",
    "private_metadata": "",
    "hash": "1.a",
    "state": {"values": {}},
}
SUBMISSION: dict[str, Any] = {"type": "view_submission", "user": USER, "view": VIEW}


def submission(callback_id: str, state: str) -> dict[str, Any]:
    """Return the submission of a form, with a state that the bot has signed."""
    view = {**VIEW, "callback_id": callback_id, "private_metadata": state}
    signed = sign_view(view, SecretBox([SECRET_KEY]), team=USER["team_id"], person=USER["id"])
    return SUBMISSION | {"view": signed}


def event(**inner: Any) -> dict[str, Any]:
    return {"type": "event_callback", "team_id": "T0SANDBOX", "event_id": "Ev0", "event": inner}


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    async with bot_harness(tmp_path, http=True) as opened:
        yield opened


async def post(
    harness: BotHarness, body: str, content_type: str = "application/x-www-form-urlencoded"
) -> int:
    headers = harness.slack.delivery.sign(body) | {"Content-Type": content_type}
    url = f"http://127.0.0.1:{harness.bot.port}/slack/events"
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize(
    "payload",
    [
        COMMAND,
        COMMAND | {"team_id": "", "enterprise_id": "E1", "trigger_id": "1.2.ab", "something_new": {"a": [1]}},
        PRESS,
        PRESS | {"team": None, "enterprise": {"id": "E1", "name": "Acme"}, "is_enterprise_install": True},
        PRESS | {"message": {"text": "hi", "blocks": [{"type": "markdown", "text": "hi"}]}},
        PRESS | {"view": {**VIEW, "previous_view_id": None, "root_view_id": "V0"}},
        SUBMISSION,
        event(type="app_mention", user="U0ANNA", channel="C0BUILDS", ts="1700000000.000100", text="hello"),
        event(
            type="message", channel="D0ANNA", subtype="message_deleted", previous_message={"user": "U0ANNA"}
        ),
        event(
            type="link_shared",
            user="U0ANNA",
            channel="COMPOSER",
            message_ts="Uxx-909b5454",
            source="composer",
        ),
        event(type="user_change", user={"id": "U0BEN", "deleted": True, "profile": {}}),
        event(type="tokens_revoked", tokens={"bot": ["U0BOT"]}),
        event(type="app_uninstalled"),
        COMMAND | {"user_id": "U_USER", "channel_id": "C_GENERAL", "team_id": "T_TEAM-1"},
        event(type="message", channel="D_buildbell", channel_type="im", user="U_USER", text="help"),
        event(type="reaction_added", user={"odd": 1}, item=[], channel=5),
        event(type="team_access_granted", team_ids=["T1"]),
        {"type": "app_rate_limited", "token": "x", "team_id": "T1", "minute_rate_limited": 1518467820},
        {"type": "url_verification", "challenge": "abc"},
        {"ssl_check": "1", "token": "x"},
    ],
)
def test_payloads_of_slack_are_accepted(payload: dict[str, Any]) -> None:
    parse_payload(payload)


@pytest.mark.parametrize(
    ("payload", "where"),
    [
        (None, "the payload"),
        ([], "the payload"),
        ({}, "type"),
        ({"type": ["block_actions"]}, "type"),
        ({"type": "interactive_message", "callback_id": 5}, "type"),
        (COMMAND | {"user_id": "anna"}, "user_id"),
        (COMMAND | {"user_id": "U1>"}, "user_id"),
        (COMMAND | {"team_id": "T1\0"}, "team_id"),
        (COMMAND | {"user_id": "U1|<!channel"}, "user_id"),
        (COMMAND | {"user_id": "U" * 101}, "user_id"),
        (COMMAND | {"user_id": ""}, "user_id"),
        (COMMAND | {"channel_id": "../.."}, "channel_id"),
        (COMMAND | {"channel_id": "C0\n"}, "channel_id"),
        ({"command": "/bitrise"}, "user_id"),
        (PRESS | {"actions": []}, "actions"),
        (PRESS | {"actions": [{"value": "x"}]}, "actions.action_id"),
        (PRESS | {"user": "U0ANNA"}, "user"),
        (PRESS | {"container": {"message_ts": "now"}}, "container.message_ts"),
        (PRESS | {"message": 1}, "message"),
        (PRESS | {"message": {"blocks": "all"}}, "message.blocks"),
        (SUBMISSION | {"view": {**VIEW, "state": None}}, "view.state"),
        (SUBMISSION | {"view": {**VIEW, "state": {"values": {"a": {"b": 5}}}}}, "view.state.values"),
        ({"type": "view_submission", "user": USER}, "view"),
        (SUBMISSION | {"trigger_id": 5}, "trigger_id"),
        (SUBMISSION | {"view": {**VIEW, "team_id": 5}}, "view.team_id"),
        (event(), "event.type"),
        (event(type=""), "event.type"),
        (event(type=["message"]), "event.type"),
        (event(type="app_mention", channel="C0", user={"id": "U0"}, ts="1.1"), "event.user"),
        (event(type="user_change", user={"id": "U0BEN", "deleted": "no"}), "event.user.deleted"),
        (
            event(type="function_executed", function={"callback_id": "x"}, function_execution_id="xoxb-1"),
            "event.function_execution_id",
        ),
        ({"type": "event_callback", "event": []}, "event"),
        (COMMAND | {"text": "half a character: \ud800"}, "a character"),
        (COMMAND | {"more": json.loads("[" * 200 + "]" * 200)}, "the depth"),
    ],
)
def test_a_payload_that_is_not_slacks_is_refused_and_the_field_named(payload: Any, where: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        parse_payload(payload)
    assert refused.value.where == where


def test_fields_that_the_bot_does_not_read_are_not_kept() -> None:
    new = {"something_new": {"a": [1]}}
    pressed = PRESS | new | {"user": USER | new, "actions": [PRESS["actions"][0] | new]}
    assert parse_payload(pressed) == parse_payload(PRESS)


def test_only_a_valid_user_id_is_mentioned() -> None:
    assert mention("U_USER") == "<@U_USER>"
    assert mention("U0ANNA") == "<@U0ANNA>"
    assert mention_group("S_RELEASE.2") == "<!subteam^S_RELEASE.2>"
    for text in ("(erased)", "bot", "U1>", "U1|x", "<!channel>", ""):
        assert "<" not in mention(text)
        assert "<" not in mention_group(text)


def test_nul_characters_are_removed_from_accepted_payloads() -> None:
    payload = COMMAND | {"text": "bu\0ild", "a\0": [{"b": "\0"}]}
    assert parse_payload(payload) == parse_payload(COMMAND | {"text": "build"})
    assert payload == COMMAND | {"text": "build", "a": [{"b": ""}]}


def test_the_error_does_not_repeat_unknown_field_names() -> None:
    values = {"xoxb-a-secret": {"a": {"value": 5}}}
    with pytest.raises(InvalidPayload) as refused:
        parse_payload(SUBMISSION | {"view": {**VIEW, "state": {"values": values}}})
    assert str(refused.value) == "view.state.values.value is not what Slack sends"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("payload=null", "application/x-www-form-urlencoded"),
        (urlencode({"payload": json.dumps({"type": "block_actions"})}), "application/x-www-form-urlencoded"),
        (json.dumps(event(type="app_mention", channel=5)), "application/json"),
        ("[]", "application/json"),
        ("{", "application/json"),
        ("[" * 100_000, "application/json"),
        ("", "application/json"),
    ],
)
async def test_a_refused_payload_gets_status_400(harness: BotHarness, body: str, kind: str) -> None:
    assert await post(harness, body, kind) == 400
    await harness.ask("/bitrise help", "Commands")


async def test_in_socket_mode_a_refused_payload_is_ignored_and_the_connection_stays_open(
    tmp_path: Path,
) -> None:
    async with bot_harness(tmp_path) as harness:
        for _ in range(2):
            refused = await harness.slack.sockets.send("events_api", event(type="app_mention", channel=5))
            await harness.ask("/bitrise help", "Commands")
            assert not refused.done()


IGNORED = (
    event(type="reaction_added", user="U0ANNA", item={}, reaction="eyes"),
    event(type="member_joined_channel", user="U0ANNA", channel="C_GENERAL"),
    event(type="channel_archive", channel="C0BUILDS", user="U0ANNA"),
    event(type="team_access_granted", team_ids=["T1"]),
    event(type="Something new\n<!channel>"),
)
LIMITED = {"type": "app_rate_limited", "team_id": "T0SANDBOX", "minute_rate_limited": 1518467820}


async def test_events_without_a_listener_are_acknowledged_and_ignored(harness: BotHarness) -> None:
    with capture_logs() as text:
        for payload in (*IGNORED, LIMITED):
            assert await post(harness, json.dumps(payload), "application/json") == 200
        # A NUL character in a command changes nothing either.
        typed = COMMAND | {"text": "he\0lp", "team_id": "T0SANDBOX", "trigger_id": "1.2.ab"}
        assert await post(harness, urlencode(typed)) == 200
        await harness.wait_for_message("Commands")
    event_lines = [line for line in text if str(line["event"]).startswith("slack.event")]
    assert [line["log_level"] for line in event_lines] == ["debug"] * len(IGNORED) + ["warning"]
    assert event_lines[-1]["team"] == "T0SANDBOX"
    assert "<!channel>" not in str(event_lines)


async def test_in_socket_mode_events_without_a_listener_are_acknowledged_too(tmp_path: Path) -> None:
    async with bot_harness(tmp_path) as harness, asyncio.timeout(60):
        for payload in (*IGNORED, LIMITED):
            assert await (await harness.slack.sockets.send("events_api", payload)) == {}


async def test_an_invalid_modal_state_is_refused_without_a_traceback(
    harness: BotHarness, capfd: pytest.CaptureFixture[str]
) -> None:
    payload = submission("abort_modal", "<!channel>")
    assert await post(harness, urlencode({"payload": json.dumps(payload)})) == 400
    text = "".join(capfd.readouterr())
    assert "slack.not_understood" in text
    assert "Traceback" not in text
    assert "<!channel>" not in text


async def test_a_bug_in_the_bot_gets_status_500(
    harness: BotHarness, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("services.features.accounts.form.ConnectAccountForm.read_input", broken)
    payload = submission("connect_modal", "{}")
    assert await post(harness, urlencode({"payload": json.dumps(payload)})) == 500
    text = "".join(capfd.readouterr())
    assert "answer.broken" in text
    assert "a bug" in text


async def test_a_failure_after_the_acknowledgement_does_not_change_its_status(harness: BotHarness) -> None:
    """Bolt would revoke the acknowledgement, and let Slack wait for three seconds."""
    payload = PRESS | {
        "view": {**VIEW, "callback_id": "subscription_modal"},
        "actions": [{"action_id": "pick_app", "selected_option": {"value": "x", "text": {"text": "x"}}}],
    }
    assert await post(harness, urlencode({"payload": json.dumps(payload)})) == 200
