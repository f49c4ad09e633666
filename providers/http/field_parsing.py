"""Fields of providers' answers, read tolerantly: one that can't be read is None and hides nothing. Pure; no I/O."""

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

from domain.errors import UnexpectedResponse
from domain.provider import Provider
from domain.redaction.redactor import redact

log = structlog.get_logger()

ItemT = TypeVar("ItemT", bound=BaseModel)
LONGEST_NAME = 200
_SLUG = re.compile(r"[\w-]{1,64}", re.ASCII)
_PLAIN_SLUG = re.compile(r"[0-9a-f-]+")


def or_none(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """None instead of an error: a field that can't be read must not hide the build that it belongs to."""
    if value is None or value == "":
        return None
    try:
        return handler(value)
    except ValidationError:
        return None


def as_text(value: Any) -> Any:
    """A number as text, as some answers have numbers where others have texts; all else as it is."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _as_slug(value: str) -> str:
    if not _SLUG.fullmatch(value) or (not _PLAIN_SLUG.fullmatch(value) and redact(value) != value):
        raise ValueError("it is no slug")
    return value


def as_name(value: str) -> str:
    """A name in one line that can be read, with no secret in it. Raises ValueError."""
    if len(value) > LONGEST_NAME or not value.isprintable() or redact(value) != value:
        raise ValueError("it is no name")
    return value


def _no_flag(value: Any) -> Any:
    # To pydantic true is 1, and a status of 1 would be a success that nobody has told of.
    return None if isinstance(value, bool) else value


def _time(value: Any, handler: ValidatorFunctionWrapHandler) -> datetime | None:
    time: datetime | None = or_none(value, handler)
    # Go's zero time stands for "none" in some answers
    return None if time is None or time.year == 1 or time.tzinfo is None else time


# A list holds hundreds of fields, and nearly all are as documented: pydantic accepts those itself, by the first part of
# a union, and calls no function of ours, which would take most of the time of reading. Only the others reach the second
# part, which decides alone what they are.
_FIRST_THAT_FITS = Field(union_mode="left_to_right")
_Int = Annotated[int, Field(ge=-(2**53), le=2**53)]
_PlainText = Annotated[str | None, Strict(), Field(min_length=1)]
_PlainNumber = Annotated[int | None, Strict(), Field(ge=-(2**53), le=2**53)]
_PlainTime = Annotated[AwareDatetime | None, Strict(), Field(ge=datetime(1970, 1, 1, tzinfo=UTC))]
_PlainFlag = Annotated[bool | None, Strict()]
_PlainObject = Annotated[dict[str, Any] | None, Strict()]
_PlainHex = Annotated[str, Strict(), StringConstraints(pattern=r"^[0-9a-f-]{1,64}$")]
_AnyText = Annotated[str | None, BeforeValidator(as_text), WrapValidator(or_none)]
_AnyNumber = Annotated[_Int | None, BeforeValidator(_no_flag), WrapValidator(or_none)]
_AnyTime = Annotated[datetime | None, WrapValidator(_time)]
_AnyFlag = Annotated[bool | None, WrapValidator(or_none)]
_AnyObject = Annotated[dict[str, Any] | None, WrapValidator(or_none)]
_AnySlug = Annotated[str, AfterValidator(_as_slug)]

Text = Annotated[_PlainText | _AnyText, _FIRST_THAT_FITS]
# Larger ones are no number of anything, and fit into no database.
Number = Annotated[_PlainNumber | _AnyNumber, _FIRST_THAT_FITS]
# Who starts a build names almost everything, but not this: providers give slugs, and addresses are made of them.
Slug = Annotated[_PlainHex | _AnySlug, _FIRST_THAT_FITS]
MaybeSlug = Annotated[Slug | None, WrapValidator(or_none)]
# What somebody is called, in a line of words that can be read, and no token that has slipped into it.
Name = Annotated[Annotated[str, AfterValidator(as_name)] | None, WrapValidator(or_none)]
Flag = Annotated[_PlainFlag | _AnyFlag, _FIRST_THAT_FITS]
Object = Annotated[_PlainObject | _AnyObject, _FIRST_THAT_FITS]
Time = Annotated[_PlainTime | _AnyTime, _FIRST_THAT_FITS]


def parse_number(text: str | None) -> int | None:
    """The number that a text says; None for 0, which stands for none, and for whatever else it says."""
    digits = (text or "").strip()
    return int(digits) or None if digits.isdecimal() and len(digits) < 10 else None


def parse_json(body: bytes, *, provider: Provider) -> Any:
    """What the answer's JSON says. Raises UnexpectedResponse for what is no JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnexpectedResponse("it is no JSON", provider=provider) from error


def parse_items(model: type[ItemT], items: Iterable[Any], *, provider: Provider) -> list[ItemT]:
    """The items that can be read; of those that can't, how many they are is logged, and nothing of what they say."""
    read, left_out = [], 0
    for item in items:
        try:
            read.append(model.model_validate(item))
        except ValidationError:
            left_out += 1
    if left_out:
        log.warning("provider.items_left_out", provider=str(provider), model=model.__name__, items=left_out)
    return read
