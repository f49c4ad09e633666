"""Endpoints for logs, log summaries and AI summaries."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.bitrise.api.base import ApiError, BaseEndpoints
from sandbox.bitrise.log_text import log_summary, split_chunks, step_output
from sandbox.bitrise.members import Role

CHUNKS_SHOWN = 6


@dataclass
class LogEndpoints(BaseEndpoints):
    """Endpoints for a build's log."""

    async def _log(self, request: web.Request) -> web.Response:
        build, now = self._find_build(request, Role.DEVELOPER), self.now()
        if not build.has_log(now):
            raise ApiError(404, "Not Found")
        text = build.log(now)
        chunks = list(enumerate(split_chunks(text)))
        body: dict[str, Any] = {
            # Several workers write at once, so the chunks arrive in any order (Bitrise's command line).
            "log_chunks": [
                {"chunk": chunk, "position": at} for at, chunk in reversed(chunks[-CHUNKS_SHOWN:])
            ],
            "generated_log_chunks_num": len(chunks),
            "is_archived": build.is_archived(now),
            "expiring_raw_log_url": None,
            "timestamp": None,
            "next_before_timestamp": "0001-01-01T00:00:00Z",
            "next_after_timestamp": "0001-01-01T00:00:00Z",
        }
        if build.is_archived(now):
            body["expiring_raw_log_url"] = self.file_store.signed_url(f"{build.slug}.log", text.encode())
        return web.json_response(body)

    async def _log_summary(self, request: web.Request) -> web.Response:
        build = self._find_build(request, Role.DEVELOPER)
        if not build.app.has_log_summary or not build.has_log(self.now()):
            raise ApiError(404, "Not Found")
        return web.json_response(log_summary(build.log(self.now()), build.slug, build.prepared_at))

    async def _step_log(self, request: web.Request) -> web.Response:
        build = self._find_build(request, Role.DEVELOPER)
        output = step_output(build.log(self.now()), build.slug, request.match_info["step"])
        if not build.app.has_log_summary or output is None:
            raise ApiError(404, "Not Found")
        content = json.dumps([{"message": line + "\n"} for line in output]).encode()
        return web.json_response({"expiring_raw_log_url": self.file_store.signed_url("step.json", content)})

    async def _ai_summary(self, request: web.Request) -> web.Response:
        member, slug = self._member(request), request.match_info["build"]
        build = next(
            (build for build in self.state.builds if build.slug == slug and member.can_see(build.app)), None
        )
        # One answer for "build does not exist, user is not authorized, or no AI summary is available" (API v0.1).
        if build is None or not build.app.has_ai_summary or build.result != "error":
            raise ApiError(404, "AI summary is not available", key="error_msg")
        message = "The unit tests failed: LoginTest rejects an empty password.\n\nCheck the null handling in LoginForm."
        return web.json_response({"data": {"summary": message}})
