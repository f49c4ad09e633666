"""The bot's HTTP server: public pages, pages that need a token, and limits of requests."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.signature import SignatureVerifier

from bot import http_server as limits
from bot.http_server import HttpServer
from domain.credentials import secrets_equal
from sandbox.faults import Fault
from sandbox.slack.server import SIGNING_SECRET
from services import http_body
from tests.support.bot_harness import bot_harness


def signed_headers(body: bytes) -> dict[str, str]:
    """Return the signature headers of Slack for a body."""
    now = str(int(time.time()))
    signature = SignatureVerifier(SIGNING_SECRET).generate_signature(timestamp=now, body=body)
    return {"X-Slack-Request-Timestamp": now, "X-Slack-Signature": str(signature)}


@asynccontextmanager
async def server(
    token: str | None = None, slack: AsyncApp | None = None, now: Callable[[], float] = time.time
) -> AsyncIterator[int]:
    async def readiness() -> tuple[bool, Mapping[str, Any]]:
        return True, {}

    async def metrics() -> bytes:
        return b"buildbell_outbox_depth 0.0\n"

    http_server = HttpServer(
        readiness=readiness,
        metrics=metrics,
        slack=slack,
        signing_secret=SecretStr(SIGNING_SECRET) if slack is not None else None,
        metrics_token=SecretStr(token) if token else None,
        clock=now,
    )
    await http_server.start("127.0.0.1", 0)
    try:
        yield http_server.port
    finally:
        await http_server.stop()


async def send_raw_request(port: int, *pieces: bytes) -> bytes:
    """Send these bytes, and return the response until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(30):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (b"", 401),
        (b"Authorization: Bearer t0p", 200),
        (b"Authorization: bearer t0p", 200),
        (b"Authorization: Bearer t0", 401),
        (b"Authorization: Bearer t0p-and-more", 401),
        (b"Authorization: Bearer", 401),
        (b"Authorization: Basic t0p", 401),
        (b"Authorization: t0p", 401),
        ("Authorization: Bearer tōp".encode(), 401),
        (b"Authorization: Bearer \xff\xfe", 401),
    ],
)
async def test_metrics_need_the_token(authorization: bytes, status: int) -> None:
    head = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    async with server("t0p") as port:
        response = await send_raw_request(
            port, head + authorization + (b"\r\n\r\n" if authorization else b"\r\n")
        )
    assert response.startswith(b"HTTP/1.1 %d " % status)
    assert (b"buildbell_outbox_depth" in response) is (status == 200)
    assert (b"WWW-Authenticate: Bearer" in response) is (status == 401)


async def test_health_and_readiness_are_public_and_name_nobody(tmp_path: Path) -> None:
    async with (
        bot_harness(tmp_path, metrics_token="t0p") as harness,
        aiohttp.ClientSession(f"http://127.0.0.1:{harness.bot.port}") as session,
    ):
        await harness.ask("/bitrise subscribe android", "subscribed")
        await harness.wait_for_poll()
        async with session.get("/healthz") as response:
            assert (response.status, await response.text()) == (200, "ok\n")
        async with session.get("/readyz") as response:
            assert response.status == 200
            ready = json.loads(await response.text())
        assert set(ready) == {
            "ready",
            "roles",
            "slack",
            "sockets",
            "database",
            "bitrise_failures",
            "buildio_failures",
            "last_look",
        }
        assert not any(word in str(ready).lower() for word in ("android", "anna", "xox", "token"))
        async with session.get("/metrics") as response:
            assert response.status == 401
        async with session.get("/metrics", headers={"Authorization": "Bearer t0p"}) as response:
            assert "buildbell_subscriptions 1.0" in await response.text()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: x\r\n" % n for n in range(200)) + b"\r\n",
    ],
)
async def test_too_large_headers_are_refused(head: bytes) -> None:
    async with server() as port:
        assert (await send_raw_request(port, head)).split()[1] == b"400"


async def test_headers_that_are_too_large_together_are_refused_and_the_connection_closed() -> None:
    """The connection would keep them in memory until its next request."""
    each = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 8000) for number in range(3))
    async with server() as port:
        head = b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + each
        assert (await send_raw_request(port, head + b"Connection: close\r\n\r\n")).split()[1] == b"200"
        assert (await send_raw_request(port, head + each.replace(b"X-", b"Y-") + b"\r\n")).split()[
            1
        ] == b"431"


async def test_a_connection_with_an_unfinished_head_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "IDLE_SECONDS", 0.1)
    async with server() as port:
        assert await send_raw_request(port) == b""
        assert await send_raw_request(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-More:") == b""


async def test_a_request_with_an_unfinished_body_times_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_body, "BODY_SECONDS", 0.1)
    slow = b"POST %s HTTP/1.1\r\nHost: x\r\nX-Buildbell-Secret: s\r\nContent-Length: 100\r\n%s\r\n{"
    async with bot_harness(tmp_path, http=True, webhook_secret="s") as harness:
        for path in (b"/webhooks/bitrise", b"/slack/events"):
            assert (await send_raw_request(harness.bot.port, slow % (path, forged_headers()))).startswith(
                b"HTTP/1.1 408 "
            )


