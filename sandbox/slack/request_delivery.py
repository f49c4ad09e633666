"""Delivery of requests to the app, over a socket or signed HTTP, with its acknowledgement deadline."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp

from sandbox.request_log import RequestLog
from sandbox.slack.socket_mode import SocketModeServer

# The deadline for acknowledgements and trigger ids (docs.slack.dev, "Acknowledgment response").
DEADLINE_SECONDS = 3.0
# Events are retried at once, after one and after five minutes (docs.slack.dev, "The Events API").
RETRIES_AFTER = (0.0, 60.0, 300.0)


class NotAcknowledged(Exception):
    """The app did not acknowledge; the message is what Slack shows to the user."""


@dataclass
class Acknowledgement:
    """An acknowledgement: its body, and how long it took in seconds."""

    body: dict[str, Any]
    seconds: float


class RequestDelivery:
    """Delivers payloads to the app; a late acknowledgement is logged as a violation."""

    def __init__(
        self,
        manifest: Mapping[str, Any],
        sockets: SocketModeServer,
        request_log: RequestLog,
        *,
        signing_secret: str,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._manifest = manifest
        self._sockets = sockets
        self._request_log = request_log
        self._secret = signing_secret
        self._session: aiohttp.ClientSession | None = None
        self._events: set[asyncio.Task[None]] = set()
        self.retries_after: tuple[float, ...] = RETRIES_AFTER
        self.deadline_seconds = deadline_seconds

    async def start(self) -> None:
        """Start delivering."""
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))

    async def close(self) -> None:
        """Stop, including retries."""
        for task in self._events:
            task.cancel()
        await asyncio.gather(*self._events, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def command(self, payload: Mapping[str, str]) -> Acknowledgement:
        """Deliver a slash command. Raises NotAcknowledged."""
        entries = self._manifest["features"].get("slash_commands") or []
        url = next((entry.get("url") for entry in entries if entry["command"] == payload["command"]), None)
        return await self._deliver("slash_commands", payload, url, form=dict(payload))

    async def interaction(self, payload: Mapping[str, Any]) -> Acknowledgement:
        """Deliver an interaction. Raises NotAcknowledged."""
        addresses = self._manifest["settings"].get("interactivity", {})
        url = addresses.get("request_url")
        if payload["type"] == "block_suggestion":
            url = addresses.get("message_menu_options_url")
        return await self._deliver("interactive", payload, url, form={"payload": json.dumps(payload)})

    def event(self, payload: Mapping[str, Any]) -> None:
        """Deliver an event, with up to three retries until it is acknowledged."""
        task = asyncio.create_task(self._event(payload))
        self._events.add(task)
        task.add_done_callback(self._events.discard)

    async def wait_for_events(self) -> None:
        """Wait until the app has acknowledged every event, or its last retry has failed."""
        if self._events:
            await asyncio.wait(self._events)

    async def _event(self, payload: Mapping[str, Any]) -> None:
        url = self._manifest["settings"].get("event_subscriptions", {}).get("request_url")
        for attempt, pause in enumerate((0.0, *self.retries_after)):
            await asyncio.sleep(pause)
            try:
                await self._deliver(
                    "events_api",
                    payload,
                    url,
                    json_body=payload,
                    retry=(attempt, "http_timeout") if attempt else None,
                )
            except NotAcknowledged:
                continue
            return

    async def _deliver(
        self,
        kind: str,
        payload: Mapping[str, Any],
        url: str | None,
        *,
        form: Mapping[str, str] | None = None,
        json_body: Mapping[str, Any] | None = None,
        retry: tuple[int, str] | None = None,
    ) -> Acknowledgement:
        began = time.perf_counter()
        entry = self._request_log.open_entry("Slack → app", _title(kind, payload), _without_token(payload))
        try:
            async with asyncio.timeout(self.deadline_seconds):
                if self._manifest["settings"].get("socket_mode_enabled"):
                    body = await (await self._sockets.send(kind, payload, retry=retry))
                else:
                    body = await self._over_http(url, form, json_body, retry)
        except TimeoutError:
            late = f"not acknowledged within {self.deadline_seconds:g} s"
            self._request_log.close_entry(entry, None, violations=[late])
            raise NotAcknowledged("operation_timeout") from None
        except (ConnectionError, aiohttp.ClientError) as error:
            self._request_log.close_entry(entry, f"({error})")
            raise NotAcknowledged("dispatch_failed") from error
        self._request_log.close_entry(entry, body)
        return Acknowledgement(body, time.perf_counter() - began)

    async def _over_http(
        self,
        url: str | None,
        form: Mapping[str, str] | None,
        json_body: Mapping[str, Any] | None,
        retry: tuple[int, str] | None,
    ) -> dict[str, Any]:
        if url is None or self._session is None:
            raise ConnectionError("the manifest names no address for this")
        body = urlencode(form) if form is not None else json.dumps(json_body)
        headers = self.sign(body) | {
            "Content-Type": "application/x-www-form-urlencoded" if form is not None else "application/json"
        }
        if retry is not None:
            headers |= {"X-Slack-Retry-Num": str(retry[0]), "X-Slack-Retry-Reason": retry[1]}
        async with self._session.post(url, data=body.encode(), headers=headers) as response:
            if response.status != 200:
                raise ConnectionError(f"the app answered {response.status}")
            text = await response.text()
        return dict(json.loads(text)) if text.startswith("{") else {"text": text} if text else {}

    def sign(self, body: str, *, at: int | None = None) -> dict[str, str]:
        """Return the signature headers of a request (docs.slack.dev, "Verifying requests")."""
        timestamp = str(at or int(time.time()))
        digest = hmac.new(
            self._secret.encode(), f"v0:{timestamp}:{body}".encode(), hashlib.sha256
        ).hexdigest()
        return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": f"v0={digest}"}


def _title(kind: str, payload: Mapping[str, Any]) -> str:
    """Return a title for the request log."""
    inner = payload.get("event") or {}
    return str(payload.get("command") or inner.get("type") or payload.get("type") or kind)


def _without_token(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the payload without its token."""
    shown = {name: value for name, value in payload.items() if name != "bot_access_token"}
    if isinstance(inner := shown.get("event"), dict):
        shown["event"] = {name: value for name, value in inner.items() if name != "bot_access_token"}
    return shown
