"""Attackers who can only reach the bot's address (SECURITY.md, A)."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest

from bot.manifest import manifest
from sandbox.bitrise.server import BitriseSimulator
from tests.support.bot_harness import BotHarness, WorkspaceHarness, bot_harness
from tests.support.forked_bot import forked_environment
from tests.support.request_recorder import RequestRecorder


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    async with bot_harness(tmp_path, http=True, webhook_secret="the-secret-of-the-webhook") as opened:
        yield opened


async def post(harness: BotHarness, path: str, body: str, **headers: str) -> int:
    content_type = {"Content-Type": "application/x-www-form-urlencoded"}
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{harness.bot.port}{path}"
        async with session.post(
            url, data=io.BytesIO(body.encode()), headers=content_type | headers
        ) as answer:
            return answer.status


def command_body(text: str) -> str:
    return urlencode(
        {
            "command": "/bitrise",
            "text": text,
            "user_id": "U0ANNA",
            "team_id": "T0SANDBOX",
            "channel_id": "C0BUILDS",
            "trigger_id": f"1.{text}",
        }
    )


async def test_a1_a_request_that_slack_did_not_sign_is_refused(harness: BotHarness) -> None:
    harness.bitrise.start_build(harness.bitrise.android)
    body = command_body("abort android #1")
    other_signature = harness.slack.delivery.sign(command_body("help"))
    assert await post(harness, "/slack/events", body) == 401
    assert await post(harness, "/slack/events", body, **other_signature) == 401
    assert (
        await post(harness, "/slack/events", body, **(other_signature | {"X-Slack-Signature": "v0=ü"})) == 401
    )
    assert harness.bitrise.state.builds[0].result is None


async def test_a2_a_request_of_slack_is_valid_for_five_minutes_and_once_even_after_a_kill(
    harness: BotHarness,
) -> None:
    body = command_body("trigger android branch:main")
    expired_signature = harness.slack.delivery.sign(body, at=int(time.time()) - 301)
    assert await post(harness, "/slack/events", body, **expired_signature) == 401
    signature = harness.slack.delivery.sign(body)
    assert [await post(harness, "/slack/events", body, **signature) for _ in range(3)] == [200] * 3
    await harness.wait_until(lambda: bool(harness.bitrise.state.builds))
    await harness.ask("/bitrise help", "Commands")
    assert len(harness.bitrise.state.builds) == 1

    async with forked_environment(manifest()) as environment:
        await environment.start(http=True, settings={"SERVICE_TOKEN_ACTS": "1"})
        workspace, recorder = WorkspaceHarness(environment.slack), RequestRecorder(environment.slack.delivery)
        await change_something_on_every_surface(workspace, environment.bitrise)
        changes = [request for request in environment.bitrise.requests if request.method != "GET"]
        assert len(changes) >= 6
        await environment.bot.kill()
        await environment.start_bot(http=True)
        await recorder.send_again(f"{await environment.bot_url()}/slack/events")
        await workspace.ask("/bitrise subscriptions", "Subscriptions")
        # The bot stops only after it has answered everything.
        assert await environment.bot.stop() == 0
        assert [request for request in environment.bitrise.requests if request.method != "GET"] == changes


async def change_something_on_every_surface(workspace: WorkspaceHarness, bitrise: BitriseSimulator) -> None:
    """Start builds with a command, a mention, a direct message, a button, a form, a shortcut and a workflow step."""
    workspace.users.invite("builds")
    await workspace.ask("/bitrise trigger android branch:main", "#1")
    workspace.users.say("anna", "builds", "@buildbell trigger android branch:main")
    await workspace.wait_for_message("#2")
    workspace.users.say("anna", "D0ANNA", "trigger android branch:main")
    await workspace.wait_for_message("#3", channel="D0ANNA")
    await workspace.ask("/bitrise subscribe android", "subscribed")
    bitrise.finish(bitrise.state.builds[0], "error")
    card = await workspace.ask("/bitrise build android #1", "failed")
    await workspace.press(card, "Rebuild", "#4")
    await workspace.users.shortcut("anna", "start_build")
    await workspace.slack.wait_for_modal("anna", "Workflow or pipeline")
    offered = await workspace.users.options("anna", "pick_app", "Sample Android")
    app = next(option for group in offered for option in group.get("options", [group]))
    await workspace.redraw("pick_app", app)
    branch = (await workspace.users.options("anna", "pick_branch", "feature/new"))[0]
    await workspace.users.submit("anna", {"branch": branch})
    await workspace.wait_for_message("#5", channel="D0ANNA")
    run = workspace.users.run_step("start_bitrise_build", {"app": "android", "branch": "main"})
    await workspace.slack.workspace.wait_for(lambda: run if run.status != "running" else None, 30, "the step")


async def test_a3_a_forged_webhook_call_causes_at_most_a_poll(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    call = json.dumps({"build_slug": "0" * 16, "build_status": 1, "app_slug": harness.bitrise.android.slug})
    assert await post(harness, "/webhooks/bitrise", call) == 404
    assert await post(harness, "/webhooks/bitrise?secret=the-secret-of-the-webhoom", call) == 404
    assert await post(harness, "/webhooks/bitrise?secret=the-secret-of-the-webhook", call) == 204
    await harness.wait_for_poll()
    assert await harness.rows("SELECT * FROM builds") == []


async def test_a5_public_pages_contain_no_name_and_no_token(harness: BotHarness) -> None:
    await harness.connect("anna")
    await harness.ask("/bitrise subscribe android", "subscribed")
    response = ""
    async with aiohttp.ClientSession() as session:
        for path in ("/healthz", "/readyz", "/metrics", "/", "/slack/events"):
            async with session.get(f"http://127.0.0.1:{harness.bot.port}{path}") as answer:
                response += await answer.text() + str(dict(answer.headers))
    for secret in ("bitpat_", "xoxb", "U0ANNA", "anna", "Sample Android", "C0BUILDS", "T0SANDBOX"):
        assert secret not in response


async def send_raw_request(harness: BotHarness, request: bytes) -> bytes:
    """Send these bytes to the bot's server, and return its response until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.bot.port)
    try:
        writer.write(request)
        async with asyncio.timeout(30):
            return await reader.read()
    finally:
        writer.close()


