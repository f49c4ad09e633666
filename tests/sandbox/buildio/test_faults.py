"""Faults of the Build.io simulator."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.sandbox.buildio.conftest import MemberClient


@pytest.mark.parametrize(
    ("kind", "more", "status", "body"),
    [
        (
            "status",
            {"status": 500},
            500,
            {"code": "internal_server_error", "message": "Internal Server Error"},
        ),
        ("status", {"status": 503}, 503, {"code": "service_unavailable", "message": "Service Unavailable"}),
        ("status", {"status": 401}, 401, {"code": "unauthorized", "message": "Unauthorized"}),
        (
            "error",
            {"status": 422, "words": "no more dynos"},
            422,
            {"code": "invalid_params", "message": "no more dynos"},
        ),
        ("html", {}, 500, None),
    ],
)
async def test_a_fault_uses_the_error_format_of_build_io(
    member_client: MemberClient, kind: str, more: dict[str, Any], status: int, body: Any
) -> None:
    member_client.buildio.fault("GET /api/v1/apps*", kind, **more)
    response = await member_client.ask("GET", "/apps/shop")
    assert (response.status, response.body) == (status, body)
    assert (await member_client.ask("GET", "/apps/shop")).status == 200
    assert member_client.buildio.violations == []


async def test_a_rate_limited_response_says_when_to_retry(member_client: MemberClient) -> None:
    member_client.buildio.fault("*", "ratelimited", seconds=7)
    response = await member_client.ask("GET", "/me")
    assert (response.status, response.code, response.headers["Retry-After"]) == (429, "rate_limited", "7")


async def test_a_dropped_connection_changes_nothing_but_a_lost_response_does(
    member_client: MemberClient,
) -> None:
    shop = member_client.buildio.shop
    for kind, deployments in (("dropped", 1), ("answer_lost", 2)):
        member_client.buildio.fault("POST /api/v1/apps/shop/builds", kind)
        with pytest.raises(aiohttp.ClientConnectionError):
            await member_client.ask("POST", "/apps/shop/builds", {})
        assert len(shop.deployments) == deployments


async def test_a_slow_response_times_out(member_client: MemberClient) -> None:
    member_client.buildio.fault("*", "slow", seconds=60)
    request = asyncio.create_task(member_client.ask("GET", "/me"))
    for _ in range(1000):
        if member_client.buildio.requests:
            break
        await asyncio.sleep(0.01)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert member_client.buildio.requests[-1].status == 0
    member_client.buildio.fault("*", "slow", seconds=0.01)
    assert await member_client.get("/me") == {"email": "anna-berg@acme.example"}


async def test_the_token_endpoint_can_fail_too(member_client: MemberClient) -> None:
    member_client.buildio.fault("POST /oauth/token", "status", status=503)
    async with member_client.session.post(f"{member_client.buildio.url}/oauth/token", data={}) as response:
        assert response.status == 503


async def test_a_response_can_be_rewritten(member_client: MemberClient) -> None:
    def twist(request_name: str, body: bytes) -> bytes:
        return b"[]" if request_name == "GET /api/v1/me" else body

    member_client.buildio.response_rewriter = twist
    assert await member_client.get("/me") == []
