"""Requests of Slack before its Web API has answered: each is answered at once, and none breaks the start."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web

from bot.app import Application
from bot.settings import Settings
from bot.slack.connection import answer_unavailable
from bot.slack.payload_validation import parse_payload
from bot.slack.tenancy import SingleWorkspace
from bot.timings import Timings
from services.slack.web_client import create_slack_session, web_client
from storage.repositories import Repositories
from tests.support.bot_harness import BotHarness
from tests.support.factories import NOON
from tests.support.stub_server import proxy_server, stub_server

FIELD = {"type": "input", "block_id": "reason", "label": {"type": "plain_text", "text": "Reason"}}
VIEW = {"id": "V0", "type": "modal", "callback_id": "x", "private_metadata": "", "state": {"values": {}}}
PERSON = {"user": {"id": "U0ANNA"}, "team": {"id": "T0SANDBOX"}}
COMMAND = {"command": "/bitrise", "text": "help", "user_id": "U0ANNA", "channel_id": "C0BUILDS"}
PRESS = {"type": "block_actions", "trigger_id": "1.2.ab", "actions": [{"action_id": "x"}], **PERSON}
CHALLENGE = {"type": "url_verification", "challenge": "abc"}


def mention(ts: str) -> dict[str, Any]:
    event = {
        "type": "app_mention",
        "user": "U0ANNA",
        "channel": "C0BUILDS",
        "ts": ts,
        "text": "<@U0BUILDBELL> help",
    }
    authorization = {"team_id": "T0SANDBOX", "user_id": "U0BUILDBELL"}
    return {
        "type": "event_callback",
        "team_id": "T0SANDBOX",
        "event_id": "Ev0MENTION",
        "authorizations": [authorization],
        "event": event,
    }


def submission(*blocks: object) -> dict[str, Any]:
    return {"type": "view_submission", "view": {**VIEW, "blocks": list(blocks)}, **PERSON}


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    """Run the simulators without the bot; `slack` fails each auth.test."""
    harness = BotHarness(tmp_path, http=True)
    await harness.open()
    harness.slack.fault("auth.test", "status", times=10**6, status=503)
    yield harness
    await harness.close()


async def post(
    harness: BotHarness, port: int, payload: dict[str, Any], *, form: bool = False
) -> tuple[int, str]:
    """Send a signed request of Slack; returns the status and body of the response."""
    if "command" in payload:
        body = urlencode(payload)
    else:
        body = urlencode({"payload": json.dumps(payload)}) if form else json.dumps(payload)
    kind = "application/x-www-form-urlencoded" if form or "command" in payload else "application/json"
    headers = harness.slack.delivery.sign(body) | {"Content-Type": kind}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{port}/slack/events", data=body, headers=headers) as answer,
    ):
        return answer.status, await answer.text()


async def test_requests_are_answered_while_slack_is_unreachable_and_handled_when_it_is_back(
    harness: BotHarness,
) -> None:
    bot = Application(
        Settings(_env_file=None, **harness.settings()),  # type: ignore[arg-type]
        timings=Timings(slack_retry_seconds=0.05),
    )
    running = asyncio.create_task(bot.run())
    try:
        await harness.wait_until(lambda: bot.port != 0)
        status, body = await post(harness, bot.port, COMMAND)
        assert (status, json.loads(body)["response_type"]) == (200, "ephemeral")
        assert "still connecting to Slack" in body
        status, body = await post(harness, bot.port, submission(FIELD), form=True)
        assert status == 200
        assert "still connecting to Slack" in json.loads(body)["errors"]["reason"]
        assert await post(harness, bot.port, PRESS, form=True) == (503, "")
        mentioned = mention(harness.users.say("anna", "builds", "Buildbell, help!").ts)
        assert await post(harness, bot.port, mentioned) == (503, "")
        # Slack's check of the URL needs no Web API.
        status, body = await post(harness, bot.port, CHALLENGE)
        assert (status, json.loads(body)) == (200, {"challenge": "abc"})
        assert not bot.ready.is_set()

        harness.slack.api.faults.clear()
        async with asyncio.timeout(30):
            await bot.ready.wait()
        # Slack delivers the event again, and it is not ignored as a duplicate.
        assert (await post(harness, bot.port, mentioned))[0] == 200
        await harness.slack.wait_for_post("builds", "/bitrise subscribe")
        assert not running.done()
    finally:
        bot.stop()
        await running


MALFORMED = [
    lambda: web.Response(text="ok"),
    lambda: web.Response(text="<html>", content_type="text/html"),
    lambda: web.json_response([1]),
    lambda: web.json_response({"ok": True}),
    lambda: web.Response(body=b"\x1f\x8b", content_type="application/gzip"),
]


@pytest.mark.parametrize("over_http", [True, False])
async def test_the_start_waits_while_slack_sends_malformed_responses(
    tmp_path: Path, over_http: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    harness = BotHarness(tmp_path, http=over_http)
    await harness.open()
    methods = ("auth.test",) if over_http else ("auth.test", "apps.connections.open")
    queues = {f"/api/{method}": list(MALFORMED) for method in methods}

    def malformed(path: str) -> web.Response | None:
        queue = queues.get(path)
        return queue.pop(0)() if queue else None

    async with proxy_server(harness.slack.url, malformed) as url:
        settings = {**harness.settings(), "slack_api_url": f"{url}/api/"}
        bot = Application(
            Settings(_env_file=None, **settings),  # type: ignore[arg-type]
            timings=Timings(slack_retry_seconds=0.01, ping_seconds=0.05),
        )
        running = asyncio.create_task(bot.run())
        try:
            async with asyncio.timeout(60):
                await bot.ready.wait()
            assert not any(queues.values())
            assert not running.done()
        finally:
            bot.stop()
            await running
            await harness.close()
    text = "".join(capfd.readouterr())
    assert text.count("slack.not_reachable") == len(MALFORMED) * len(methods)
    if over_http:  # with Socket Mode slack_sdk itself logs one for each attempt
        assert "Traceback" not in text


async def test_a_cancelled_request_does_not_affect_the_others(repositories: Repositories) -> None:
    identity = {"ok": True, "team_id": "T1", "team": "Acme", "bot_id": "B1", "user_id": "U1"}
    async with stub_server(lambda _: web.json_response(identity)) as slack, create_slack_session() as session:
        settings = Settings(
            _env_file=None,
            slack_bot_token="xoxb-none",
            slack_app_token="xapp-none",
            slack_api_url=f"{slack.url}/api/",
            bitrise_token="none",
        )  # type: ignore[call-arg, arg-type, unused-ignore]
        single_workspace = SingleWorkspace(
            web_client(settings.slack_api_url, settings.slack_bot_token, session, patient=True),
            repositories,
            lambda: NOON,
        )
        given_up = asyncio.create_task(single_workspace.authorize(None, "T1"))
        waiting = asyncio.create_task(single_workspace.authorize(None, "T1"))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        assert await single_workspace.connect() == "Acme"
        assert await single_workspace.connect() == "Acme"
        async with asyncio.timeout(30):
            found = await waiting
        assert found is not None
        assert (found.team_id, found.bot_user_id) == ("T1", "U1")


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        (submission(), 503),
        (submission({"type": "section", "block_id": "s"}), 503),
        (submission({"type": "input"}, "x", None), 503),
        ({"type": "view_submission", "view": {**VIEW, "blocks": "all"}, **PERSON}, 503),
        ({"type": "view_closed", "view": VIEW, **PERSON}, 503),
        ({"type": "shortcut", "callback_id": "x", "trigger_id": "1.2.ab", **PERSON}, 503),
        ({"type": "block_suggestion", "action_id": "x", **PERSON}, 503),
    ],
)
def test_payloads_without_a_place_for_a_text_get_only_a_status(payload: dict[str, Any], status: int) -> None:
    assert answer_unavailable(parse_payload(payload)) == (status, None)
