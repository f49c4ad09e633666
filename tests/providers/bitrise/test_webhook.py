"""Bitrise's outgoing webhooks: a hint to look now, for those who know the secret."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.bot_harness import BotHarness, bot_harness

BODY = b'{"build_slug": "x", "build_status": 1}'


async def call(
    harness: BotHarness,
    secret: str | None,
    *,
    signature: str | None = None,
    body: bytes | AsyncIterator[bytes] = BODY,
    header: str | None = None,
) -> int:
    headers = {"Bitrise-Event-Type": "build/finished"}
    headers |= {"X-Buildbell-Secret": header} if header is not None else {}
    headers |= {"Bitrise-Hook-Signature": signature} if signature else {}
    url = f"http://127.0.0.1:{harness.bot.port}/webhooks/bitrise"
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            url, params={"secret": secret} if secret is not None else {}, data=body, headers=headers
        ) as response,
    ):
        return response.status


def signed(body: bytes, secret: str) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def test_a_call_makes_the_bot_look_at_once_and_believes_nothing_else(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, webhook_secret="in-the-url", poll_interval="600") as town:
        await town.ask("/bitrise subscribe android", "subscribed")
        build = town.bitrise.start_build(town.bitrise.android)
        town.bitrise.finish(build, "error")
        assert await call(town, "in-the-url") == 204
        # what the call says (a success) is not believed; what Bitrise says is
        await town.wait_for_message("Sample Android #1 failed", person=None)


@pytest.mark.parametrize(
    ("secret", "signature", "status"),
    [
        ("wrong", signed(BODY, "bitrise's"), 404),
        ("", signed(BODY, "bitrise's"), 404),
        ("in-the-url", None, 403),
        ("in-the-url", signed(BODY, "another"), 403),
        ("in-the-url", signed(b"another body", "bitrise's"), 403),
        ("in-the-url", signed(BODY, "bitrise's"), 204),
    ],
)
async def test_only_who_knows_both_secrets_is_heard(
    tmp_path: Path, secret: str, signature: str | None, status: int
) -> None:
    async with bot_harness(tmp_path, webhook_secret="in-the-url", bitrise_webhook_secret="bitrise's") as town:
        assert await call(town, secret, signature=signature) == status


async def test_without_a_secret_there_is_no_such_address(harness: BotHarness) -> None:
    assert await call(harness, "") == 404


@pytest.mark.parametrize(
    ("secret", "header", "status"),
    [
        (None, "in-a-header", 204),
        ("in-a-header", None, 204),
        ("wrong", "in-a-header", 204),
        ("in-a-header", "wrong", 404),
        ("in-a-header", "", 404),
        (None, "in-a-header-and-more", 404),
        (None, "in-a", 404),
        (None, "in-ä-header", 404),
        (None, None, 404),
        ("in-ä-header\u200b", None, 404),
    ],
)
async def test_the_secret_may_come_in_a_header_which_no_proxy_writes_down(
    tmp_path: Path, secret: str | None, header: str | None, status: int
) -> None:
    async with bot_harness(tmp_path, webhook_secret="in-a-header") as town:
        assert await call(town, secret, header=header) == status


async def test_bytes_that_are_no_text_are_no_secret(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, webhook_secret="s", bitrise_webhook_secret="b") as town:
        for line in (b"X-Buildbell-Secret: \xff", b"X-Buildbell-Secret: s\r\nBitrise-Hook-Signature: \xff"):
            reader, writer = await asyncio.open_connection("127.0.0.1", town.bot.port)
            head = b"POST /webhooks/bitrise HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n"
            writer.write(head + line + b"\r\n\r\n")
            status = (await reader.readline()).split()[1]
            writer.close()
            assert status == (b"403" if b"Signature" in line else b"404")


async def test_the_signature_is_that_of_the_whole_body_however_it_comes(tmp_path: Path) -> None:
    body = b'{"build_slug": "x", "padding": "' + b"x" * 200_000 + b'"}'

    async def piecemeal(upto: int) -> AsyncIterator[bytes]:
        for start in range(0, upto, 10_000):
            yield body[start : start + 10_000]
            await asyncio.sleep(0)

    async with bot_harness(tmp_path, webhook_secret="s", bitrise_webhook_secret="b") as town:
        signature = signed(body, "b")
        assert await call(town, "s", body=piecemeal(len(body)), signature=signature) == 204
        assert await call(town, "s", body=piecemeal(100_000), signature=signature) == 403


@pytest.mark.parametrize("signing", ["b", ""])
async def test_a_huge_call_is_refused_also_where_its_head_does_not_say_how_huge(
    tmp_path: Path, signing: str
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b"x" * 10_000

    async with bot_harness(tmp_path, webhook_secret="s", bitrise_webhook_secret=signing) as town:
        assert await call(town, "s", body=b"x" * 300_000, signature="sha256=x") == 413
        assert await call(town, "s", body=pieces(), signature="sha256=x") == 413
