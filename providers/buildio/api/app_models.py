"""Parsing of apps. Pure; no I/O."""

from __future__ import annotations

from typing import Any

from providers.buildio.api.deployments import parse_deployment
from providers.buildio.api.field_parsing import Fields
from providers.buildio.api.models import BuildioApp, ProcessFormation

# The process type if only the number of dynos is given.
ALL_TYPES = "dynos"


def parse_app(fields: Fields, *, requested: str | None = None) -> BuildioApp | None:
    """Parse an app; `requested` is the name or ID in the request. None if it has neither a name nor an ID."""
    identity = fields.identity("name", "app_name", "slug", requested=requested)
    if identity is None:
        return None
    return BuildioApp(
        id=identity[0],
        name=identity[1],
        team=fields.related_name("team", "team_name", "organization", "team_id"),
        region=fields.related_name("region", "region_name", "region_id"),
        stack=fields.related_name("stack", "build_stack"),
        namespace=fields.related_name("namespace", "namespace_name", "namespace_id"),
        web_url=fields.address("web_url", "url"),
        formation=_parse_formation(fields.value("formation", "formations", "process_types")),
        buildpacks=_parse_buildpacks(fields.value("buildpacks", "buildpack")),
        deployment=parse_deployment(fields),
        created_at=fields.time("created_at"),
    )


def _parse_formation(value: Any) -> tuple[ProcessFormation, ...]:
    """Parse the formation: a list, a mapping by process type, or a number of dynos."""
    items: list[Fields | None]
    if isinstance(value, dict):
        items = [_formation_item(type_, item) for type_, item in value.items()]
    elif isinstance(value, list):
        items = [Fields.of(item) for item in value]
    else:
        counted = Fields({"type": ALL_TYPES, "quantity": value})
        items = [counted] if counted.number("quantity") is not None else []
    processes = (_parse_process(fields) for fields in items if fields is not None)
    return tuple(process for process in processes if process is not None)


def _formation_item(type_: str, value: Any) -> Fields:
    return Fields({"type": type_, **value} if isinstance(value, dict) else {"type": type_, "quantity": value})


def _parse_process(fields: Fields) -> ProcessFormation | None:
    type_ = fields.name("type", "process_type", "process", "name")
    if type_ is None:
        return None
    return ProcessFormation(
        type=type_,
        quantity=fields.number("quantity", "count", "replicas", "scale"),
        size=fields.related_name("size", "dyno_size"),
        command=fields.text("command"),
    )


def _parse_buildpacks(value: Any) -> tuple[str, ...]:
    """Parse buildpacks: texts, or objects with a name or URL, which may be nested once (Heroku's Platform API)."""
    names = []
    for item in value if isinstance(value, list) else [value]:
        fields = Fields.of(item)
        if fields is not None:
            nested = fields.inner("buildpack")
            names.append(nested.name("name", "url") or fields.name("name", "url", "buildpack"))
    return tuple(name for name in names if name is not None)
