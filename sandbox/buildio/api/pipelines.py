"""What groups apps: namespaces, pipelines with their environments, teams."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from sandbox.buildio.api.base import (
    BaseEndpoints,
    answered,
    config_in,
    invalid,
    not_found,
    parse_body,
    parse_name,
    parse_text,
    region_in,
)
from sandbox.buildio.state import Environment, change_environment


@dataclass
class PipelineEndpoints(BaseEndpoints):
    """Answers what is asked about them."""

    async def _namespaces(self, request: web.Request) -> web.Response:
        seen = [one for one in self.platform.namespaces if self._sees(request, one)]
        return answered([self.answers.namespace(one) for one in seen])

    async def _namespace(self, request: web.Request) -> web.Response:
        return answered(self.answers.namespace(self._find_namespace(request)))

    async def _create_namespace(self, request: web.Request) -> web.Response:
        body = await parse_body(request, ("name", "team_id", "description", "region"), required=("name",))
        name = parse_name(body, [one.name for one in self.platform.namespaces])
        region, team = region_in(parse_text(body, "region")), self._team(request, parse_text(body, "team_id"))
        namespace = self.platform.add_namespace(
            name,
            self.now(),
            team=team,
            owner=None if team else self._member(request),
            region=region,
            description=parse_text(body, "description", most=1000),
        )
        return answered(self.answers.namespace(namespace), 201)

    async def _delete_namespace(self, request: web.Request) -> web.Response:
        namespace = self._find_namespace(request)
        if inside := [app.name for app in self.platform.apps if app.namespace is namespace]:
            raise invalid(f"{namespace.name} is not empty: {', '.join(inside)}")
        self.platform.namespaces.remove(namespace)
        return answered(self.answers.changed(self.answers.namespace(namespace)))

    async def _pipelines(self, request: web.Request) -> web.Response:
        seen = [one for one in self.platform.pipelines if self._sees(request, one)]
        return answered([self.answers.pipeline(one) for one in seen])

    async def _pipeline(self, request: web.Request) -> web.Response:
        return answered(self.answers.pipeline_details(self._find_pipeline(request)))

    async def _pipeline_apps(self, request: web.Request) -> web.Response:
        joined = self._find_pipeline(request).apps.items()
        return answered(
            [self.answers.pipeline_app(app, stage) for app, stage in joined if self._sees(request, app)]
        )

    async def _environment(self, request: web.Request) -> web.Response:
        return answered(self._find_environment(request).config)

    async def _set_environment(self, request: web.Request) -> web.Response:
        environment = self._find_environment(request)
        change_environment(environment, config_in(await parse_body(request, None), nulls=True))
        return answered(self.answers.changed(dict(environment.config)))

    async def _remove_from_environment(self, request: web.Request) -> web.Response:
        environment, key = self._find_environment(request), request.match_info["key"]
        if key not in environment.config:
            raise not_found()
        change_environment(environment, {key: None})
        return answered(self.answers.changed(dict(environment.config)))

    async def _teams(self, request: web.Request) -> web.Response:
        roles = self._member(request).roles
        return answered([self.answers.team(one) for one in self.platform.teams if roles.get(one.name)])

    async def _team_details(self, request: web.Request) -> web.Response:
        wanted = request.match_info["team"]
        found = next((one for one in self.platform.teams if one.id == wanted), None)
        if found is None:
            raise not_found()
        self._may(request, found, None)
        return answered(self.answers.team_details(found, self.members))

    def _find_environment(self, request: web.Request) -> Environment:
        wanted = request.match_info["environment"]
        for pipeline in self.platform.pipelines:
            for one in pipeline.environments:
                if one.id == wanted:
                    self._may(request, pipeline.team, pipeline.owner)
                    return one
        raise not_found()
