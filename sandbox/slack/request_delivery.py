"""Carrying what people do to the app, over a socket or signed HTTP, and minding its acknowledgement."""

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

# What an app must have acknowledged, and until when its trigger is good (docs.slack.dev, "Acknowledgment response").
DEADLINE_SECONDS = 3.0
# Events come again at once, after one and after five minutes (docs.slack.dev, "The Events API").
RETRIES_AFTER = (0.0, 60.0, 300.0)


class NotAcknowledged(Exception):
    """The app did not acknowledge; the word is what Slack shows to the person."""


@dataclass
class Acknowledgement:
    """An acknowledgement: what came back, and how long it took in seconds."""

    body: dict[str, Any]
    seconds: float


class RequestDelivery:
    """Hands payloads to the app; one that is not acknowledged in time is a broken rule in the journal."""

    def __init__(
        self,
        manifest: Mapping[str, Any],
        sockets: SocketModeServer,
        journal: RequestLog,
        *,
        signing_secret: str,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._manifest = manifest
        self._sockets = sockets
        self._journal = journal
        self._secret = signing_secret
        self._session: aiohttp.ClientSession | None = None
        self._events: set[asyncio.Task[None]] = set()
        self.retries_after = RETRIES_AFTER
        self.deadline_seconds = deadline_seconds

    async def start(self) -> None:
        """Begin."""
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))

    async def close(self) -> None:
        """Stop sending events again, and end."""
        for task in self._events:
            task.cancel()
        await asyncio.gather(*self._events, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def command(self, payload: Mapping[str, str]) -> Acknowledgement:
        """A slash command. Raises NotAcknowledged."""
        entries = self._manifest["features"].get("slash_commands") or []
        url = next((one.get("url") for one in entries if one["command"] == payload["command"]), None)
        return await self._deliver("slash_commands", payload, url, form=dict(payload))

    async def interaction(self, payload: Mapping[str, Any]) -> Acknowledgement:
        """A click or a submission. Raises NotAcknowledged."""
        addresses = self._manifest["settings"].get("interactivity", {})
        url = addresses.get("request_url")
        if payload["type"] == "block_suggestion":
            url = addresses.get("message_menu_options_url")
        return await self._deliver("interactive", payload, url, form={"payload": json.dumps(payload)})

    def event(self, payload: Mapping[str, Any]) -> None:
        """An event, again and again until it is acknowledged, at most three times more."""
        task = asyncio.create_task(self._event(payload))
        self._events.add(task)
        task.add_done_callback(self._events.discard)

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
        entry = self._journal.open_entry("Slack → app", _what(kind, payload), _shown(payload))
        try:
            async with asyncio.timeout(self.deadline_seconds):
                if self._manifest["settings"].get("socket_mode_enabled"):
                    body = await (await self._sockets.send(kind, payload, retry=retry))
                else:
                    body = await self._over_http(url, form, json_body, retry)
        except TimeoutError:
            late = f"not acknowledged within {self.deadline_seconds:g} s"
            self._journal.close_entry(entry, None, broken=[late])
            raise NotAcknowledged("operation_timeout") from None
        except (ConnectionError, aiohttp.ClientError) as error:
            self._journal.close_entry(entry, f"({error})")
            raise NotAcknowledged("dispatch_failed") from error
        self._journal.close_entry(entry, body)
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
        headers = self.signed(body) | {
            "Content-Type": "application/x-www-form-urlencoded" if form is not None else "application/json"
        }
        if retry is not None:
            headers |= {"X-Slack-Retry-Num": str(retry[0]), "X-Slack-Retry-Reason": retry[1]}
        async with self._session.post(url, data=body.encode(), headers=headers) as response:
            if response.status != 200:
                raise ConnectionError(f"the app answered {response.status}")
            text = await response.text()
        return dict(json.loads(text)) if text.startswith("{") else {"text": text} if text else {}

    def signed(self, body: str, *, at: int | None = None) -> dict[str, str]:
        """The headers by which an app knows that a request is Slack's (docs.slack.dev, "Verifying requests")."""
        timestamp = str(at or int(time.time()))
        digest = hmac.new(
            self._secret.encode(), f"v0:{timestamp}:{body}".encode(), hashlib.sha256
        ).hexdigest()
        return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": f"v0={digest}"}


def _what(kind: str, payload: Mapping[str, Any]) -> str:
    """A name for the journal."""
    inner = payload.get("event") or {}
    return str(payload.get("command") or inner.get("type") or payload.get("type") or kind)


def _shown(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload without the token that it brings."""
    shown = {name: value for name, value in payload.items() if name != "bot_access_token"}
    if isinstance(inner := shown.get("event"), dict):
        shown["event"] = {name: value for name, value in inner.items() if name != "bot_access_token"}
    return shown
