"""File host for logs and artifacts: separate from the API host, with signed links that expire after ten minutes."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aiohttp import web

LINK_LIFETIME = timedelta(minutes=10)


@dataclass
class FileStore:
    """Serves files to requests with a valid link, and refuses requests that carry a token."""

    now: Callable[[], datetime]
    url: str = ""
    is_down: bool = False
    fetched: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    _files: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)

    def signed_url(self, name: str, content: bytes) -> str:
        """Return a new signed link."""
        key = secrets.token_hex(16)
        self._files[key] = (content, self.now() + LINK_LIFETIME)
        return f"{self.url}/{name}?X-Amz-Expires=600&X-Amz-Signature={key}"

    def application(self) -> web.Application:
        """Return the aiohttp application of the file host."""
        app = web.Application()
        app.router.add_get("/{name:.*}", self._serve)
        return app

    async def _serve(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        # Amazon S3 refuses requests with two authentication methods.
        if "Authorization" in request.headers or "Cookie" in request.headers:
            self.refused.append(name)
            return _refusal(400, "InvalidArgument", "Only one auth mechanism allowed")
        if self.is_down:
            return _refusal(503, "SlowDown", "Please reduce your request rate.")
        content, until = self._files.get(request.query.get("X-Amz-Signature", ""), (b"", self.now()))
        if self.now() >= until:
            return _refusal(403, "AccessDenied", "Request has expired")
        self.fetched.append(name)
        return web.Response(body=content, content_type="application/octet-stream")


def _refusal(status: int, code: str, message: str) -> web.Response:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return web.Response(status=status, text=body, content_type="application/xml")
