"""Endpoints for build requests, which wait for approval."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from sandbox.bitrise.api.base import ApiError, BaseEndpoints
from sandbox.bitrise.members import Role
from sandbox.bitrise.serializers import serialize_build_request
from sandbox.middleware import as_json


@dataclass
class BuildRequestEndpoints(BaseEndpoints):
    """Endpoints for build requests."""

    async def _requests(self, request: web.Request) -> web.Response:
        app = self._find_app(request, Role.DEVELOPER)
        return web.json_response(
            {
                "data": [
                    serialize_build_request(request) for request in self.state.requests if request.app is app
                ]
            }
        )

    async def _decide_request(self, request: web.Request) -> web.Response:
        member, app = self._member(request), self._find_app(request, Role.DEVELOPER)
        slug = request.match_info["request"]
        body = as_json(await request.text())
        build_request = next(
            (request for request in self.state.requests if request.slug == slug and request.app is app), None
        )
        if build_request is None:
            raise ApiError(404, "Not Found")
        if not isinstance(body, dict) or not isinstance(body.get("is_approved"), bool):
            raise ApiError(400, "Invalid parameters")
        self.state.requests.remove(build_request)
        build_request.decided_by = member.username
        if body["is_approved"]:
            # The author of the pull request still triggers it, whoever approves.
            self.state.start_build(app, build_request.params, self.now(), triggered_by="webhook")
        return web.json_response({"data": serialize_build_request(build_request)})
