"""What Build.io says of apps. Pure; no I/O."""

from __future__ import annotations

from typing import Any

from providers.buildio.api.deployments import parse_deployment
from providers.buildio.api.field_parsing import Fields
from providers.buildio.api.models import BuildioApp, ProcessFormation

# What the dynos are called where only their number is told.
ALL_TYPES = "dynos"


def parse_app(fields: Fields, *, asked: str | None = None) -> BuildioApp | None:
    """The app; `asked` is what it was asked for as. None where it has no name at all."""
    known = fields.identity("name", "app_name", "slug", asked=asked)
    if known is None:
        return None
    return BuildioApp(
        id=known[0],
        name=known[1],
        team=fields.related_name("team", "team_name", "organization", "team_id"),
        region=fields.related_name("region", "region_name", "region_id"),
        stack=fields.related_name("stack", "build_stack"),
        namespace=fields.related_name("namespace", "namespace_name", "namespace_id"),
        web_url=fields.address("web_url", "url"),
        formation=_formation(fields.value("formation", "formations", "process_types")),
        buildpacks=_buildpacks(fields.value("buildpacks", "buildpack")),
        deployment=parse_deployment(fields),
        created_at=fields.time("created_at"),
        updated_at=fields.time("updated_at"),
    )


def _formation(value: Any) -> tuple[ProcessFormation, ...]:
    """As a list, by process type, or as a mere count."""
    given: list[Fields | None]
    if isinstance(value, dict):
        given = [_of_type(type_, one) for type_, one in value.items()]
    elif isinstance(value, list):
        given = [Fields.of(one) for one in value]
    else:
        counted = Fields({"type": ALL_TYPES, "quantity": value})
        given = [counted] if counted.number("quantity") is not None else []
    found = (_process(fields) for fields in given if fields is not None)
    return tuple(one for one in found if one is not None)


def _of_type(type_: str, value: Any) -> Fields:
    return Fields({"type": type_, **value} if isinstance(value, dict) else {"type": type_, "quantity": value})


def _process(fields: Fields) -> ProcessFormation | None:
    type_ = fields.name("type", "process_type", "process", "name")
    if type_ is None:
        return None
    return ProcessFormation(
        type=type_,
        quantity=fields.number("quantity", "count", "replicas", "scale"),
        size=fields.related_name("size", "dyno_size"),
        command=fields.text("command"),
    )


def _buildpacks(value: Any) -> tuple[str, ...]:
    """As texts, or as objects with a name or an address, which may stand one deeper (Heroku's Platform API)."""
    found = []
    for one in value if isinstance(value, list) else [value]:
        fields = Fields.of(one)
        if fields is not None:
            deeper = fields.inner("buildpack")
            found.append(deeper.name("name", "url") or fields.name("name", "url", "buildpack"))
    return tuple(one for one in found if one is not None)
