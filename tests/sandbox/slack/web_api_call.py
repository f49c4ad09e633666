"""Calls to the simulated Web API, as an app makes them."""

from __future__ import annotations

from typing import Any

import aiohttp

from sandbox.slack.server import BOT_TOKEN, SlackSimulator


async def call_web_api(
    slack: SlackSimulator, method: str, *, token: str = BOT_TOKEN, **arguments: Any
) -> dict[str, Any]:
    """Call a method; returns its response with HTTP status and headers."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        aiohttp.ClientSession() as session,
        session.post(slack.api_url + method, data=arguments, headers=headers) as response,
    ):
        return {"status": response.status, "headers": dict(response.headers), **(await response.json())}
