"""Endpoints for builds: list, trigger and abort."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.bitrise.api.base import ApiError, matches_filter, paginated_response, trigger_response
from sandbox.bitrise.api.pipelines import PipelineEndpoints
from sandbox.bitrise.members import Role
from sandbox.bitrise.serializers import add_pipeline_fields, serialize_app, serialize_build
from sandbox.bitrise.state import Build
from sandbox.middleware import as_json

_BUILD_PARAMETERS = ("branch", "tag", "commit_hash", "workflow_id", "pipeline_id")


@dataclass
class BuildEndpoints(PipelineEndpoints):
    """Endpoints for builds; a build request with a pipeline id triggers a pipeline."""

    async def _builds(self, request: web.Request) -> web.Response:
        query = request.query
        everything = self.state.builds_of(self._find_app(request))
        builds = [build for build in everything if _matches_filters(build, query)]
        if query.get("sort_by") == "running_first":
            builds.sort(key=lambda build: build.result is not None)

        def item(build: Build) -> dict[str, Any]:
            return add_pipeline_fields(serialize_build(build), build)

        # The filtered examples in the documents still count all builds of the app.
        return paginated_response(
            builds, [build.slug for build in builds], item, request, total=len(everything)
        )

    async def _all_builds(self, request: web.Request) -> web.Response:
        member, query = self._member(request), request.query
        builds = [
            build
            for build in self.state.builds_newest_first()
            if member.can_see(build.app)
            and matches_filter(query, "status", build.status)
            and matches_filter(query, "is_on_hold", str(build.is_on_hold).lower())
        ]

        def item(build: Build) -> dict[str, Any]:
            return serialize_build(build) | {"repository": serialize_app(build.app)}

        return paginated_response(builds, [build.slug for build in builds], item, request)

    async def _build(self, request: web.Request) -> web.Response:
        build = self._find_build(request)
        return web.json_response({"data": add_pipeline_fields(serialize_build(build), build)})

    async def _abort(self, request: web.Request) -> web.Response:
        username, build = self._member(request).username, self._find_build(request, Role.DEVELOPER)
        body = as_json(await request.text())
        if not isinstance(body, dict):
            raise ApiError(400, "Invalid JSON body")
        if build.result is not None:
            raise ApiError(400, "Build already finished, can't abort it.", key="error_msg")
        reason = str(body.get("abort_reason") or "") or None
        build.abort(self.now(), username, reason, with_success=bool(body.get("abort_with_success")))
        build.notified = not body.get("skip_notifications")
        return web.json_response({"status": "ok"})

    async def _trigger(self, request: web.Request) -> web.Response:
        member, app = self._member(request), self._find_app(request, Role.DEVELOPER)
        body = as_json(await request.text())
        params = body.get("build_params") if isinstance(body, dict) else None
        if not isinstance(body, dict) or (body.get("hook_info") or {}).get("type") != "bitrise":
            raise ApiError(400, "hook_info.type should be 'bitrise'", trigger_app=app)
        if not isinstance(params, dict) or not any(params.get(name) for name in _BUILD_PARAMETERS):
            message = "Missing required parameter: branch, tag, commit_hash, workflow_id or pipeline_id"
            raise ApiError(400, message, trigger_app=app)
        if name := params.get("pipeline_id"):
            return self._trigger_pipeline(app, str(name), params, member)
        workflow = params.get("workflow_id")
        if workflow and workflow not in app.workflows:
            message = f"Workflow ({workflow}) did not found in the bitrise config"
            raise ApiError(400, message, trigger_app=app)
        build = self.state.start_build(app, params, self.now(), triggered_by=member.triggered_by)
        return trigger_response(
            app,
            build_slug=build.slug,
            build_number=build.number,
            build_url=f"https://app.bitrise.io/build/{build.slug}",
            triggered_workflow=build.workflow,
        )


def _matches_filters(build: Build, query: Any) -> bool:
    """Return whether a build matches the filters of `GET /apps/{APP-SLUG}/builds`.

    A pull request number counts only with its event.
    """
    event = (
        "pull-request"
        if build.params.get("pull_request_id")
        else "tag"
        if build.params.get("tag")
        else "push"
    )
    wants_pull_request = query.get("trigger_event_type") == "pull-request" and "pull_request_id" in query
    triggered = int(build.triggered_at.timestamp())
    message = query.get("commit_message", "").lower()
    return (
        matches_filter(query, "status", build.status)
        and matches_filter(query, "branch", build.branch)
        and matches_filter(query, "workflow", build.workflow)
        and matches_filter(query, "trigger_event_type", event)
        and matches_filter(query, "build_number", build.number)
        and (
            not wants_pull_request
            or matches_filter(query, "pull_request_id", build.params.get("pull_request_id"))
        )
        and (not message or message in str(build.params.get("commit_message") or "").lower())
        and ("after" not in query or triggered >= int(query["after"]))
        and ("before" not in query or triggered <= int(query["before"]))
    )
