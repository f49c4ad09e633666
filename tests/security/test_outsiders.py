"""Whoever can reach the bot's address, and nothing else (SECURITY.md, A)."""

from __future__ import annotations

import io
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest

from tests.town import Town, open_town


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with open_town(tmp_path, http=True, webhook_secret="the-secret-of-the-webhook") as opened:
        yield opened


async def post(town: Town, path: str, body: str, **headers: str) -> int:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{town.bot.port}{path}"
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


async def test_a1_a_request_that_slack_did_not_sign_is_refused(town: Town) -> None:
    town.bitrise.start_build(town.bitrise.android)
    body = command("abort android #1")
    stolen = town.slack.delivery.signed(command("help"))
    assert await post(town, "/slack/events", body) == 401
    assert await post(town, "/slack/events", body, **stolen) == 401
    assert await post(town, "/slack/events", body, **(stolen | {"X-Slack-Signature": "v0=ü"})) == 401
    assert town.bitrise.farm.builds[0].result is None


async def test_a2_a_request_of_slacks_is_good_for_five_minutes_and_once(town: Town) -> None:
    body = command("trigger android branch:main")
    old = town.slack.delivery.signed(body, at=int(time.time()) - 301)
    assert await post(town, "/slack/events", body, **old) == 401
    fresh = town.slack.delivery.signed(body)
    assert [await post(town, "/slack/events", body, **fresh) for _ in range(3)] == [200] * 3
    await town.until(lambda: bool(town.bitrise.farm.builds))
    await town.ask("/bitrise help", "What you can type")
    assert len(town.bitrise.farm.builds) == 1


async def test_a3_a_forged_webhook_call_is_a_hint_at_most(town: Town) -> None:
    await town.ask("/bitrise subscribe android", "subscribed")
    call = json.dumps({"build_slug": "0" * 16, "build_status": 1, "app_slug": town.bitrise.android.slug})
    assert await post(town, "/webhooks/bitrise", call) == 404
    assert await post(town, "/webhooks/bitrise?secret=the-secret-of-the-webhoom", call) == 404
    assert await post(town, "/webhooks/bitrise?secret=the-secret-of-the-webhook", call) == 204
    await town.looked()
    assert await town.rows("SELECT * FROM builds") == []


async def test_a5_what_anybody_may_read_names_nobody_and_holds_no_token(town: Town) -> None:
    await town.connect("anna")
    await town.ask("/bitrise subscribe android", "subscribed")
    said = ""
    async with aiohttp.ClientSession() as session:
        for path in ("/healthz", "/readyz", "/metrics", "/", "/slack/events"):
            async with session.get(f"http://127.0.0.1:{town.bot.port}{path}") as answer:
                said += await answer.text() + str(dict(answer.headers))
    for secret in ("bitpat_", "xoxb", "U0ANNA", "anna", "Sample Android", "C0BUILDS", "T0SANDBOX"):
        assert secret not in said


async def test_a6_a_body_that_is_too_large_is_not_read(town: Town) -> None:
    body = "payload=" + "x" * (3 * 1024 * 1024)
    signed = town.slack.delivery.signed(body)
    assert await post(town, "/slack/events", body, **signed) in (400, 413)
    assert await post(town, "/webhooks/bitrise?secret=the-secret-of-the-webhook", body) == 413
    await town.ask("/bitrise help", "What you can type")
