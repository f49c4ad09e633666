"""Bitrise's API v0.1, as its documents describe it, with its own words for what it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.bitrise.api.base import ApiError, matches_filter, paged, trigger_response
from sandbox.bitrise.api.config import ConfigEndpoints
from sandbox.bitrise.api.logs import LogEndpoints
from sandbox.bitrise.api.pipelines import PipelineEndpoints
from sandbox.bitrise.api.workspaces import WorkspacesApi
from sandbox.bitrise.members import Role
from sandbox.bitrise.serializers import artifact_item, build_item, serialize_app, with_pipeline
from sandbox.bitrise.state import Artifact, Build
from sandbox.middleware import Handler, as_json

ANYTHING = ("branch", "tag", "commit_hash", "workflow_id", "pipeline_id")


@dataclass
class BitriseApi(LogEndpoints, PipelineEndpoints, ConfigEndpoints, WorkspacesApi):
    """Answers every documented endpoint."""

    def application(self) -> web.Application:
        """The API's host."""
        app = web.Application(middlewares=[self._around])
        build = "/v0.1/apps/{app}/builds/{build}"
        for verb, path, handler in (
            ("GET", "/", self._root),
            ("GET", "/v0.1", self._root),
            ("GET", "/v0.1/me", self._me),
            ("GET", "/v0.1/me/apps", self._apps),
            ("GET", "/v0.1/apps", self._apps),
            ("GET", "/v0.1/apps/{app}", self._app),
            ("GET", "/v0.1/apps/{app}/branches", self._branches),
            ("GET", "/v0.1/apps/{app}/build-workflows", self._workflows),
            ("GET", "/v0.1/apps/{app}/bitrise.yml", self._app_yml),
            ("GET", f"{build}/bitrise.yml", self._build_yml),
            ("POST", "/v0.1/validate-bitrise-yml", self._validate_yml),
            ("GET", "/v0.1/apps/{app}/build-requests", self._requests),
            ("PATCH", "/v0.1/apps/{app}/build-requests/{request}", self._decide_request),
            ("GET", "/v0.1/apps/{app}/pipelines", self._pipelines),
            ("GET", "/v0.1/apps/{app}/pipelines/{pipeline}", self._pipeline),
            ("POST", "/v0.1/apps/{app}/pipelines/{pipeline}/abort", self._abort_pipeline),
            ("POST", "/v0.1/apps/{app}/pipelines/{pipeline}/rebuild", self._rebuild_pipeline),
            ("GET", "/v0.1/apps/{app}/builds", self._builds),
            ("POST", "/v0.1/apps/{app}/builds", self._trigger),
            ("GET", "/v0.1/builds", self._all_builds),
            ("GET", build, self._build),
            ("GET", f"{build}/log", self._log),
            ("GET", f"{build}/log/summary", self._log_summary),
            ("GET", f"{build}/log/steps/{{step}}", self._step_log),
            ("GET", "/v0.1/builds/{build}/ai-summary", self._ai_summary),
            ("GET", f"{build}/artifacts", self._artifacts),
            ("GET", f"{build}/artifacts/{{artifact}}", self._artifact),
            ("PATCH", f"{build}/artifacts/{{artifact}}", self._change_artifact),
            ("POST", f"{build}/abort", self._abort),
            ("GET", "/v0.1/organizations", self._workspaces),
            ("GET", "/v0.1/organizations/{workspace}", self._workspace),
            ("GET", "/v0.1/organizations/{workspace}/apps", self._workspace_apps),
            ("GET", "/v0.1/organizations/{workspace}/members", self._workspace_members),
            ("GET", "/v0.1/organizations/{workspace}/groups", self._workspace_groups),
            ("GET", "/v0.1/organizations/{workspace}/available-stacks", self._stacks),
            ("GET", "/v0.1/available-stacks", self._stacks),
            ("GET", "/v0.1/apps/{app}/roles/{role}", self._role_groups),
            ("GET", "/v0.1/apps/{app}/outgoing-webhooks", self._webhooks),
            ("POST", "/v0.1/apps/{app}/outgoing-webhooks", self._create_webhook),
            ("PUT", "/v0.1/apps/{app}/outgoing-webhooks/{webhook}", self._update_webhook),
            ("DELETE", "/v0.1/apps/{app}/outgoing-webhooks/{webhook}", self._delete_webhook),
            ("GET", "/v0.1/apps/{app}/outgoing-webhooks/{webhook}/delivery-items", self._webhook_deliveries),
            ("GET", "/v0.1/apps/{app}/cache-items", self._cache_items),
            ("DELETE", "/v0.1/apps/{app}/cache-items", self._delete_cache),
            ("GET", "/v0.1/apps/{app}/cache-items/{item}/download", self._cache_download),
            ("DELETE", "/v0.1/apps/{app}/cache-items/{item}", self._delete_cache_item),
        ):
            app.router.add_route(verb, path, handler)
        return app

    @web.middleware
    async def _around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        member = self._asking(request)
        self.farm.advance(self.now())
        return await self.wire.handle(
            request, member.username if member else "", lambda _: self._answer(request, handler)
        )

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if request.path not in ("/", "/v0.1"):
                self._member(request)
            return await handler(request)
        except ApiError as refusal:
            return web.json_response(refusal.body, status=refusal.status)
        except web.HTTPNotFound:
            return web.json_response({"message": "Not Found"}, status=404)
        except web.HTTPMethodNotAllowed:
            return web.json_response({"message": "Method Not Allowed"}, status=405)

    async def _root(self, _request: web.Request) -> web.Response:
        return web.json_response({"message": "Bitrise API", "version": "v0.1"})

    async def _me(self, request: web.Request) -> web.Response:
        member = self._member(request)
        return web.json_response(
            {"data": {"username": member.username, "slug": member.slug, "avatar_url": None}}
        )

    async def _apps(self, request: web.Request) -> web.Response:
        member = self._member(request)
        apps = [app for app in self.farm.apps if member.sees(app)]
        return paged(apps, [app.slug for app in apps], serialize_app, request)

    async def _app(self, request: web.Request) -> web.Response:
        return web.json_response({"data": serialize_app(self._find_app(request))})

    async def _builds(self, request: web.Request) -> web.Response:
        query = request.query
        everything = self.farm.of_app(self._find_app(request))
        builds = [build for build in everything if _passes(build, query)]
        if query.get("sort_by") == "running_first":
            builds.sort(key=lambda build: build.result is not None)

        def item(build: Build) -> dict[str, Any]:
            return with_pipeline(build_item(build), build)

        # The documents' filtered examples still count all builds of the app.
        return paged(builds, [build.slug for build in builds], item, request, total=len(everything))

    async def _all_builds(self, request: web.Request) -> web.Response:
        member, query = self._member(request), request.query
        builds = [
            build
            for build in self.farm.newest_first()
            if member.sees(build.app)
            and matches_filter(query, "status", build.status)
            and matches_filter(query, "is_on_hold", str(build.is_on_hold).lower())
        ]

        def item(build: Build) -> dict[str, Any]:
            return build_item(build) | {"repository": serialize_app(build.app)}

        return paged(builds, [build.slug for build in builds], item, request)

    async def _build(self, request: web.Request) -> web.Response:
        build = self._find_build(request)
        return web.json_response({"data": with_pipeline(build_item(build), build)})

    async def _artifacts(self, request: web.Request) -> web.Response:
        artifacts = self._find_build(request).artifacts
        return paged(artifacts, [one.slug for one in artifacts], artifact_item, request)

    async def _artifact(self, request: web.Request) -> web.Response:
        return web.json_response({"data": self._with_links(self._find_artifact(request))})

    async def _change_artifact(self, request: web.Request) -> web.Response:
        artifact, body = self._find_artifact(request, Role.DEVELOPER), as_json(await request.text())
        if not isinstance(body, dict) or not isinstance(body.get("is_public_page_enabled"), bool):
            raise ApiError(400, "Invalid parameters")
        artifact.public = body["is_public_page_enabled"]
        return web.json_response({"data": self._with_links(artifact)})

    async def _abort(self, request: web.Request) -> web.Response:
        who, build = self._member(request).username, self._find_build(request, Role.DEVELOPER)
        body = as_json(await request.text())
        if not isinstance(body, dict):
            raise ApiError(400, "Invalid JSON body")
        if build.result is not None:
            raise ApiError(400, "Build already finished, can't abort it.", key="error_msg")
        reason = str(body.get("abort_reason") or "") or None
        build.abort(self.now(), who, reason, with_success=bool(body.get("abort_with_success")))
        build.notified = not body.get("skip_notifications")
        return web.json_response({"status": "ok"})

    async def _trigger(self, request: web.Request) -> web.Response:
        member, app = self._member(request), self._find_app(request, Role.DEVELOPER)
        body = as_json(await request.text())
        params = body.get("build_params") if isinstance(body, dict) else None
        if not isinstance(body, dict) or (body.get("hook_info") or {}).get("type") != "bitrise":
            raise ApiError(400, "hook_info.type should be 'bitrise'", of_trigger_for=app)
        if not isinstance(params, dict) or not any(params.get(name) for name in ANYTHING):
            words = "Missing required parameter: branch, tag, commit_hash, workflow_id or pipeline_id"
            raise ApiError(400, words, of_trigger_for=app)
        if name := params.get("pipeline_id"):
            return self._trigger_pipeline(app, str(name), params, member)
        workflow = params.get("workflow_id")
        if workflow and workflow not in app.workflows:
            words = f"Workflow ({workflow}) did not found in the bitrise config"
            raise ApiError(400, words, of_trigger_for=app)
        build = self.farm.start_build(app, params, self.now(), triggered_by=member.as_starter)
        return trigger_response(
            app,
            build_slug=build.slug,
            build_number=build.number,
            build_url=f"https://app.bitrise.io/build/{build.slug}",
            triggered_workflow=build.workflow,
        )

    def _with_links(self, artifact: Artifact) -> dict[str, Any]:
        page = f"https://app.bitrise.io/artifact/{artifact.slug}/p" if artifact.public else ""
        return artifact_item(artifact) | {
            "expiring_download_url": self.store.link_to(artifact.title, artifact.content),
            "public_install_page_url": page,
        }

    def _find_artifact(self, request: web.Request, least: Role = Role.TESTER) -> Artifact:
        build, slug = self._find_build(request, least), request.match_info["artifact"]
        found = next((one for one in build.artifacts if one.slug == slug), None)
        if found is None:
            raise ApiError(404, "Not Found")
        return found


def _passes(build: Build, query: Any) -> bool:
    """The filters of `GET /apps/{APP-SLUG}/builds`; a pull request's number counts only beside its event."""
    event = (
        "pull-request"
        if build.params.get("pull_request_id")
        else "tag"
        if build.params.get("tag")
        else "push"
    )
    wants_pull_request = query.get("trigger_event_type") == "pull-request" and "pull_request_id" in query
    triggered = int(build.triggered_at.timestamp())
    words = query.get("commit_message", "").lower()
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
        and (not words or words in str(build.params.get("commit_message") or "").lower())
        and ("after" not in query or triggered >= int(query["after"]))
        and ("before" not in query or triggered <= int(query["before"]))
    )
