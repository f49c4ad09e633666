"""API endpoints for apps, builds and config vars, and the parsing of their responses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog
from pydantic import TypeAdapter

from domain.provider_errors import UnexpectedResponse
from providers.buildio.api.connection import Connection, path_of, present_fields
from providers.buildio.api.deployments import parse_deployment, parse_started_build
from providers.buildio.api.field_parsing import Fields
from providers.buildio.api.models import BuildioApp, ProcessFormation, StartedBuild
from providers.buildio.provider import BUILDIO
from providers.http.field_parsing import Name, parse_json

log = structlog.get_logger()

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


_WRAPPED = ("config_vars", "config-vars", "vars", "data")
_key: TypeAdapter[str | None] = TypeAdapter(Name)


def parse_config_vars(body: bytes) -> dict[str, str]:
    """Parse config vars, each value as text. Raises UnexpectedResponse.

    The reference says "key-value pairs". A null value counts as unset, as it does when variables are set.
    """
    content = parse_json(body, provider=BUILDIO)
    if isinstance(content, dict):
        content = _unwrap(content)
    pairs = list(content.items()) if isinstance(content, dict) else _parse_pairs(content)
    config_vars = {
        key: _to_text(value) for key, value in pairs if value is not None and _key.validate_python(key)
    }
    if left_out := sum(value is not None for _, value in pairs) - len(config_vars):
        log.warning("buildio.items_left_out", of="config vars", items=left_out)
    return config_vars


def _unwrap(content: dict[str, Any]) -> dict[str, Any] | list[Any]:
    # A config var's value is never an object or list, so a single key with one is a wrapper.
    [name, *others] = content or [""]
    nested = content.get(name)
    return nested if not others and name in _WRAPPED and isinstance(nested, dict | list) else content


def _parse_pairs(content: Any) -> list[tuple[Any, Any]]:
    if not isinstance(content, list):
        raise UnexpectedResponse("there are no config vars in it", provider=BUILDIO)
    return [
        (item.get("key", item.get("name")), item.get("value")) for item in content if isinstance(item, dict)
    ]


def _to_text(value: Any) -> str:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    try:
        return json.dumps(value, ensure_ascii=True)
    except RecursionError:
        return ""


class AppsApi(Connection):
    """Endpoints from "Apps" to "Config Vars" in the reference. Every method raises ProviderError."""

    async def apps(self, *, team: str | None = None) -> list[BuildioApp]:
        """List the apps that the token can see; with a team's ID, only those of the team."""
        params = {"team_id": team} if team is not None else None
        return await self._list("/apps", parse_app, "apps", params)

    async def app(self, name: str) -> BuildioApp:
        """Fetch one app, by ID or name, with its current deployment."""
        return await self._fetch(path_of("apps", name), partial(parse_app, requested=name), "app")

    async def create_app(
        self, name: str, *, team: str | None = None, region: str | None = None
    ) -> BuildioApp:
        """Create an app; `team` is the team's ID."""
        body = present_fields(name=name, team_id=team, region=region)
        return await self._change("POST", "/apps", body, partial(parse_app, requested=name), "app")

    async def start_build(
        self,
        app: str,
        *,
        branch: str | None = None,
        commitish: str | None = None,
        description: str | None = None,
    ) -> StartedBuild:
        """Start a build; never retried. Raises ResponseLost if the build may have started."""
        body = present_fields(branch=branch, commitish=commitish, description=description)
        return await self._change("POST", path_of("apps", app, "builds"), body, parse_started_build, "build")

    async def config_vars(self, app: str) -> dict[str, str]:
        """Fetch the app's config vars with their values, which are secret."""
        return parse_config_vars((await self._api.read(path_of("apps", app, "config-vars"))).body)

    async def set_config_vars(self, app: str, values: Mapping[str, str]) -> None:
        """Set these config vars; the others stay unchanged."""
        await self._api.change("PATCH", path_of("apps", app, "config-vars"), dict(values))

    async def remove_config_var(self, app: str, key: str) -> None:
        """Remove a config var."""
        await self._api.change("DELETE", path_of("apps", app, "config-vars", key), None)
