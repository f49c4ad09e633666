"""Requests to the bot as Slack sends them: signed, and with valid handles."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import urlencode

import aiohttp

from sandbox.slack.server import SIGNING_SECRET
from tests.support.bot_harness import BotHarness


def encode_body(form: str, payload: Any) -> bytes:
    """Return the payload as a request body; `form` is `command`, `payload`, or `""` for JSON."""
    if form == "":
        return json.dumps(payload).encode()
    fields = {"payload": json.dumps(payload)}
    if form == "command" and isinstance(payload, dict):
        fields = {
            name: value if isinstance(value, str) else json.dumps(value) for name, value in payload.items()
        }
    return urlencode(fields, errors="surrogatepass").encode()


def content_type(form: str) -> str:
    """Return the content type of the form."""
    return "application/x-www-form-urlencoded" if form else "application/json"


def signature_headers(body: bytes) -> dict[str, str]:
    """Return Slack's signature headers."""
    timestamp = str(int(time.time()))
    digest = hmac.new(SIGNING_SECRET.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": f"v0={digest}"}


class RequestSender:
    """Sends requests to the bot over HTTP, in parallel."""

    def __init__(self, harness: BotHarness) -> None:
        self._harness = harness
        self._session = aiohttp.ClientSession()

    async def close(self) -> None:
        """Close the session."""
        await self._session.close()

    async def send(self, body: bytes, content_type: str) -> tuple[int, str]:
        """Send a signed request; returns status and text of the response."""
        url = f"http://127.0.0.1:{self._harness.bot.port}/slack/events"
        headers = signature_headers(body) | {"Content-Type": content_type}
        async with self._session.post(url, data=body, headers=headers) as response:
            return response.status, await response.text()

    async def post(self, path: str, body: bytes, **options: Any) -> tuple[int, str]:
        """Send an unsigned request to another address of the bot."""
        url = f"http://127.0.0.1:{self._harness.bot.port}{path}"
        async with self._session.post(url, data=body, **options) as response:
            return response.status, await response.text()

    def with_fresh_handles(self, payload: dict[str, Any], recorded: dict[str, Any]) -> dict[str, Any]:
        """Return the payload with fresh handles instead of the recorded ones."""
        slack = self._harness.slack
        user = str(recorded.get("user_id") or (recorded.get("user") or {}).get("id") or "U0ANNA")
        fresh = {
            "trigger_id": slack.handles.create_trigger(user),
            "response_url": f"{slack.url}/response/{slack.handles.create_response_url(user, 'C0BUILDS')}",
            "event_id": f"Ev{time.monotonic_ns()}",
        }
        replaced = {
            name: value
            for name, value in fresh.items()
            if name in recorded and payload.get(name) == recorded[name]
        }
        return payload | replaced
