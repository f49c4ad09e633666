"""Logs, and what Bitrise makes of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.bitrise.api.base import ApiError, BaseEndpoints
from sandbox.bitrise.log_text import output_of, split_chunks, summary_of
from sandbox.bitrise.members import Role

CHUNKS_SHOWN = 6


@dataclass
class LogEndpoints(BaseEndpoints):
    """Answers what is asked about logs."""

    async def _log(self, request: web.Request) -> web.Response:
        build, now = self._find_build(request, Role.DEVELOPER), self.now()
        if not build.has_log(now):
            raise ApiError(404, "Not Found")
        text = build.log(now)
        chunks = list(enumerate(split_chunks(text)))
        answer: dict[str, Any] = {
            # several workers write at once: the pieces come in no order (Bitrise's command line)
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
            answer["expiring_raw_log_url"] = self.store.link_to(f"{build.slug}.log", text.encode())
        return web.json_response(answer)

    async def _log_summary(self, request: web.Request) -> web.Response:
        build = self._find_build(request, Role.DEVELOPER)
        if not build.app.sums_up or not build.has_log(self.now()):
            raise ApiError(404, "Not Found")
        return web.json_response(summary_of(build.log(self.now()), build.slug, build.prepared_at))

    async def _step_log(self, request: web.Request) -> web.Response:
        build = self._find_build(request, Role.DEVELOPER)
        output = output_of(build.log(self.now()), build.slug, request.match_info["step"])
        if not build.app.sums_up or output is None:
            raise ApiError(404, "Not Found")
        content = json.dumps([{"message": line + "\n"} for line in output]).encode()
        return web.json_response({"expiring_raw_log_url": self.store.link_to("step.json", content)})

    async def _ai_summary(self, request: web.Request) -> web.Response:
        member, slug = self._member(request), request.match_info["build"]
        build = next((one for one in self.farm.builds if one.slug == slug and member.sees(one.app)), None)
        # One answer for "build does not exist, user is not authorized, or no AI summary is available" (API v0.1).
        if build is None or not build.app.explains or build.result != "error":
            raise ApiError(404, "AI summary is not available", key="error_msg")
        words = "The unit tests failed: LoginTest rejects an empty password.\n\nCheck the null handling in LoginForm."
        return web.json_response({"data": {"summary": words}})
