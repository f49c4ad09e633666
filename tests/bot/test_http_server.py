"""The bot's own HTTP server: what everybody may see, what only who knows a token, and what is too much."""

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
from domain.constant_time import secrets_equal
from sandbox.slack.server import SIGNING_SECRET
from services import http_body
from tests.support.bot_harness import bot_harness


def headers_of(body: bytes) -> dict[str, str]:
    """The headers by which the bot knows that bytes are Slack's."""
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

    one = HttpServer(
        readiness=readiness,
        metrics=metrics,
        slack=slack,
        signing_secret=SecretStr(SIGNING_SECRET) if slack is not None else None,
        metrics_token=SecretStr(token) if token else None,
        clock=now,
    )
    await one.start("127.0.0.1", 0)
    try:
        yield one.port
    finally:
        await one.stop()


async def send_raw_request(port: int, *pieces: bytes) -> bytes:
    """What the server says to these bytes until it hangs up, or says no more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(10):
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
async def test_metrics_are_for_who_knows_the_token(authorization: bytes, status: int) -> None:
    head = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    async with server("t0p") as port:
        said = await send_raw_request(
            port, head + authorization + (b"\r\n\r\n" if authorization else b"\r\n")
        )
    assert said.startswith(b"HTTP/1.1 %d " % status)
    assert (b"buildbell_outbox_depth" in said) is (status == 200)
    assert (b"WWW-Authenticate: Bearer" in said) is (status == 401)


async def test_health_and_readiness_stay_open_and_tell_of_nobody(tmp_path: Path) -> None:
    async with (
        bot_harness(tmp_path, metrics_token="t0p") as town,
        aiohttp.ClientSession(f"http://127.0.0.1:{town.bot.port}") as session,
    ):
        await town.ask("/bitrise subscribe android", "subscribed")
        await town.wait_for_poll()
        async with session.get("/healthz") as response:
            assert (response.status, await response.text()) == (200, "ok\n")
        async with session.get("/readyz") as response:
            assert response.status == 200
            ready = json.loads(await response.text())
        assert set(ready) == {
            "ready",
            "slack",
            "sockets",
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
async def test_a_head_without_an_end_is_refused(head: bytes) -> None:
    async with server() as port:
        assert (await send_raw_request(port, head)).split()[1] == b"400"


async def test_headers_that_are_too_large_together_are_refused_and_hung_up_on() -> None:
    """The connection would keep them until its next request comes."""
    each = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 8000) for number in range(3))
    async with server() as port:
        head = b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + each
        assert (await send_raw_request(port, head + b"Connection: close\r\n\r\n")).split()[1] == b"200"
        assert (await send_raw_request(port, head + each.replace(b"X-", b"Y-") + b"\r\n")).split()[
            1
        ] == b"431"


async def test_a_request_whose_head_never_ends_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "IDLE_SECONDS", 0.1)
    async with server() as port:
        assert await send_raw_request(port) == b""
        assert await send_raw_request(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-More:") == b""


async def test_a_request_whose_body_never_ends_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_body, "BODY_SECONDS", 0.1)
    slow = b"POST %s HTTP/1.1\r\nHost: x\r\nX-Buildbell-Secret: s\r\nContent-Length: 100\r\n%s\r\n{"
    async with bot_harness(tmp_path, http=True, webhook_secret="s") as town:
        for path in (b"/webhooks/bitrise", b"/slack/events"):
            assert (await send_raw_request(town.bot.port, slow % (path, forged()))).startswith(
                b"HTTP/1.1 408 "
            )


def forged(at: float | None = None, signature: str = "v0=" + "0" * 64) -> bytes:
    """The lines of a head that looks like one of Slack's, and is not signed by it."""
    now = int(time.time() if at is None else at)
    return f"X-Slack-Signature: {signature}\r\nX-Slack-Request-Timestamp: {now}\r\n".encode()


async def test_what_cannot_be_slacks_is_refused_before_its_body_comes_and_hung_up_on(tmp_path: Path) -> None:
    length = b"Content-Length: 9\r\n"
    cases = [
        (length, 401),
        (length + forged(signature="v0=00"), 401),
        (length + forged(signature="v0=" + "A" * 64), 401),
        (length + forged(signature="v0=" + "0" * 65), 401),
        (length + forged(signature="v0=" + "\u0660" * 64), 401),
        (length + b"X-Slack-Signature: v0=" + b"0" * 64 + b"\r\n", 401),
        (length + forged().replace(b"Timestamp: ", b"Timestamp: -"), 401),
        (length + forged(at=10**15), 401),
        (length + forged(at=time.time() - 1000), 401),
        (length + forged(at=time.time() + 1000), 401),
        (b"Connection: close\r\n" + forged(), 411),
        (b"Transfer-Encoding: chunked\r\n" + forged(), 411),
        (b"Content-Length: %d\r\n" % (limits.MAX_BODY_BYTES + 1) + forged(), 413),
        (length + b"Content-Encoding: gzip\r\n" + forged(), 415),
    ]
    async with bot_harness(tmp_path, http=True) as town:
        for lines, status in cases:
            head = b"POST /slack/events HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n"
            # `say` ends only once the server has hung up.
            assert (await send_raw_request(town.bot.port, head)).startswith(b"HTTP/1.1 %d " % status), lines


async def test_slacks_requests_are_bounded_and_nothing_odd_breaks_their_reading(tmp_path: Path) -> None:
    json_type = {"Content-Type": "application/json"}
    brackets = b"[" * 100_000
    cases: list[tuple[dict[str, str], bytes, int]] = [
        (headers_of(b"{}"), b"[]", 401),
        (headers_of(b"{}") | json_type, brackets, 401),
        (headers_of(brackets) | json_type, brackets, 400),
        (headers_of(b"{}") | json_type, b"\xff\xfe", 401),
        (headers_of(b"{}") | {"Content-Type": "application/json; charset=none"}, b"{}", 400),
        (headers_of(b"{}") | json_type, b"{}", 400),
        (headers_of(b"") | json_type, b"", 400),
    ]
    async with (
        bot_harness(tmp_path, http=True) as town,
        aiohttp.ClientSession(f"http://127.0.0.1:{town.bot.port}") as session,
    ):
        for headers, body, status in cases:
            async with session.post("/slack/events", data=body, headers=headers) as response:
                assert response.status == status, (headers, body[:20])


async def test_slacks_time_is_the_one_that_the_server_was_given() -> None:
    signed = headers_of(b"{}")
    sent_at = int(signed["X-Slack-Request-Timestamp"])
    for ahead, status in ((0, 400), (299, 400), (301, 401), (-301, 401)):
        lines = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
        head = f"POST /slack/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n{lines}\r\n{{}}"
        slack = AsyncApp(token="xoxb-none", signing_secret=SIGNING_SECRET)
        async with server(now=partial(float, sent_at + ahead), slack=slack) as port:
            assert (await send_raw_request(port, head.encode())).startswith(b"HTTP/1.1 %d " % status)


@given(st.text(st.characters()), st.text(st.characters(), min_size=1))
def test_a_secret_is_known_by_itself_alone_and_any_text_may_be_asked_about(given: str, secret: str) -> None:
    assert secrets_equal(given, secret) is (given == secret)
    assert secrets_equal(secret, SecretStr(secret))
    assert not secrets_equal(given, "")
