"""Sending to the bot what Slack would send: signed, and with handles that are still good."""

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


def as_body(form: str, payload: Any) -> bytes:
    """The payload as Slack would send it; `form` is `command`, `payload`, or `""` for JSON."""
    if form == "":
        return json.dumps(payload).encode()
    fields = {"payload": json.dumps(payload)}
    if form == "command" and isinstance(payload, dict):
        fields = {name: one if isinstance(one, str) else json.dumps(one) for name, one in payload.items()}
    return urlencode(fields, errors="surrogatepass").encode()


def type_of(form: str) -> str:
    """The content type that Slack gives it."""
    return "application/x-www-form-urlencoded" if form else "application/json"


def signed(body: bytes) -> dict[str, str]:
    """The headers by which the bot knows that bytes are Slack's."""
    timestamp = str(int(time.time()))
    digest = hmac.new(SIGNING_SECRET.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": f"v0={digest}"}


class RequestSender:
    """Sends to a town's bot over HTTP, as many requests at once as somebody likes."""

    def __init__(self, harness: BotHarness) -> None:
        self._town = harness
        self._session = aiohttp.ClientSession()

    async def close(self) -> None:
        """End."""
        await self._session.close()

    async def send(self, body: bytes, content_type: str) -> tuple[int, str]:
        """Send it signed; returns the answer's status and text."""
        url = f"http://127.0.0.1:{self._town.bot.port}/slack/events"
        headers = signed(body) | {"Content-Type": content_type}
        async with self._session.post(url, data=body, headers=headers) as answer:
            return answer.status, await answer.text()

    async def post(self, path: str, body: bytes, **more: Any) -> tuple[int, str]:
        """Send it to another of the bot's addresses, unsigned."""
        url = f"http://127.0.0.1:{self._town.bot.port}{path}"
        async with self._session.post(url, data=body, **more) as answer:
            return answer.status, await answer.text()

    def renewed(self, payload: dict[str, Any], recorded: dict[str, Any]) -> dict[str, Any]:
        """The payload with fresh handles in the place of those that were recorded, where they are still in it."""
        slack = self._town.slack
        person = str(recorded.get("user_id") or (recorded.get("user") or {}).get("id") or "U0ANNA")
        fresh = {
            "trigger_id": slack.handles.new_trigger(person),
            "response_url": f"{slack.url}/response/{slack.handles.new_response(person, 'C0BUILDS')}",
            "event_id": f"Ev{time.monotonic_ns()}",
        }
        still_there = {
            name: value
            for name, value in fresh.items()
            if name in recorded and payload.get(name) == recorded[name]
        }
        return payload | still_there
