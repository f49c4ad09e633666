"""Middleware of the provider simulators: records requests, injects faults and may rewrite responses."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any

from aiohttp import web

from sandbox.faults import Fault, FaultInjector, client_port
from sandbox.request_log import RequestLog

# Takes a request's name ("GET /v0.1/me") and the response body; returns the body that is sent instead.
ResponseRewriter = Callable[[str, bytes], bytes]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class RecordedRequest:
    """A recorded request with its member (the username, "" for none), but never the token.

    `violations` lists the rules of the provider's documents that it broke.
    """

    method: str
    path: str
    query: dict[str, str]
    body: Any = None
    status: int = 0
    member: str = ""
    violations: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RequestMiddleware:
    """The middleware of one provider's API.

    `error_of` makes an error body from a status and a message, as the provider does.

    `redact` removes secrets from a body of this path before it is logged.
    """

    service: str
    faults: FaultInjector
    requests: deque[RecordedRequest]
    request_log: RequestLog
    rewrite_response: ResponseRewriter
    error_of: Callable[[int, str], dict[str, Any]]
    redact: Callable[[str, Any], Any] = lambda _path, body: body
    # The provider's clock, for the Date header.
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def handle(
        self,
        request: web.Request,
        member: str,
        answer: Callable[[RecordedRequest], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Handle a request of this member: record it, inject a fault or call `answer`, and log the response."""
        request_name = f"{request.method} {request.path}"
        body = self.redact(request.path, as_json(await request.text()))
        recorded = RecordedRequest(request.method, request.path, dict(request.query), body, member=member)
        self.requests.append(recorded)
        details = {"as": member, "query": recorded.query, "body": body}
        entry = self.request_log.open_entry(f"app → {self.service}", request_name, details)
        fault = self.faults.take(request_name, client_port=client_port(request))
        response = await self._faulty(fault, request) or await answer(recorded)
        recorded.status = response.status
        text = response.text if isinstance(response, web.Response) else None
        response_body = self.redact(request.path, as_json(text or ""))
        self.request_log.close_entry(
            entry, response_body, status=response.status, violations=recorded.violations
        )
        if isinstance(response, web.Response) and isinstance(response.body, bytes):
            response.body = self.rewrite_response(request_name, response.body)
        if fault is not None and fault.kind == "answer_lost":
            _break(request)
        response.headers["Date"] = format_datetime(self.now().astimezone(UTC), usegmt=True)
        return response

    async def _faulty(self, fault: Fault | None, request: web.Request) -> web.StreamResponse | None:
        """Return the response of a fault; None if the request is processed."""
        if fault is None:
            return None
        match fault.kind:
            case "dropped":
                _break(request)
            case "slow":
                await asyncio.sleep(fault.seconds)
            case "held":
                await fault.released.wait()
            case "status" | "error":
                message = fault.words if fault.kind == "error" else HTTPStatus(fault.status).phrase
                return web.json_response(self.error_of(fault.status, message), status=fault.status)
            case "ratelimited":
                headers = {"Retry-After": str(max(int(fault.seconds), 1))}
                body = self.error_of(429, HTTPStatus(429).phrase)
                return web.json_response(body, status=429, headers=headers)
            case "html":
                return web.Response(
                    status=500, text="<html><h1>Server Error</h1></html>", content_type="text/html"
                )
        return None


def as_json(text: str) -> Any:
    """Return the parsed text; None if it is not JSON."""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def _break(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
    raise asyncio.CancelledError
