"""Endpoints for pipelines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.bitrise.api.base import ApiError, BaseEndpoints, matches_filter, trigger_response
from sandbox.bitrise.members import Member, Role
from sandbox.bitrise.serializers import serialize_pipeline, serialize_pipeline_details
from sandbox.bitrise.state import App, Pipeline
from sandbox.middleware import as_json


@dataclass
class PipelineEndpoints(BaseEndpoints):
    """Endpoints for pipelines."""

    async def _pipelines(self, request: web.Request) -> web.Response:
        app, query = self._find_app(request), request.query
        limit = max(1, min(int(query.get("limit") or 10), 50))
        found = [pipeline for pipeline in reversed(self.state.pipelines) if pipeline.app is app]
        found = [pipeline for pipeline in found if matches_filter(query, "build_number", pipeline.number)]
        alone = [build for build in self.state.builds_of(app) if build.pipeline is None]
        # The list also contains builds outside of pipelines, ordered by start time.
        entries = [(pipeline.triggered_at, serialize_pipeline(pipeline)) for pipeline in found]
        entries += [
            (build.triggered_at, {"slug": build.slug, "build_number": build.number, "is_pipeline": False})
            for build in alone
            if matches_filter(query, "build_number", build.number)
        ]
        entries.sort(key=lambda entry: entry[0], reverse=True)
        return web.json_response(
            {"data": [item for _, item in entries[:limit]], "paging": {"page_item_limit": limit}}
        )

    async def _pipeline(self, request: web.Request) -> web.Response:
        return web.json_response(serialize_pipeline_details(self._find_pipeline(request)))

    async def _abort_pipeline(self, request: web.Request) -> web.Response:
        username, pipeline = self._member(request).username, self._find_pipeline(request, Role.DEVELOPER)
        body = as_json(await request.text())
        if not isinstance(body, dict):
            raise ApiError(400, "Invalid JSON body")
        if pipeline.finished_at is not None:
            raise ApiError(400, "Pipeline already finished")
        reason = str(body.get("abort_reason") or "")
        pipeline.abort_reason = f"User {username} requested to abort this pipeline with reason: {reason}"
        for build in pipeline.builds.values():
            if build.result is None:
                build.abort(
                    self.now(), username, reason or None, with_success=bool(body.get("abort_with_success"))
                )
        return web.json_response({})

    async def _rebuild_pipeline(self, request: web.Request) -> web.Response:
        member, pipeline = self._member(request), self._find_pipeline(request, Role.DEVELOPER)
        body = as_json(await request.text())
        if not isinstance(body, dict):
            raise ApiError(400, "Invalid JSON body")
        if pipeline.finished_at is None:
            raise ApiError(412, "Pipeline is not rebuildable")
        # The caller may name the user who triggers it (API v0.1, "pipeline-rebuild", `triggered_by`).
        pipeline.triggered_by = (
            str(body.get("triggered_by") or "") or member.triggered_by or pipeline.triggered_by
        )
        self.state.start_attempt(pipeline, self.now(), failed_only=bool(body.get("partial")))
        return web.json_response({}, status=201)

    def _find_pipeline(self, request: web.Request, minimum_role: Role = Role.TESTER) -> Pipeline:
        app, slug = self._find_app(request, minimum_role), request.match_info["pipeline"]
        found = next(
            (pipeline for pipeline in self.state.pipelines if pipeline.slug == slug and pipeline.app is app),
            None,
        )
        if found is None:
            raise ApiError(404, "Not Found")
        return found

    def _trigger_pipeline(self, app: App, name: str, params: dict[str, Any], by: Member) -> web.Response:
        if name not in app.pipelines:
            message = f"Pipeline ({name}) did not found in the bitrise config"
            raise ApiError(400, message, trigger_app=app)
        pipeline = self.state.start_pipeline(app, name, params, self.now(), triggered_by=by.triggered_by)
        return trigger_response(
            app,
            build_slug=pipeline.slug,
            build_number=pipeline.number,
            build_url=f"https://app.bitrise.io/app/{app.slug}/pipelines/{pipeline.slug}",
            triggered_pipeline=name,
            triggered_workflow="",
        )
