"""Tolerant parsing of Build.io's responses: the reference names few fields, so several keys are tried for each.

Where the reference is silent, Heroku's Platform API is the model: a related resource is an object with an ID and a
name, or only one of them as text. Pure; no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar

import structlog
from pydantic import BeforeValidator, TypeAdapter

from domain.provider_errors import TooLarge, UnexpectedResponse
from domain.redaction.redactor import redact_beginning
from domain.url import read_address
from providers.buildio.provider import BUILDIO
from providers.http.field_parsing import Flag, MaybeSlug, Name, Number, Text, Time, as_text, parse_json

log = structlog.get_logger()

T = TypeVar("T")
# Lists have no pages (reference, "Request and Response Format"); nobody has 10,000 apps.
MAX_ITEMS = 10_000
LONGEST_TEXT = 2_000

_text: TypeAdapter[str | None] = TypeAdapter(Text)
_name: TypeAdapter[str | None] = TypeAdapter(Annotated[Name, BeforeValidator(as_text)])
_id: TypeAdapter[str | None] = TypeAdapter(Annotated[MaybeSlug, BeforeValidator(as_text)])
_number: TypeAdapter[int | None] = TypeAdapter(Number)
_flag: TypeAdapter[bool | None] = TypeAdapter(Flag)
_time: TypeAdapter[datetime | None] = TypeAdapter(Time)


class Fields:
    """An object in a response. Each method takes the possible keys of a field and uses the first valid value."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content

    @classmethod
    def of(cls, value: Any) -> Fields | None:
        """Return the fields of an object, or of a text as a name; None for anything else."""
        if isinstance(value, dict):
            return cls(value)
        return cls({"name": value}) if isinstance(value, str) and value else None

    def value(self, *keys: str) -> Any:
        """Return the raw value; None if there is none."""
        return next((self._content[key] for key in keys if self._content.get(key) is not None), None)

    def inner(self, *keys: str) -> Fields:
        """Return the nested object; an empty one if there is none."""
        values = (self._content.get(key) for key in keys)
        return Fields(next((value for value in values if isinstance(value, dict)), {}))

    def identity(self, *names: str, requested: str | None = None) -> tuple[str, str] | None:
        """Return the ID and the name; if one is missing, it is the same as the other. None if both are missing.

        `names` are the keys of the name; `requested` is the name or ID in the request.
        """
        name = self.name(*names) or requested
        id_ = self.id("id", "uuid") or name
        return (id_, name or id_) if id_ is not None else None

    def text(self, *keys: str) -> str | None:
        """Return a text of any length and characters, truncated and without secrets."""
        text = self._first_valid(_text, keys)
        return redact_beginning(text, LONGEST_TEXT)[:LONGEST_TEXT] if text is not None else None

    def name(self, *keys: str) -> str | None:
        """Return a name: one readable line without secrets."""
        return self._first_valid(_name, keys)

    def id(self, *keys: str) -> str | None:
        """Return an ID: letters, digits, `_` and `-`."""
        return self._first_valid(_id, keys)

    def number(self, *keys: str) -> int | None:
        """Return a whole number."""
        return self._first_valid(_number, keys)

    def flag(self, *keys: str) -> bool | None:
        """Return a boolean."""
        return self._first_valid(_flag, keys)

    def time(self, *keys: str) -> datetime | None:
        """Return a time with its time zone."""
        return self._first_valid(_time, keys)

    def address(self, *keys: str) -> str | None:
        """Return a URL."""
        names = (self.name(key) for key in keys)
        return next((name for name in names if name is not None and read_address(name) is not None), None)

    def related_name(self, *keys: str) -> str | None:
        """Return the name of a related resource: a text, or an object with a name, e-mail address or ID."""
        for key in keys:
            fields = Fields.of(self._content.get(key))
            if fields is not None and (name := fields.name("name", "email", "slug", "id")) is not None:
                return name
        return None

    def plain(self) -> dict[str, str | int | bool]:
        """Return all fields that are booleans, numbers or names."""
        fields: dict[str, str | int | bool] = {}
        for key, value in self._content.items():
            read = value if isinstance(value, bool) else self._plain_value(key, value)
            if read is not None and _name.validate_python(key) is not None:
                fields[key] = read
        return fields

    def _plain_value(self, key: str, value: Any) -> str | int | None:
        return self.number(key) if isinstance(value, int) else self.name(key)

    def _first_valid(self, adapter: TypeAdapter[T | None], keys: tuple[str, ...]) -> T | None:
        values = (adapter.validate_python(self._content[key]) for key in keys if key in self._content)
        return next((value for value in values if value is not None), None)


def parse_list(body: bytes, read: Callable[[Fields], T | None], *, resource: str) -> list[T]:
    """Parse a list: an array, or an array in an object under `data` or the name of the resource.

    Invalid items are skipped, and only their number is logged. Raises UnexpectedResponse and TooLarge.
    """
    content = parse_json(body, provider=BUILDIO)
    if isinstance(content, dict):
        content = next(
            (content[key] for key in (resource, "data") if isinstance(content.get(key), list)), None
        )
    if not isinstance(content, list):
        raise UnexpectedResponse("it isn't a list", provider=BUILDIO)
    if len(content) > MAX_ITEMS:
        raise TooLarge(f"more than {MAX_ITEMS} items in one list", provider=BUILDIO)
    parsed = [read(fields) for item in content if (fields := Fields.of(item)) is not None]
    things = [resource for resource in parsed if resource is not None]
    if len(things) < len(content):
        log.warning("buildio.items_left_out", of=resource, items=len(content) - len(things))
    return things


def parse_fields(body: bytes, *, resource: str) -> Fields:
    """Return the fields of one resource, which may be nested in an object or be the only item of a list.

    Raises UnexpectedResponse.
    """
    content = parse_json(body, provider=BUILDIO)
    if isinstance(content, list) and len(content) == 1:
        content = content[0]
    if not isinstance(content, dict):
        raise UnexpectedResponse(f"there is no {resource} in it", provider=BUILDIO)
    if "id" not in content and "name" not in content:
        content = next(
            (content[key] for key in (resource, "data") if isinstance(content.get(key), dict)), content
        )
    return Fields(content)


def parse_change_response(body: bytes, *, resource: str) -> Fields:
    """Return the fields in the response to a change; empty if it can't be parsed, since the change is done anyway."""
    try:
        return parse_fields(body, resource=resource)
    except UnexpectedResponse:
        return Fields({})
