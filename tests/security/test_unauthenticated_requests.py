"""Whoever can reach the bot's address, and nothing else (SECURITY.md, A)."""

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
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{harness.bot.port}{path}"
        async with session.post(url, data=io.BytesIO(body.encode()), headers=kind | headers) as answer:
            return answer.status


def command(text: str) -> str:
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
    body = command("abort android #1")
    stolen = harness.slack.delivery.sign(command("help"))
    assert await post(harness, "/slack/events", body) == 401
    assert await post(harness, "/slack/events", body, **stolen) == 401
    assert await post(harness, "/slack/events", body, **(stolen | {"X-Slack-Signature": "v0=ü"})) == 401
    assert harness.bitrise.state.builds[0].result is None


async def test_a2_a_request_of_slacks_is_good_for_five_minutes_and_once_also_after_a_kill(
    harness: BotHarness,
) -> None:
    body = command("trigger android branch:main")
    old = harness.slack.delivery.sign(body, at=int(time.time()) - 301)
    assert await post(harness, "/slack/events", body, **old) == 401
    fresh = harness.slack.delivery.sign(body)
    assert [await post(harness, "/slack/events", body, **fresh) for _ in range(3)] == [200] * 3
    await harness.wait_until(lambda: bool(harness.bitrise.state.builds))
    await harness.ask("/bitrise help", "What you can type")
    assert len(harness.bitrise.state.builds) == 1

    async with forked_environment(manifest()) as stage:
        await stage.start(http=True, settings={"SERVICE_TOKEN_ACTS": "1"})
        people, mirror = WorkspaceHarness(stage.slack), RequestRecorder(stage.slack.delivery)
        await change_something_on_every_surface(people, stage.bitrise)
        changes = [one for one in stage.bitrise.requests if one.method != "GET"]
        assert len(changes) >= 6
        await stage.bot.kill()
        await stage.start_bot(http=True)
        await mirror.send_again(f"{await stage.bot_url()}/slack/events")
        await people.ask("/bitrise subscriptions", "This channel is told of")
        # It ends once everything was answered.
        assert await stage.bot.stop() == 0
        assert [one for one in stage.bitrise.requests if one.method != "GET"] == changes


async def change_something_on_every_surface(people: WorkspaceHarness, bitrise: BitriseSimulator) -> None:
    """By a command, a mention, a direct message, a button, a form, a shortcut and a workflow's step."""
    people.users.invite("builds")
    await people.ask("/bitrise trigger android branch:main", "#1")
    people.users.say("anna", "builds", "@buildbell trigger android branch:main")
    await people.wait_for_message("#2")
    people.users.say("anna", "D0ANNA", "trigger android branch:main")
    await people.wait_for_message("#3", channel="D0ANNA")
    await people.ask("/bitrise subscribe android", "subscribed")
    bitrise.finish(bitrise.state.builds[0], "error")
    card = await people.ask("/bitrise build android #1", "failed")
    await people.press(card, "Rebuild", "#4")
    await people.users.shortcut("anna", "start_build")
    await people.slack.wait_for_modal("anna", "Workflow or pipeline")
    offered = await people.users.options("anna", "pick_app", "Sample Android")
    app = next(one for group in offered for one in group.get("options", [group]))
    await people.redraw("pick_app", app)
    branch = (await people.users.options("anna", "pick_branch", "feature/new"))[0]
    await people.users.submit("anna", {"branch": branch})
    await people.wait_for_message("#5", channel="D0ANNA")
    run = people.users.run_step("start_bitrise_build", {"app": "android", "branch": "main"})
    await people.slack.workspace.wait_for(lambda: run if run.status != "running" else None, 30, "the step")


async def test_a3_a_forged_webhook_call_is_a_hint_at_most(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    call = json.dumps({"build_slug": "0" * 16, "build_status": 1, "app_slug": harness.bitrise.android.slug})
    assert await post(harness, "/webhooks/bitrise", call) == 404
    assert await post(harness, "/webhooks/bitrise?secret=the-secret-of-the-webhoom", call) == 404
    assert await post(harness, "/webhooks/bitrise?secret=the-secret-of-the-webhook", call) == 204
    await harness.wait_for_poll()
    assert await harness.rows("SELECT * FROM builds") == []


async def test_a5_what_anybody_may_read_names_nobody_and_holds_no_token(harness: BotHarness) -> None:
    await harness.connect("anna")
    await harness.ask("/bitrise subscribe android", "subscribed")
    said = ""
    async with aiohttp.ClientSession() as session:
        for path in ("/healthz", "/readyz", "/metrics", "/", "/slack/events"):
            async with session.get(f"http://127.0.0.1:{harness.bot.port}{path}") as answer:
                said += await answer.text() + str(dict(answer.headers))
    for secret in ("bitpat_", "xoxb", "U0ANNA", "anna", "Sample Android", "C0BUILDS", "T0SANDBOX"):
        assert secret not in said


async def say(harness: BotHarness, words: bytes) -> bytes:
    """What the bot's server says to these bytes until it hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.bot.port)
    try:
        writer.write(words)
        async with asyncio.timeout(30):
            return await reader.read()
    finally:
        writer.close()


async def test_a6_a_body_that_is_too_large_or_endless_is_refused_by_its_head(harness: BotHarness) -> None:
    forged = f"X-Slack-Signature: v0={'0' * 64}\r\nX-Slack-Request-Timestamp: {int(time.time())}\r\n"
    secret = "X-Buildbell-Secret: the-secret-of-the-webhook\r\n"
    too_much = f"Content-Length: {3 * 1024 * 1024}\r\n"
    for path, lines, status in (
        ("/slack/events", forged + too_much, 413),
        ("/slack/events", forged + "Transfer-Encoding: chunked\r\n", 411),
        ("/webhooks/bitrise", secret + too_much, 413),
    ):
        # Nothing but the head is sent, so nothing but the head can have decided.
        said = await say(harness, f"POST {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
        assert said.startswith(b"HTTP/1.1 %d " % status), said
    await harness.ask("/bitrise help", "What you can type")


async def test_a9_bodies_that_nobody_signed_are_not_held_and_keep_nobody_waiting(harness: BotHarness) -> None:
    head = "POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n%s\r\n"
    # Without a signature the head alone decides.
    assert (await say(harness, (head % "").encode())).startswith(b"HTTP/1.1 401 ")
    # With a made-up one a body must be read first; together they may hold no more than two of the largest.
    forged = f"X-Slack-Signature: v0={'0' * 64}\r\nX-Slack-Request-Timestamp: {int(time.time())}\r\n"
    holding = [await asyncio.open_connection("127.0.0.1", harness.bot.port) for _ in range(20)]
    try:
        for _, writer in holding:
            writer.write((head % forged).encode() + b"x" * 500_000)
        # All of them are larger than what may be held, so the oldest are hung up on, and the newest is let in.
        async with asyncio.timeout(30):
            with suppress(ConnectionResetError):
                assert await holding[0][0].read() == b""
        await harness.ask("/bitrise help", "What you can type")
    finally:
        for _, writer in holding:
            writer.close()
