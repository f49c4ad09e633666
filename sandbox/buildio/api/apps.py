"""Endpoints for apps, their builds and their config vars."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from sandbox.buildio.api.base import (
    BaseEndpoints,
    json_response,
    not_found,
    parse_body,
    parse_config,
    parse_name,
    parse_region,
    parse_text,
)


@dataclass
class AppEndpoints(BaseEndpoints):
    """Endpoints for apps."""

    async def _apps(self, request: web.Request) -> web.Response:
        apps = [app for app in self.state.apps if self._can_see(request, app)]
        if (wanted := request.query.get("team_id")) is not None:
            if not any(
                team.id == wanted and self._member(request).roles.get(team.name) for team in self.state.teams
            ):
                raise not_found()
            apps = [app for app in apps if app.team is not None and app.team.id == wanted]
        return json_response([self.serializer.app(app) for app in apps])

    async def _app(self, request: web.Request) -> web.Response:
        return json_response(self.serializer.app_details(self._find_app(request)))

    async def _create_app(self, request: web.Request) -> web.Response:
        body = await parse_body(request, ("name", "team_id", "region"), required=("name",))
        name = parse_name(body, [app.name for app in self.state.apps])
        region, team = (
            parse_region(parse_text(body, "region")),
            self._team(request, parse_text(body, "team_id")),
        )
        owner = None if team else self._member(request)
        app = self.state.add_app(name, self.now(), team=team, owner=owner, region=region)
        return json_response(self.serializer.app_details(app), 201)

    async def _start_build(self, request: web.Request) -> web.Response:
        app = self._find_app(request)
        body = await parse_body(request, ("branch", "commitish", "description"))
        deployment = self.state.deploy(
            app,
            self.now(),
            by=self._member(request).email,
            branch=parse_text(body, "branch"),
            commit=parse_text(body, "commitish"),
            description=parse_text(body, "description", max_length=1000),
        )
        return json_response(self.serializer.build(app, deployment), 201)

    async def _config(self, request: web.Request) -> web.Response:
        return json_response(self._find_app(request).config)

    async def _set_config(self, request: web.Request) -> web.Response:
        app = self._find_app(request)
        changes = parse_config(await parse_body(request, None), nulls=False)
        self.state.set_config(app, changes, self.now())
        return json_response(self.serializer.changed(dict(app.config)))

    async def _remove_config(self, request: web.Request) -> web.Response:
        app, key = self._find_app(request), request.match_info["key"]
        if key not in app.config:
            raise not_found()
        self.state.set_config(app, {key: None}, self.now())
        return json_response(self.serializer.changed(dict(app.config)))
