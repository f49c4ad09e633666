"""Tolerant types for fields of provider responses: an invalid field is None and hides no other. Pure; no I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import structlog
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    Field,
    Strict,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from domain.provider import Provider
from domain.provider_errors import UnexpectedResponse
from domain.redaction.redactor import redact

log = structlog.get_logger()

ItemT = TypeVar("ItemT", bound=BaseModel)
LONGEST_NAME = 200
_SLUG = re.compile(r"[\w-]{1,64}", re.ASCII)
_PLAIN_SLUG = re.compile(r"[0-9a-f-]+")


def or_none(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """Return None instead of raising an error: an invalid field must not hide the build that it belongs to."""
    if value is None or value == "":
        return None
    try:
        return handler(value)
    except ValidationError:
        return None


def as_text(value: Any) -> Any:
    """Convert a number to text, as some responses have numbers where others have text; leave other values alone."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _validate_slug(value: str) -> str:
    if not _SLUG.fullmatch(value) or (not _PLAIN_SLUG.fullmatch(value) and redact(value) != value):
        raise ValueError("it isn't a valid slug")
    return value


def as_name(value: str) -> str:
    """Validate a name: one printable line without a secret. Raises ValueError."""
    if not 0 < len(value) <= LONGEST_NAME or not value.isprintable() or redact(value) != value:
        raise ValueError("it isn't a valid name")
    return value


def _reject_bool(value: Any) -> Any:
    # To pydantic true is 1, and a status of 1 would be a success that Bitrise did not report.
    return None if isinstance(value, bool) else value


def _parse_time(value: Any, handler: ValidatorFunctionWrapHandler) -> datetime | None:
    time: datetime | None = or_none(value, handler)
    # Go's zero time means none in some responses
    return None if time is None or time.year == 1 or time.tzinfo is None else time


# A list holds hundreds of fields, nearly all as documented. Pydantic itself accepts those with the first part of each
# union, without calling our validators, which would take most of the parsing time. Only the others reach the second
# part, which alone decides their value.
_FIRST_MATCH = Field(union_mode="left_to_right")
_Int = Annotated[int, Field(ge=-(2**53), le=2**53)]
_PlainText = Annotated[str | None, Strict(), Field(min_length=1)]
_PlainNumber = Annotated[int | None, Strict(), Field(ge=-(2**53), le=2**53)]
_PlainTime = Annotated[AwareDatetime | None, Strict(), Field(ge=datetime(1970, 1, 1, tzinfo=UTC))]
_PlainFlag = Annotated[bool | None, Strict()]
_PlainObject = Annotated[dict[str, Any] | None, Strict()]
_PlainHex = Annotated[str, Strict(), StringConstraints(pattern=r"^[0-9a-f-]{1,64}$")]
_AnyText = Annotated[str | None, BeforeValidator(as_text), WrapValidator(or_none)]
_AnyNumber = Annotated[_Int | None, BeforeValidator(_reject_bool), WrapValidator(or_none)]
_AnyTime = Annotated[datetime | None, WrapValidator(_parse_time)]
_AnyFlag = Annotated[bool | None, WrapValidator(or_none)]
_AnyObject = Annotated[dict[str, Any] | None, WrapValidator(or_none)]
_AnySlug = Annotated[str, AfterValidator(_validate_slug)]

Text = Annotated[_PlainText | _AnyText, _FIRST_MATCH]
# Larger numbers count nothing, and fit into no database column.
Number = Annotated[_PlainNumber | _AnyNumber, _FIRST_MATCH]
# The person who starts a build can choose almost every field, but not this: providers assign slugs, and URLs contain
# them.
Slug = Annotated[_PlainHex | _AnySlug, _FIRST_MATCH]
T = TypeVar("T")
_OrNone = Annotated[T | None, WrapValidator(or_none)]
Maybe = Annotated[T | _OrNone[T], _FIRST_MATCH]
MaybeSlug = Maybe[Slug]
# A person's name: one printable line, without a token that was pasted into it.
Name = Maybe[Annotated[str, AfterValidator(as_name)]]
Flag = Annotated[_PlainFlag | _AnyFlag, _FIRST_MATCH]
Object = Annotated[_PlainObject | _AnyObject, _FIRST_MATCH]
Time = Annotated[_PlainTime | _AnyTime, _FIRST_MATCH]


def parse_number(text: str | None) -> int | None:
    """Return the number in the text; None for 0, which stands for none, and for anything else."""
    digits = (text or "").strip()
    return int(digits) or None if digits.isdecimal() and len(digits) < 10 else None


def parse_json(body: bytes, *, provider: Provider) -> Any:
    """Parse the response's JSON. Raises UnexpectedResponse if it is not JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnexpectedResponse("it isn't JSON", provider=provider) from error


def parse_items(model: type[ItemT], items: Iterable[Any], *, provider: Provider) -> list[ItemT]:
    """Parse the valid items; of the invalid ones only the number is logged, not the content."""
    read, left_out = [], 0
    for item in items:
        try:
            read.append(model.model_validate(item))
        except ValidationError:
            left_out += 1
    if left_out:
        log.warning("provider.items_left_out", provider=str(provider), model=model.__name__, items=left_out)
    return read
