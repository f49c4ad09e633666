"""What stands before a simulated API: requests are noted, faults strike, and answers go out as they are or twisted."""

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

from sandbox.faults import Fault, FaultInjector
from sandbox.request_log import RequestLog

# From a request's name ("GET /v0.1/me") and the body of its answer to the body that is sent instead.
ResponseRewriter = Callable[[str, bytes], bytes]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class RecordedRequest:
    """A request that came in, with who sent it (their name, "" for nobody); never its token.

    `broken` names the rules of the document that it broke.
    """

    method: str
    path: str
    query: dict[str, str]
    body: Any = None
    status: int = 0
    member: str = ""
    broken: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RequestMiddleware:
    """The way to one service's API. `error_of` makes a body of a status and words, as the service does.

    `veiled` is what may be noted of a body, for those of this path that hold what nobody is to read.
    """

    service: str
    faults: FaultInjector
    requests: deque[RecordedRequest]
    journal: RequestLog
    twist: ResponseRewriter
    error_of: Callable[[int, str], dict[str, Any]]
    veiled: Callable[[str, Any], Any] = lambda _path, body: body
    # The service's clock: every answer says what time it is there.
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def handle(
        self,
        request: web.Request,
        member: str,
        answer: Callable[[RecordedRequest], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Carry a request of this member's to what answers it, and the answer back."""
        asked = f"{request.method} {request.path}"
        body = self.veiled(request.path, as_json(await request.text()))
        noted = RecordedRequest(request.method, request.path, dict(request.query), body, member=member)
        self.requests.append(noted)
        given = {"as": member, "query": noted.query, "body": body}
        entry = self.journal.open_entry(f"app → {self.service}", asked, given)
        fault = self.faults.take(asked)
        response = await self._faulty(fault, request) or await answer(noted)
        noted.status = response.status
        text = response.text if isinstance(response, web.Response) else None
        said = self.veiled(request.path, as_json(text or ""))
        self.journal.close_entry(entry, said, status=response.status, broken=noted.broken)
        if isinstance(response, web.Response) and isinstance(response.body, bytes):
            response.body = self.twist(asked, response.body)
        if fault is not None and fault.kind == "answer_lost":
            _break(request)
        response.headers["Date"] = format_datetime(self.now().astimezone(UTC), usegmt=True)
        return response

    async def _faulty(self, fault: Fault | None, request: web.Request) -> web.StreamResponse | None:
        """What a fault answers instead; None where the request goes on."""
        if fault is None:
            return None
        match fault.kind:
            case "dropped":
                _break(request)
            case "slow":
                await asyncio.sleep(fault.seconds)
            case "held":
                await fault.let_go.wait()
            case "status" | "error":
                words = fault.words if fault.kind == "error" else HTTPStatus(fault.status).phrase
                return web.json_response(self.error_of(fault.status, words), status=fault.status)
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
    """A body; None where it is no JSON."""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def _break(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
    raise asyncio.CancelledError
