"""What Build.io answers, read tolerantly: the reference names few fields, so each is looked for where it may stand.

Where the reference is silent, Heroku's Platform API is the style: what belongs to a thing is an object with id and
name, or only one of them as a text. Pure; no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar

import structlog
from pydantic import BeforeValidator, TypeAdapter

from domain.errors import TooLarge, UnexpectedResponse
from domain.provider import Provider
from domain.redaction.redactor import redact_beginning
from domain.url import read_address
from providers.http.field_parsing import Flag, MaybeSlug, Name, Number, Text, Time, as_text, parse_json

log = structlog.get_logger()

T = TypeVar("T")
# Its lists have no pages (reference, "Request and Response Format"); nobody has ten thousand apps.
MOST_ITEMS = 10_000
LONGEST_TEXT = 2_000

_text: TypeAdapter[str | None] = TypeAdapter(Text)
_name: TypeAdapter[str | None] = TypeAdapter(Annotated[Name, BeforeValidator(as_text)])
_id: TypeAdapter[str | None] = TypeAdapter(Annotated[MaybeSlug, BeforeValidator(as_text)])
_number: TypeAdapter[int | None] = TypeAdapter(Number)
_flag: TypeAdapter[bool | None] = TypeAdapter(Flag)
_time: TypeAdapter[datetime | None] = TypeAdapter(Time)


class Fields:
    """An object of an answer. Each method takes the keys that a field may have: the first that can be read counts."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content

    @classmethod
    def of(cls, value: Any) -> Fields | None:
        """The fields of an object, or of a text that names one; None for anything else."""
        if isinstance(value, dict):
            return cls(value)
        return cls({"name": value}) if isinstance(value, str) and value else None

    def value(self, *keys: str) -> Any:
        """The value as it came; None where there is none."""
        return next((self._content[key] for key in keys if self._content.get(key) is not None), None)

    def inner(self, *keys: str) -> Fields:
        """The object within; an empty one where there is none."""
        found = (self._content.get(key) for key in keys)
        return Fields(next((one for one in found if isinstance(one, dict)), {}))

    def identity(self, *names: str, asked: str | None = None) -> tuple[str, str] | None:
        """Its id and its name, each in the other's place where that is missing; None where it has neither.

        `names` are the keys of its name; `asked` is what it was asked for as.
        """
        name = self.name(*names) or asked
        id_ = self.id("id", "uuid") or name
        return (id_, name or id_) if id_ is not None else None

    def text(self, *keys: str) -> str | None:
        """A text of any length and with any letters, cut, its secrets taken out."""
        found = self._first(_text, keys)
        return redact_beginning(found, LONGEST_TEXT)[:LONGEST_TEXT] if found is not None else None

    def name(self, *keys: str) -> str | None:
        """A name: one line that can be read, with no secret in it."""
        return self._first(_name, keys)

    def id(self, *keys: str) -> str | None:
        """An id: letters, digits, `_` and `-`."""
        return self._first(_id, keys)

    def number(self, *keys: str) -> int | None:
        """A whole number."""
        return self._first(_number, keys)

    def flag(self, *keys: str) -> bool | None:
        """Yes or no."""
        return self._first(_flag, keys)

    def time(self, *keys: str) -> datetime | None:
        """A moment, with its time zone."""
        return self._first(_time, keys)

    def address(self, *keys: str) -> str | None:
        """A web address."""
        found = (self.name(key) for key in keys)
        return next((one for one in found if one is not None and read_address(one) is not None), None)

    def related_name(self, *keys: str) -> str | None:
        """The name of a thing that belongs to this one: a text, or an object with a name, e-mail address or id."""
        for key in keys:
            fields = Fields.of(self._content.get(key))
            if fields is not None and (found := fields.name("name", "email", "slug", "id")) is not None:
                return found
        return None

    def plain(self) -> dict[str, str | int | bool]:
        """All fields that say yes or no, a number or a name."""
        found: dict[str, str | int | bool] = {}
        for key, value in self._content.items():
            read = value if isinstance(value, bool) else self._plain(key, value)
            if read is not None and _name.validate_python(key) is not None:
                found[key] = read
        return found

    def _plain(self, key: str, value: Any) -> str | int | None:
        return self.number(key) if isinstance(value, int) else self.name(key)

    def _first(self, adapter: TypeAdapter[T | None], keys: tuple[str, ...]) -> T | None:
        read = (adapter.validate_python(self._content[key]) for key in keys if key in self._content)
        return next((one for one in read if one is not None), None)


def parse_list(body: bytes, read: Callable[[Fields], T | None], *, resource: str) -> list[T]:
    """The things of a list: a bare array, or one within an object under `data` or the things' name.

    What can't be read is left out, and only how many of them is logged. Raises UnexpectedResponse and TooLarge.
    """
    content = parse_json(body, provider=Provider.BUILDIO)
    if isinstance(content, dict):
        content = next(
            (content[key] for key in (resource, "data") if isinstance(content.get(key), list)), None
        )
    if not isinstance(content, list):
        raise UnexpectedResponse("it is no list", provider=Provider.BUILDIO)
    if len(content) > MOST_ITEMS:
        raise TooLarge(f"more than {MOST_ITEMS} items in one list", provider=Provider.BUILDIO)
    found = [read(fields) for item in content if (fields := Fields.of(item)) is not None]
    things = [one for one in found if one is not None]
    if len(things) < len(content):
        log.warning("buildio.items_left_out", of=resource, items=len(content) - len(things))
    return things


def parse_fields(body: bytes, *, resource: str) -> Fields:
    """The fields of one thing, also where it stands within an object or is the only one of a list.

    Raises UnexpectedResponse.
    """
    content = parse_json(body, provider=Provider.BUILDIO)
    if isinstance(content, list) and len(content) == 1:
        content = content[0]
    if not isinstance(content, dict):
        raise UnexpectedResponse(f"there is no {resource} in it", provider=Provider.BUILDIO)
    if "id" not in content and "name" not in content:
        content = next(
            (content[key] for key in (resource, "data") if isinstance(content.get(key), dict)), content
        )
    return Fields(content)


def parse_change_response(body: bytes, *, resource: str) -> Fields:
    """The fields in the answer to a change; none where they can't be read: it is done all the same."""
    try:
        return parse_fields(body, resource=resource)
    except UnexpectedResponse:
        return Fields({})
