"""Routes of Build.io's API v1, as its reference describes it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from aiohttp import web

from sandbox.buildio.api.apps import AppEndpoints
from sandbox.buildio.api.base import ApiError, invalid, json_response, parse_region
from sandbox.buildio.api.domains import DomainEndpoints
from sandbox.buildio.api.dynos import DynoEndpoints
from sandbox.buildio.api.namespaces import NamespaceEndpoints
from sandbox.buildio.api.pipelines import PipelineEndpoints
from sandbox.buildio.api.teams import TeamEndpoints
from sandbox.buildio.oauth import OAuthEndpoints
from sandbox.buildio.serializers import credential
from sandbox.middleware import Handler, RecordedRequest

ROOT = "/api/v1"
LOGIN_LIFETIME = timedelta(hours=1)


@dataclass
class BuildioApi(
    AppEndpoints, DomainEndpoints, DynoEndpoints, NamespaceEndpoints, PipelineEndpoints, TeamEndpoints
):
    """All endpoints of the reference, and the OAuth endpoints on the same host."""

    oauth: OAuthEndpoints

    def application(self) -> web.Application:
        """Return the aiohttp application of the API host."""
        host = web.Application(middlewares=[self._middleware])
        app = "/apps/{app}"
        for verb, path, handler, query in (
            ("GET", "/me", self._me, ()),
            ("GET", "/oidc-login", self._login, ("region",)),
            ("GET", "/teams", self._teams, ()),
            ("GET", "/teams/{team}", self._team_details, ()),
            ("GET", "/apps", self._apps, ("team_id",)),
            ("POST", "/apps", self._create_app, ()),
            ("GET", app, self._app, ()),
            ("POST", f"{app}/builds", self._start_build, ()),
            ("GET", f"{app}/config-vars", self._config, ()),
            ("PATCH", f"{app}/config-vars", self._set_config, ()),
            ("DELETE", f"{app}/config-vars/{{key}}", self._remove_config, ()),
            ("GET", f"{app}/domains", self._domains, ()),
            ("POST", f"{app}/domains", self._add_domain, ()),
            ("DELETE", f"{app}/domains", self._remove_all_domains, ()),
            ("GET", f"{app}/domains/{{domain}}", self._domain, ()),
            ("PATCH", f"{app}/domains/{{domain}}", self._update_certificate, ()),
            ("DELETE", f"{app}/domains/{{domain}}", self._remove_domain, ()),
            ("GET", f"{app}/dynos/list", self._dynos, ()),
            ("DELETE", f"{app}/dynos", self._restart_all, ()),
            ("DELETE", f"{app}/dynos/{{dyno}}", self._restart, ()),
            ("POST", f"{app}/dynos/{{dyno}}/exec", self._execute, ()),
            ("GET", "/namespaces", self._namespaces, ()),
            ("POST", "/namespaces", self._create_namespace, ()),
            ("GET", "/namespaces/{namespace}", self._namespace, ()),
            ("DELETE", "/namespaces/{namespace}", self._delete_namespace, ()),
            ("GET", "/pipelines", self._pipelines, ()),
            ("GET", "/pipelines/{pipeline}", self._pipeline, ()),
            ("GET", "/pipelines/{pipeline}/apps", self._pipeline_apps, ()),
            ("GET", "/environments/{environment}", self._environment, ()),
            ("PATCH", "/environments/{environment}", self._set_environment, ()),
            ("DELETE", "/environments/{environment}/{key}", self._remove_from_environment, ()),
        ):
            host.router.add_route(verb, ROOT + path, self._with_checks(handler, query))
        self.oauth.add_routes(host)
        return host

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.state.advance(self.now())
        credentials = self._find_token(request)

        async def answer(recorded: RecordedRequest) -> web.StreamResponse:
            try:
                return await self._respond(request, handler)
            except ApiError as refusal:
                if refusal.is_violation:
                    recorded.violations.append(refusal.message)
                return web.json_response(refusal.body, status=refusal.status)

        return await self.middleware.handle(request, credentials[0].username if credentials else "", answer)

    async def _respond(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPNotFound:
            self._member(request)
            raise ApiError(404, "There is no such endpoint", is_violation=True) from None
        except web.HTTPMethodNotAllowed:
            self._member(request)
            raise ApiError(405, "The endpoint doesn't support this method", is_violation=True) from None

    async def _me(self, request: web.Request) -> web.Response:
        return json_response({"email": self._member(request).email})

    async def _login(self, request: web.Request) -> web.Response:
        region = request.query.get("region")
        if not region:
            raise invalid("region is required", is_violation=True)
        parse_region(region)
        return json_response(credential(f"k8s_sandbox-{secrets.token_hex(16)}", self.now() + LOGIN_LIFETIME))


def redact_body(path: str, body: Any) -> Any:
    """Remove config values, credentials and tokens from a body before it is logged."""
    if not isinstance(body, dict) or set(body) == {"code", "message"}:
        return body
    parts = path.removeprefix(ROOT).split("/")
    if "config-vars" in parts or parts[1:2] == ["environments"]:
        return {name: value and "•••" for name, value in body.items()}
    if path.startswith("/oauth/"):
        return {name: "•••" if name.endswith("token") else value for name, value in body.items()}
    if parts[1:2] == ["oidc-login"]:
        return body | {"status": {**body.get("status", {}), "token": "•••"}}
    return {name: "•••" if name in ("cert", "output") else value for name, value in body.items()}
