"""Apps, their builds and their config vars."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from sandbox.buildio.api.base import (
    BaseEndpoints,
    answered,
    config_in,
    not_found,
    parse_body,
    parse_name,
    parse_text,
    region_in,
)


@dataclass
class AppEndpoints(BaseEndpoints):
    """Answers what is asked about them."""

    async def _apps(self, request: web.Request) -> web.Response:
        apps = [app for app in self.platform.apps if self._sees(request, app)]
        if (wanted := request.query.get("team_id")) is not None:
            if not any(
                one.id == wanted and self._member(request).roles.get(one.name) for one in self.platform.teams
            ):
                raise not_found()
            apps = [app for app in apps if app.team is not None and app.team.id == wanted]
        return answered([self.answers.app(app) for app in apps])

    async def _app(self, request: web.Request) -> web.Response:
        return answered(self.answers.app_details(self._find_app(request)))

    async def _create_app(self, request: web.Request) -> web.Response:
        body = await parse_body(request, ("name", "team_id", "region"), required=("name",))
        name = parse_name(body, [one.name for one in self.platform.apps])
        region, team = region_in(parse_text(body, "region")), self._team(request, parse_text(body, "team_id"))
        owner = None if team else self._member(request)
        app = self.platform.add_app(name, self.now(), team=team, owner=owner, region=region)
        return answered(self.answers.app_details(app), 201)

    async def _start_build(self, request: web.Request) -> web.Response:
        app = self._find_app(request)
        body = await parse_body(request, ("branch", "commitish", "description"))
        deployment = self.platform.deploy(
            app,
            self.now(),
            by=self._member(request).email,
            branch=parse_text(body, "branch"),
            commit=parse_text(body, "commitish"),
            description=parse_text(body, "description", most=1000),
        )
        return answered(self.answers.build(app, deployment), 201)

    async def _config(self, request: web.Request) -> web.Response:
        return answered(self._find_app(request).config)

    async def _set_config(self, request: web.Request) -> web.Response:
        app = self._find_app(request)
        changes = config_in(await parse_body(request, None), nulls=False)
        self.platform.set_config(app, changes, self.now())
        return answered(self.answers.changed(dict(app.config)))

    async def _remove_config(self, request: web.Request) -> web.Response:
        app, key = self._find_app(request), request.match_info["key"]
        if key not in app.config:
            raise not_found()
        self.platform.set_config(app, {key: None}, self.now())
        return answered(self.answers.changed(dict(app.config)))
