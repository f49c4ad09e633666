"""Where logs and artifacts lie: another host than the API's, behind signed links that live for ten minutes."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aiohttp import web

LINKS_LIVE = timedelta(minutes=10)


@dataclass
class FileStore:
    """Serves files to whoever has a fresh link, and to nobody who sends a token along."""

    now: Callable[[], datetime]
    url: str = ""
    down: bool = False
    fetched: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    _files: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)

    def link_to(self, name: str, content: bytes) -> str:
        """A new link."""
        key = secrets.token_hex(16)
        self._files[key] = (content, self.now() + LINKS_LIVE)
        return f"{self.url}/{name}?X-Amz-Expires=600&X-Amz-Signature={key}"

    def application(self) -> web.Application:
        """The host."""
        app = web.Application()
        app.router.add_get("/{name:.*}", self._serve)
        return app

    async def _serve(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        # Amazon's storage refuses a request with two ways of signing in at once.
        if "Authorization" in request.headers or "Cookie" in request.headers:
            self.refused.append(name)
            return _refusal(400, "InvalidArgument", "Only one auth mechanism allowed")
        if self.down:
            return _refusal(503, "SlowDown", "Please reduce your request rate.")
        content, until = self._files.get(request.query.get("X-Amz-Signature", ""), (b"", self.now()))
        if self.now() >= until:
            return _refusal(403, "AccessDenied", "Request has expired")
        self.fetched.append(name)
        return web.Response(body=content, content_type="application/octet-stream")


def _refusal(status: int, code: str, message: str) -> web.Response:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return web.Response(status=status, text=body, content_type="application/xml")
