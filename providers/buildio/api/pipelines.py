"""API endpoints for teams, namespaces, pipelines and environments."""

from __future__ import annotations

from collections.abc import Mapping

from providers.buildio.api.config_vars import parse_config_vars
from providers.buildio.api.connection import Connection, path_of
from providers.buildio.api.field_parsing import parse_change_response, parse_fields, parse_list
from providers.buildio.api.models import Namespace, Pipeline, PipelineApp, Team
from providers.buildio.api.pipeline_models import (
    parse_namespace,
    parse_pipeline,
    parse_pipeline_apps,
    parse_team,
)


class PipelinesApi(Connection):
    """Endpoints from "Namespaces" to "Teams" in the reference. Every method raises ProviderError."""

    async def teams(self) -> list[Team]:
        """List the teams of the token's owner."""
        return parse_list((await self._api.read("/teams")).body, parse_team, resource="teams")

    async def team(self, id: str) -> Team:  # noqa: A002
        """Fetch one team."""
        reply = await self._api.read(path_of("teams", id))
        return parse_team(parse_fields(reply.body, resource="team"), requested=id) or Team(id=id, name=id)

    async def namespaces(self) -> list[Namespace]:
        """List the namespaces that the token can see."""
        return parse_list((await self._api.read("/namespaces")).body, parse_namespace, resource="namespaces")

    async def namespace(self, name: str) -> Namespace:
        """Fetch one namespace, by ID or name."""
        reply = await self._api.read(path_of("namespaces", name))
        return parse_namespace(parse_fields(reply.body, resource="namespace"), requested=name) or Namespace(
            id=name, name=name
        )

    async def create_namespace(
        self, name: str, *, team: str | None = None, description: str | None = None, region: str | None = None
    ) -> Namespace:
        """Create a namespace; `team` is the team's ID."""
        fields = {"name": name, "team_id": team, "description": description, "region": region}
        body = {key: value for key, value in fields.items() if value is not None}
        reply = await self._api.change("POST", "/namespaces", body)
        namespace = parse_namespace(parse_change_response(reply.body, resource="namespace"), requested=name)
        return namespace or Namespace(id=name, name=name)

    async def delete_namespace(self, name: str) -> None:
        """Delete a namespace, by ID or name."""
        await self._api.change("DELETE", path_of("namespaces", name), None)

    async def pipelines(self) -> list[Pipeline]:
        """List the pipelines that the token can see."""
        return parse_list((await self._api.read("/pipelines")).body, parse_pipeline, resource="pipelines")

    async def pipeline(self, name: str) -> Pipeline:
        """Fetch one pipeline, by ID or name, with its environments and review app settings."""
        reply = await self._api.read(path_of("pipelines", name))
        return parse_pipeline(parse_fields(reply.body, resource="pipeline"), requested=name) or Pipeline(
            id=name, name=name
        )

    async def pipeline_apps(self, name: str) -> list[PipelineApp]:
        """List the apps of a pipeline, each with its stage."""
        return parse_pipeline_apps((await self._api.read(path_of("pipelines", name, "apps"))).body)

    async def environment(self, id: str) -> dict[str, str]:  # noqa: A002
        """Fetch the config vars of a pipeline's environment with their values, which are secret."""
        return parse_config_vars((await self._api.read(path_of("environments", id))).body)

    async def set_environment(self, id: str, values: Mapping[str, str | None]) -> None:  # noqa: A002
        """Set these config vars and unset those that are None; the others stay unchanged."""
        await self._api.change("PATCH", path_of("environments", id), dict(values))

    async def remove_from_environment(self, id: str, key: str) -> None:  # noqa: A002
        """Remove a config var."""
        await self._api.change("DELETE", path_of("environments", id, key), None)
