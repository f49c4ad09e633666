"""Config vars, as Build.io lists them. Pure; no I/O."""

from __future__ import annotations

import json
from typing import Any

import structlog
from pydantic import TypeAdapter

from domain.errors import UnexpectedResponse
from domain.provider import Provider
from providers.http.field_parsing import Name, parse_json

log = structlog.get_logger()

_WRAPPED = ("config_vars", "config-vars", "vars", "data")
_key: TypeAdapter[str | None] = TypeAdapter(Name)


def parse_config_vars(body: bytes) -> dict[str, str]:
    """The variables, each value as a text. Raises UnexpectedResponse.

    The reference says "key-value pairs". One that is null counts as none, as it does where variables are set.
    """
    content = parse_json(body, provider=Provider.BUILDIO)
    if isinstance(content, dict):
        content = _unwrapped(content)
    pairs = list(content.items()) if isinstance(content, dict) else _pairs(content)
    found = {key: _as_text(value) for key, value in pairs if value is not None and _key.validate_python(key)}
    if left_out := sum(value is not None for _, value in pairs) - len(found):
        log.warning("buildio.items_left_out", of="config vars", items=left_out)
    return found


def _unwrapped(content: dict[str, Any]) -> dict[str, Any] | list[Any]:
    # A variable's value is no object or list, so one alone that is must be what holds them all.
    [name, *others] = content or [""]
    within = content.get(name)
    return within if not others and name in _WRAPPED and isinstance(within, dict | list) else content


def _pairs(content: Any) -> list[tuple[Any, Any]]:
    if not isinstance(content, list):
        raise UnexpectedResponse("there are no config vars in it", provider=Provider.BUILDIO)
    return [(one.get("key", one.get("name")), one.get("value")) for one in content if isinstance(one, dict)]


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    try:
        return json.dumps(value, ensure_ascii=True)
    except RecursionError:
        return ""
