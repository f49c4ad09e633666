"""Bitrise's outgoing webhooks: a hint to look now, for those who know the secret."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import aiohttp
import pytest

from tests.town import Town, open_town

BODY = b'{"build_slug": "x", "build_status": 1}'


async def call(town: Town, secret: str, *, signature: str | None = None, body: bytes = BODY) -> int:
    headers = {"Bitrise-Event-Type": "build/finished"}
    headers |= {"Bitrise-Hook-Signature": signature} if signature else {}
    url = f"http://127.0.0.1:{town.bot.port}/webhooks/bitrise"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, params={"secret": secret}, data=body, headers=headers) as response,
    ):
        return response.status


def signed(body: bytes, secret: str) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def test_a_call_makes_the_bot_look_at_once_and_believes_nothing_else(tmp_path: Path) -> None:
    async with open_town(tmp_path, webhook_secret="in-the-url", poll_interval="600") as town:
        await town.ask("/bitrise subscribe android", "subscribed")
        build = town.bitrise.start_build(town.bitrise.android)
        town.bitrise.finish(build, "error")
        assert await call(town, "in-the-url") == 204
        # what the call says (a success) is not believed; what Bitrise says is
        await town.told("Sample Android #1 failed", person=None)


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
    async with open_town(tmp_path, webhook_secret="in-the-url", bitrise_webhook_secret="bitrise's") as town:
        assert await call(town, secret, signature=signature) == status


async def test_without_a_secret_there_is_no_such_address(town: Town) -> None:
    assert await call(town, "") == 404


async def test_a_huge_call_is_refused(tmp_path: Path) -> None:
    async with open_town(tmp_path, webhook_secret="s", bitrise_webhook_secret="b") as town:
        assert await call(town, "s", body=b"x" * 300_000, signature="sha256=x") == 413
