"""Parsing of config vars. Pure; no I/O."""

from __future__ import annotations

import json
from typing import Any

import structlog
from pydantic import TypeAdapter

from domain.provider_errors import UnexpectedResponse
from providers.buildio.provider import BUILDIO
from providers.http.field_parsing import Name, parse_json

log = structlog.get_logger()

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
