"""Parsing of teams, namespaces, pipelines and environments. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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
