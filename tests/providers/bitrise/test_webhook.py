"""Bitrise's outgoing webhooks: calls with the secret make the bot poll now."""

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


async def call_webhook(
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


def sign(body: bytes, secret: str) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def test_a_call_makes_the_bot_poll_at_once_but_its_content_is_not_trusted(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, webhook_secret="in-the-url", poll_interval="600") as harness:
        await harness.ask("/bitrise subscribe android", "subscribed")
        build = harness.bitrise.start_build(harness.bitrise.android)
        harness.bitrise.finish(build, "error")
        assert await call_webhook(harness, "in-the-url") == 204
        # The call says that the build succeeded; the result comes from Bitrise's API instead.
        await harness.wait_for_message("Sample Android #1 failed", person=None)


@pytest.mark.parametrize(
    ("secret", "signature", "status"),
    [
        ("wrong", sign(BODY, "bitrise's"), 404),
        ("", sign(BODY, "bitrise's"), 404),
        ("in-the-url", None, 403),
        ("in-the-url", sign(BODY, "another"), 403),
        ("in-the-url", sign(b"another body", "bitrise's"), 403),
        ("in-the-url", sign(BODY, "bitrise's"), 204),
    ],
)
async def test_a_call_needs_the_secret_and_a_valid_signature(
    tmp_path: Path, secret: str, signature: str | None, status: int
) -> None:
    async with bot_harness(
        tmp_path, webhook_secret="in-the-url", bitrise_webhook_secret="bitrise's"
    ) as harness:
        assert await call_webhook(harness, secret, signature=signature) == status


async def test_without_a_configured_secret_the_endpoint_does_not_exist(harness: BotHarness) -> None:
    assert await call_webhook(harness, "") == 404


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
async def test_the_secret_may_come_in_a_header_which_proxies_do_not_log(
    tmp_path: Path, secret: str | None, header: str | None, status: int
) -> None:
    async with bot_harness(tmp_path, webhook_secret="in-a-header") as harness:
        assert await call_webhook(harness, secret, header=header) == status


async def test_headers_that_are_not_valid_text_are_refused(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, webhook_secret="s", bitrise_webhook_secret="b") as harness:
        for header in (b"X-Buildbell-Secret: \xff", b"X-Buildbell-Secret: s\r\nBitrise-Hook-Signature: \xff"):
            reader, writer = await asyncio.open_connection("127.0.0.1", harness.bot.port)
            head = b"POST /webhooks/bitrise HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n"
            writer.write(head + header + b"\r\n\r\n")
            status = (await reader.readline()).split()[1]
            writer.close()
            assert status == (b"403" if b"Signature" in header else b"404")


async def test_the_signature_covers_the_whole_body_even_if_it_is_sent_in_chunks(tmp_path: Path) -> None:
    body = b'{"build_slug": "x", "padding": "' + b"x" * 200_000 + b'"}'

    async def send_chunks(size: int) -> AsyncIterator[bytes]:
        for start in range(0, size, 10_000):
            yield body[start : start + 10_000]
            await asyncio.sleep(0)

    async with bot_harness(tmp_path, webhook_secret="s", bitrise_webhook_secret="b") as harness:
        signature = sign(body, "b")
        assert await call_webhook(harness, "s", body=send_chunks(len(body)), signature=signature) == 204
        assert await call_webhook(harness, "s", body=send_chunks(100_000), signature=signature) == 403


@pytest.mark.parametrize("signing", ["b", ""])
async def test_a_call_that_is_too_large_is_refused_with_or_without_a_content_length(
    tmp_path: Path, signing: str
) -> None:
    async def send_chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b"x" * 10_000

    async with bot_harness(tmp_path, webhook_secret="s", bitrise_webhook_secret=signing) as harness:
        assert await call_webhook(harness, "s", body=b"x" * 300_000, signature="sha256=x") == 413
        assert await call_webhook(harness, "s", body=send_chunks(), signature="sha256=x") == 413
