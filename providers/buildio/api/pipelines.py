"""API endpoints for teams, namespaces, pipelines and environments, and the parsing of their responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from providers.buildio.api.apps import parse_config_vars
from providers.buildio.api.connection import Connection, path_of, present_fields
from providers.buildio.api.field_parsing import Fields
from providers.buildio.api.models import Environment, Namespace, Pipeline, PipelineApp, Team

_REVIEW = ("review_apps", "review_app_settings", "review_apps_settings", "review_app", "review_app_config")
_ENABLED = ("enabled", "review_apps", "review_apps_enabled", "active", "automatic_review_apps")


def parse_team(fields: Fields, *, requested: str | None = None) -> Team | None:
    """Parse a team; None if it has neither a name nor an ID."""
    id_ = fields.id("id", "uuid") or requested or fields.name("name")
    return Team(id=id_, name=fields.name("name", "slug") or id_) if id_ is not None else None


def parse_namespace(fields: Fields, *, requested: str | None = None) -> Namespace | None:
    """Parse a namespace; None if it has neither a name nor an ID."""
    identity = fields.identity("name", "slug", requested=requested)
    if identity is None:
        return None
    return Namespace(
        id=identity[0],
        name=identity[1],
        team=fields.related_name("team", "team_name", "team_id"),
        region=fields.related_name("region", "region_name", "region_id"),
        description=fields.text("description"),
    )


def parse_pipeline(fields: Fields, *, requested: str | None = None) -> Pipeline | None:
    """Parse a pipeline; None if it has neither a name nor an ID."""
    identity = fields.identity("name", "slug", requested=requested)
    if identity is None:
        return None
    settings = fields.inner(*_REVIEW)
    enabled = fields.flag("review_apps", "review_apps_enabled", "review_app", "has_review_apps")
    return Pipeline(
        id=identity[0],
        name=identity[1],
        team=fields.related_name("team", "team_name", "owner", "team_id"),
        environments=tuple(_parse_environments(fields.value("environments", "stages"))),
        review_apps=enabled if enabled is not None else settings.flag(*_ENABLED),
        review_settings=settings.plain(),
    )


def _parse_environments(value: Any) -> Iterator[Environment]:
    """Parse environments: a list, or a mapping by name."""
    if isinstance(value, dict):
        value = [
            {"name": name, **item} if isinstance(item, dict) else {"name": name, "id": item}
            for name, item in value.items()
        ]
    for entry in value if isinstance(value, list) else []:
        fields = Fields.of(entry)
        identity = fields.identity("name", "stage", "type", "kind") if fields is not None else None
        if identity is not None:
            yield Environment(id=identity[0], name=identity[1])


def parse_pipeline_app(fields: Fields) -> PipelineApp | None:
    """Parse an app with its stage, or a coupling of both (Heroku's Platform API, "Pipeline Coupling")."""
    app = fields.inner("app")
    id_ = app.id("id", "uuid") or fields.id("app_id") or fields.id("id", "uuid")
    name = app.name("name") or fields.name("app", "app_name", "name") or id_
    if name is None:
        return None
    stage = fields.related_name("stage", "pipeline_stage", "environment") or app.related_name(
        "stage", "environment"
    )
    return PipelineApp(id=id_ or name, name=name, stage=stage)


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
