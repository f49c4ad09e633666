"""Endpoints for teams."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from sandbox.buildio.api.base import (
    BaseEndpoints,
    json_response,
    not_found,
)


@dataclass
class TeamEndpoints(BaseEndpoints):
    """Endpoints for teams."""

    async def _teams(self, request: web.Request) -> web.Response:
        roles = self._member(request).roles
        return json_response(
            [self.serializer.team(team) for team in self.state.teams if roles.get(team.name)]
        )

    async def _team_details(self, request: web.Request) -> web.Response:
        wanted = request.match_info["team"]
        found = next((team for team in self.state.teams if team.id == wanted), None)
        if found is None:
            raise not_found()
        self._check_access(request, found, None)
        return json_response(self.serializer.team_details(found, self.members))
