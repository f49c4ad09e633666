"""Endpoints for namespaces."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from sandbox.buildio.api.base import (
    BaseEndpoints,
    invalid,
    json_response,
    parse_body,
    parse_name,
    parse_region,
    parse_text,
)


@dataclass
class NamespaceEndpoints(BaseEndpoints):
    """Endpoints for namespaces."""

    async def _namespaces(self, request: web.Request) -> web.Response:
        visible = [namespace for namespace in self.state.namespaces if self._can_see(request, namespace)]
        return json_response([self.serializer.namespace(namespace) for namespace in visible])

    async def _namespace(self, request: web.Request) -> web.Response:
        return json_response(self.serializer.namespace(self._find_namespace(request)))

    async def _create_namespace(self, request: web.Request) -> web.Response:
        body = await parse_body(request, ("name", "team_id", "description", "region"), required=("name",))
        name = parse_name(body, [namespace.name for namespace in self.state.namespaces])
        region, team = (
            parse_region(parse_text(body, "region")),
            self._team(request, parse_text(body, "team_id")),
        )
        namespace = self.state.add_namespace(
            name,
            self.now(),
            team=team,
            owner=None if team else self._member(request),
            region=region,
            description=parse_text(body, "description", max_length=1000),
        )
        return json_response(self.serializer.namespace(namespace), 201)

    async def _delete_namespace(self, request: web.Request) -> web.Response:
        namespace = self._find_namespace(request)
        if inside := [app.name for app in self.state.apps if app.namespace is namespace]:
            raise invalid(f"{namespace.name} is not empty: {', '.join(inside)}")
        self.state.namespaces.remove(namespace)
        return json_response(self.serializer.changed(self.serializer.namespace(namespace)))
