"""Routes of Bitrise's API v0.1, with its documented error messages."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from sandbox.bitrise.api.artifacts import ArtifactEndpoints
from sandbox.bitrise.api.base import ApiError, paginated_response
from sandbox.bitrise.api.build_requests import BuildRequestEndpoints
from sandbox.bitrise.api.builds import BuildEndpoints
from sandbox.bitrise.api.config import ConfigEndpoints
from sandbox.bitrise.api.logs import LogEndpoints
from sandbox.bitrise.api.workspaces import WorkspaceEndpoints
from sandbox.bitrise.serializers import serialize_app
from sandbox.middleware import Handler


@dataclass
class BitriseApi(
    LogEndpoints,
    BuildEndpoints,
    ArtifactEndpoints,
    BuildRequestEndpoints,
    ConfigEndpoints,
    WorkspaceEndpoints,
):
    """All documented endpoints of Bitrise."""

    def application(self) -> web.Application:
        """Return the aiohttp application of the API host."""
        app = web.Application(middlewares=[self._middleware])
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
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        member = self._find_member(request)
        self.state.advance(self.now())
        return await self.middleware.handle(
            request, member.username if member else "", lambda _: self._respond(request, handler)
        )

    async def _respond(self, request: web.Request, handler: Handler) -> web.StreamResponse:
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
        apps = [app for app in self.state.apps if member.can_see(app)]
        return paginated_response(apps, [app.slug for app in apps], serialize_app, request)

    async def _app(self, request: web.Request) -> web.Response:
        return web.json_response({"data": serialize_app(self._find_app(request))})
