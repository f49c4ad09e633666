"""Endpoints for bitrise.yml, branches and workflows."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from sandbox.bitrise.api.base import ApiError, BaseEndpoints
from sandbox.bitrise.bitrise_yml import render_bitrise_yml
from sandbox.bitrise.members import Role
from sandbox.middleware import as_json

MAX_YML_SIZE = 400 * 1024


@dataclass
class ConfigEndpoints(BaseEndpoints):
    """Endpoints for an app's configuration."""

    async def _app_yml(self, request: web.Request) -> web.Response:
        app = self._find_app(request, Role.DEVELOPER)
        return web.Response(text=render_bitrise_yml(app), content_type="text/plain")

    async def _build_yml(self, request: web.Request) -> web.Response:
        build = self._find_build(request, Role.DEVELOPER)
        return web.Response(text=render_bitrise_yml(build.app), content_type="text/plain")

    async def _validate_yml(self, request: web.Request) -> web.Response:
        if "app_slug" in request.query:
            self._find_visible_app(request, request.query["app_slug"])
        body = as_json(await request.text())
        text = body.get("bitrise_yml") if isinstance(body, dict) else None
        if not isinstance(text, str):
            raise ApiError(400, "Missing or invalid parameters")
        if len(text) > MAX_YML_SIZE:
            raise ApiError(413, "Payload too large")
        if "workflows:" not in text:
            raise ApiError(422, "Validation failed: no workflows defined")
        warnings = ["format_version is old"] if "format_version: '1'" in text else []
        return web.json_response({"errors": [], "warnings": warnings})

    async def _branches(self, request: web.Request) -> web.Response:
        app = self._find_app(request)
        return web.json_response(
            {"data": sorted({build.branch for build in self.state.builds_of(app) if build.branch})}
        )

    async def _workflows(self, request: web.Request) -> web.Response:
        app = self._find_app(request)
        return web.json_response({"data": sorted({build.workflow for build in self.state.builds_of(app)})})