def forged_headers(at: float | None = None, signature: str = "v0=" + "0" * 64) -> bytes:
    """Return header lines that look like Slack's but have a wrong signature."""
    now = int(time.time() if at is None else at)
    return f"X-Slack-Signature: {signature}\r\nX-Slack-Request-Timestamp: {now}\r\n".encode()


async def test_a_request_that_cannot_be_slacks_is_refused_before_its_body_and_the_connection_closed(
    tmp_path: Path,
) -> None:
    length = b"Content-Length: 9\r\n"
    cases = [
        (length, 401),
        (length + forged_headers(signature="v0=00"), 401),
        (length + forged_headers(signature="v0=" + "A" * 64), 401),
        (length + forged_headers(signature="v0=" + "0" * 65), 401),
        (length + forged_headers(signature="v0=" + "\u0660" * 64), 401),
        (length + b"X-Slack-Signature: v0=" + b"0" * 64 + b"\r\n", 401),
        (length + forged_headers().replace(b"Timestamp: ", b"Timestamp: -"), 401),
        (length + forged_headers(at=10**15), 401),
        (length + forged_headers(at=time.time() - 1000), 401),
        (length + forged_headers(at=time.time() + 1000), 401),
        (b"Connection: close\r\n" + forged_headers(), 411),
        (b"Transfer-Encoding: chunked\r\n" + forged_headers(), 411),
        (b"Content-Length: %d\r\n" % (limits.MAX_BODY_BYTES + 1) + forged_headers(), 413),
        (length + b"Content-Encoding: gzip\r\n" + forged_headers(), 415),
    ]
    async with bot_harness(tmp_path, http=True) as harness:
        for lines, status in cases:
            head = b"POST /slack/events HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n"
            # `send_raw_request` returns only after the server has closed the connection.
            assert (await send_raw_request(harness.bot.port, head)).startswith(b"HTTP/1.1 %d " % status), (
                lines
            )


async def test_malformed_requests_get_a_client_error(tmp_path: Path) -> None:
    json_type = {"Content-Type": "application/json"}
    brackets = b"[" * 100_000
    cases: list[tuple[dict[str, str], bytes, int]] = [
        (signed_headers(b"{}"), b"[]", 401),
        (signed_headers(b"{}") | json_type, brackets, 401),
        (signed_headers(brackets) | json_type, brackets, 400),
        (signed_headers(b"{}") | json_type, b"\xff\xfe", 401),
        (signed_headers(b"{}") | {"Content-Type": "application/json; charset=none"}, b"{}", 400),
        (signed_headers(b"{}") | json_type, b"{}", 400),
        (signed_headers(b"") | json_type, b"", 400),
    ]
    async with (
        bot_harness(tmp_path, http=True) as harness,
        aiohttp.ClientSession(f"http://127.0.0.1:{harness.bot.port}") as session,
    ):
        for headers, body, status in cases:
            async with session.post("/slack/events", data=body, headers=headers) as response:
                assert response.status == status, (headers, body[:20])


async def test_the_age_of_a_request_is_checked_with_the_servers_clock() -> None:
    signed = signed_headers(b"{}")
    sent_at = int(signed["X-Slack-Request-Timestamp"])
    for ahead, status in ((0, 400), (299, 400), (301, 401), (-301, 401)):
        lines = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
        head = f"POST /slack/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n{lines}\r\n{{}}"
        slack = AsyncApp(token="xoxb-none", signing_secret=SIGNING_SECRET)
        async with server(now=partial(float, sent_at + ahead), slack=slack) as port:
            assert (await send_raw_request(port, head.encode())).startswith(b"HTTP/1.1 %d " % status)


@given(st.text(st.characters()), st.text(st.characters(), min_size=1))
def test_a_secret_equals_only_itself_and_any_text_can_be_compared(text: str, secret: str) -> None:
    assert secrets_equal(text, secret) is (text == secret)
    assert secrets_equal(secret, SecretStr(secret))
    assert not secrets_equal(text, "")


async def test_a_bot_that_stops_accepts_no_more_requests(tmp_path: Path) -> None:
    """Whatever it still acknowledged would be cut off when it closes its database."""
    async with bot_harness(tmp_path, http=True) as harness:
        await harness.ask("/bitrise subscribe android", "subscribed to")
        post = Fault("chat.postMessage", "held")
        harness.slack.api.faults.add(post)
        harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "success")
        await harness.wait_until(lambda: bool(harness.slack.api.faults.held))
        harness.bot.stop()
        # It finishes the message first.
        accepted = 0
        while await harness.slack.users.command("anna", "builds", "/bitrise whoami") is not None:
            accepted += 1
            assert accepted < 20
        post.released.set()
        await harness.stop_bot()
        await harness.wait_for_message("#1 passed", person=None)
