"""Pipelines, and builds that wait for approval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.bitrise.api.base import ApiError, BaseEndpoints, matches_filter, trigger_response
from sandbox.bitrise.members import Member, Role
from sandbox.bitrise.serializers import pipeline_item, pipeline_show, request_item
from sandbox.bitrise.state import App, Pipeline
from sandbox.middleware import as_json


@dataclass
class PipelineEndpoints(BaseEndpoints):
    """Answers what is asked about them."""

    async def _pipelines(self, request: web.Request) -> web.Response:
        app, query = self._find_app(request), request.query
        limit = max(1, min(int(query.get("limit") or 10), 50))
        found = [one for one in reversed(self.farm.pipelines) if one.app is app]
        found = [one for one in found if matches_filter(query, "build_number", one.number)]
        alone = [build for build in self.farm.of_app(app) if build.pipeline is None]
        # Builds outside of pipelines stand among them, by the time of their start.
        entries = [(one.triggered_at, pipeline_item(one)) for one in found]
        entries += [
            (one.triggered_at, {"slug": one.slug, "build_number": one.number, "is_pipeline": False})
            for one in alone
            if matches_filter(query, "build_number", one.number)
        ]
        entries.sort(key=lambda entry: entry[0], reverse=True)
        return web.json_response(
            {"data": [item for _, item in entries[:limit]], "paging": {"page_item_limit": limit}}
        )

    async def _pipeline(self, request: web.Request) -> web.Response:
        return web.json_response(pipeline_show(self._find_pipeline(request)))

    async def _abort_pipeline(self, request: web.Request) -> web.Response:
        who, pipeline = self._member(request).username, self._find_pipeline(request, Role.DEVELOPER)
        body = as_json(await request.text())
        if not isinstance(body, dict):
            raise ApiError(400, "Invalid JSON body")
        if pipeline.finished_at is not None:
            raise ApiError(400, "Pipeline already finished")
        reason = str(body.get("abort_reason") or "")
        pipeline.abort_reason = f"User {who} requested to abort this pipeline with reason: {reason}"
        for build in pipeline.builds.values():
            if build.result is None:
                build.abort(
                    self.now(), who, reason or None, with_success=bool(body.get("abort_with_success"))
                )
        return web.json_response({})

    async def _rebuild_pipeline(self, request: web.Request) -> web.Response:
        member, pipeline = self._member(request), self._find_pipeline(request, Role.DEVELOPER)
        body = as_json(await request.text())
        if not isinstance(body, dict):
            raise ApiError(400, "Invalid JSON body")
        if pipeline.finished_at is None:
            raise ApiError(412, "Pipeline is not rebuildable")
        # Who asks may say in whose name (API v0.1, "pipeline-rebuild", `triggered_by`).
        pipeline.triggered_by = (
            str(body.get("triggered_by") or "") or member.as_starter or pipeline.triggered_by
        )
        self.farm.start_attempt(pipeline, self.now(), failed_only=bool(body.get("partial")))
        return web.json_response({}, status=201)

    def _find_pipeline(self, request: web.Request, least: Role = Role.TESTER) -> Pipeline:
        app, slug = self._find_app(request, least), request.match_info["pipeline"]
        found = next((one for one in self.farm.pipelines if one.slug == slug and one.app is app), None)
        if found is None:
            raise ApiError(404, "Not Found")
        return found

    async def _requests(self, request: web.Request) -> web.Response:
        app = self._find_app(request, Role.DEVELOPER)
        return web.json_response(
            {"data": [request_item(one) for one in self.farm.requests if one.app is app]}
        )

    async def _decide_request(self, request: web.Request) -> web.Response:
        member, app = self._member(request), self._find_app(request, Role.DEVELOPER)
        slug = request.match_info["request"]
        body = as_json(await request.text())
        held = next((one for one in self.farm.requests if one.slug == slug and one.app is app), None)
        if held is None:
            raise ApiError(404, "Not Found")
        if not isinstance(body, dict) or not isinstance(body.get("is_approved"), bool):
            raise ApiError(400, "Invalid parameters")
        self.farm.requests.remove(held)
        held.decided_by = member.username
        if body["is_approved"]:
            # It is still the stranger's pull request that starts it, whoever approves.
            self.farm.start_build(app, held.params, self.now(), triggered_by="webhook")
        return web.json_response({"data": request_item(held)})

    def _trigger_pipeline(self, app: App, name: str, params: dict[str, Any], by: Member) -> web.Response:
        if name not in app.pipelines:
            words = f"Pipeline ({name}) did not found in the bitrise config"
            raise ApiError(400, words, of_trigger_for=app)
        pipeline = self.farm.start_pipeline(app, name, params, self.now(), triggered_by=by.as_starter)
        return trigger_response(
            app,
            build_slug=pipeline.slug,
            build_number=pipeline.number,
            build_url=f"https://app.bitrise.io/app/{app.slug}/pipelines/{pipeline.slug}",
            triggered_pipeline=name,
            triggered_workflow="",
        )
