"""Endpoints for pipelines and their environments."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from sandbox.buildio.api.base import (
    BaseEndpoints,
    json_response,
    not_found,
    parse_body,
    parse_config,
)
from sandbox.buildio.state import Environment, change_environment


@dataclass
class PipelineEndpoints(BaseEndpoints):
    """Endpoints for pipelines."""

    async def _pipelines(self, request: web.Request) -> web.Response:
        visible = [pipeline for pipeline in self.state.pipelines if self._can_see(request, pipeline)]
        return json_response([self.serializer.pipeline(pipeline) for pipeline in visible])

    async def _pipeline(self, request: web.Request) -> web.Response:
        return json_response(self.serializer.pipeline_details(self._find_pipeline(request)))

    async def _pipeline_apps(self, request: web.Request) -> web.Response:
        joined = self._find_pipeline(request).apps.items()
        return json_response(
            [self.serializer.pipeline_app(app, stage) for app, stage in joined if self._can_see(request, app)]
        )

    async def _environment(self, request: web.Request) -> web.Response:
        return json_response(self._find_environment(request).config)

    async def _set_environment(self, request: web.Request) -> web.Response:
        environment = self._find_environment(request)
        change_environment(environment, parse_config(await parse_body(request, None), nulls=True))
        return json_response(self.serializer.changed(dict(environment.config)))

    async def _remove_from_environment(self, request: web.Request) -> web.Response:
        environment, key = self._find_environment(request), request.match_info["key"]
        if key not in environment.config:
            raise not_found()
        change_environment(environment, {key: None})
        return json_response(self.serializer.changed(dict(environment.config)))

    def _find_environment(self, request: web.Request) -> Environment:
        wanted = request.match_info["environment"]
        for pipeline in self.state.pipelines:
            for environment in pipeline.environments:
                if environment.id == wanted:
                    self._check_access(request, pipeline.team, pipeline.owner)
                    return environment
        raise not_found()
