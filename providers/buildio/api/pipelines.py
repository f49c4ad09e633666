"""API endpoints for teams, namespaces, pipelines and environments."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from providers.buildio.api.config_vars import parse_config_vars
from providers.buildio.api.connection import Connection, path_of, present_fields
from providers.buildio.api.models import Namespace, Pipeline, PipelineApp, Team
from providers.buildio.api.pipeline_models import (
    parse_namespace,
    parse_pipeline,
    parse_pipeline_app,
    parse_team,
)


class PipelinesApi(Connection):
    """Endpoints from "Namespaces" to "Teams" in the reference. Every method raises ProviderError."""

    async def teams(self) -> list[Team]:
        """List the teams of the token's owner."""
        return await self._list("/teams", parse_team, "teams")

    async def team(self, id: str) -> Team:  # noqa: A002
        """Fetch one team."""
        return await self._fetch(path_of("teams", id), partial(parse_team, requested=id), "team")

    async def namespaces(self) -> list[Namespace]:
        """List the namespaces that the token can see."""
        return await self._list("/namespaces", parse_namespace, "namespaces")

    async def namespace(self, name: str) -> Namespace:
        """Fetch one namespace, by ID or name."""
        parse = partial(parse_namespace, requested=name)
        return await self._fetch(path_of("namespaces", name), parse, "namespace")

    async def create_namespace(
        self, name: str, *, team: str | None = None, description: str | None = None, region: str | None = None
    ) -> Namespace:
        """Create a namespace; `team` is the team's ID."""
        body = present_fields(name=name, team_id=team, description=description, region=region)
        parse = partial(parse_namespace, requested=name)
        return await self._change("POST", "/namespaces", body, parse, "namespace")

    async def delete_namespace(self, name: str) -> None:
        """Delete a namespace, by ID or name."""
        await self._api.change("DELETE", path_of("namespaces", name), None)

    async def pipelines(self) -> list[Pipeline]:
        """List the pipelines that the token can see."""
        return await self._list("/pipelines", parse_pipeline, "pipelines")

    async def pipeline(self, name: str) -> Pipeline:
        """Fetch one pipeline, by ID or name, with its environments and review app settings."""
        parse = partial(parse_pipeline, requested=name)
        return await self._fetch(path_of("pipelines", name), parse, "pipeline")

    async def pipeline_apps(self, name: str) -> list[PipelineApp]:
        """List the apps of a pipeline, each with its stage."""
        return await self._list(path_of("pipelines", name, "apps"), parse_pipeline_app, "apps")

    async def environment(self, id: str) -> dict[str, str]:  # noqa: A002
        """Fetch the config vars of a pipeline's environment with their values, which are secret."""
        return parse_config_vars((await self._api.read(path_of("environments", id))).body)

    async def set_environment(self, id: str, values: Mapping[str, str | None]) -> None:  # noqa: A002
        """Set these config vars and unset those that are None; the others stay unchanged."""
        await self._api.change("PATCH", path_of("environments", id), dict(values))

    async def remove_from_environment(self, id: str, key: str) -> None:  # noqa: A002
        """Remove a config var."""
        await self._api.change("DELETE", path_of("environments", id, key), None)
