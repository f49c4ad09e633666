"""Fields of provider responses: the fast way of parsing gives the same results as the tolerant one."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any, get_args

from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from providers.http.field_parsing import Flag, MaybeSlug, Number, Object, Slug, Text, Time

FIELDS: dict[str, Any] = {
    "text": Text,
    "number": Number,
    "flag": Flag,
    "object": Object,
    "slug": Slug,
    "time": Time,
}
TIMES = st.datetimes().flatmap(
    lambda time: st.sampled_from(
        [
            time.isoformat(),
            f"{time.isoformat()}Z",
            f"{time.isoformat()}+02:00",
            time.replace(tzinfo=UTC).isoformat(),
        ]
    )
)
SLUGS = st.text("0123456789abcdef-", max_size=70) | st.text("aZ9_-$\n ", max_size=20)
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**53, 2**53 + 1, -(2**53), -(2**53) - 1])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.integers().map(str)
    | TIMES
    | SLUGS
)
ANYTHING = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
FIELD_ADAPTERS: dict[str, TypeAdapter[Any]] = {name: TypeAdapter(field) for name, field in FIELDS.items()}
# The last part of each union decides all values that are not as documented.
TOLERANT_ADAPTERS: dict[str, TypeAdapter[Any]] = {
    name: TypeAdapter(get_args(get_args(field)[0])[-1]) for name, field in FIELDS.items()
}


def parse(adapter: TypeAdapter[Any], value: Any, *, as_json: bool) -> tuple[type, Any]:
    """Parse the value and return it with its type, since True equals 1."""
    try:
        parsed = adapter.validate_json(json.dumps(value)) if as_json else adapter.validate_python(value)
    except ValidationError:
        return ValidationError, None
    return type(parsed), parsed


@given(ANYTHING)
@example(True)
@example("7")
@example("")
@example({})
@example(2**53 + 1)
@example("a" * 65)
@example("2026-11-21T08:00:00")
@example("0001-01-01T00:00:00Z")
@example("1969-12-31T23:59:59Z")
@example("1700000000")
def test_any_value_is_parsed_as_by_the_tolerant_part_alone(value: Any) -> None:
    for name in FIELDS:
        for as_json in (True, False):
            parsed = parse(FIELD_ADAPTERS[name], value, as_json=as_json)
            assert parsed == parse(TOLERANT_ADAPTERS[name], value, as_json=as_json), name


def test_documented_values_are_parsed_without_our_validators() -> None:
    documented = {
        "text": "main",
        "number": 7,
        "flag": True,
        "object": {"branch": "main"},
        "slug": "669403bffbe35909",
        "time": "2026-11-21T08:00:00Z",
    }
    for name, value in documented.items():
        fast = TypeAdapter(get_args(get_args(FIELDS[name])[0])[0])
        assert parse(fast, value, as_json=True) == parse(FIELD_ADAPTERS[name], value, as_json=True), name


def test_an_optional_slug_is_none_if_it_is_invalid() -> None:
    adapter = TypeAdapter(MaybeSlug)
    for value in (None, "", "../x", 3, "a b"):
        assert adapter.validate_json(json.dumps(value)) is None