async def test_a6_a_body_that_is_too_large_or_endless_is_refused_by_its_headers(harness: BotHarness) -> None:
    forged = f"X-Slack-Signature: v0={'0' * 64}\r\nX-Slack-Request-Timestamp: {int(time.time())}\r\n"
    secret = "X-Buildbell-Secret: the-secret-of-the-webhook\r\n"
    too_much = f"Content-Length: {3 * 1024 * 1024}\r\n"
    for path, lines, status in (
        ("/slack/events", forged + too_much, 413),
        ("/slack/events", forged + "Transfer-Encoding: chunked\r\n", 411),
        ("/webhooks/bitrise", secret + too_much, 413),
    ):
        # Only the head is sent, so only the head can have decided.
        response = await send_raw_request(harness, f"POST {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
        assert response.startswith(b"HTTP/1.1 %d " % status), response
    await harness.ask("/bitrise help", "Commands")


async def test_a9_unsigned_bodies_are_not_kept_and_do_not_block_others(harness: BotHarness) -> None:
    head = "POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n%s\r\n"
    # Without a signature only the head decides.
    assert (await send_raw_request(harness, (head % "").encode())).startswith(b"HTTP/1.1 401 ")
    # With a forged one the body must be read first; all together may use no more memory than two of the largest.
    forged = f"X-Slack-Signature: v0={'0' * 64}\r\nX-Slack-Request-Timestamp: {int(time.time())}\r\n"
    holding = [await asyncio.open_connection("127.0.0.1", harness.bot.port) for _ in range(20)]
    try:
        for _, writer in holding:
            writer.write((head % forged).encode() + b"x" * 500_000)
        # Together they are larger than the limit, so the oldest connections are closed, and the newest is accepted.
        async with asyncio.timeout(30):
            with suppress(ConnectionResetError):
                assert await holding[0][0].read() == b""
        await harness.ask("/bitrise help", "Commands")
    finally:
        for _, writer in holding:
            writer.close()
