"""NULs are removed from JSON, and nothing else is."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.control_characters import json_without_nul, remove_nul

TEXTS = st.text(st.sampled_from('\0\\u0a"é'), max_size=12) | st.text(max_size=5)
VALUES = st.recursive(
    TEXTS | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {without_nul(key): without_nul(inner) for key, inner in value.items()}
    return [without_nul(item) for item in value] if isinstance(value, list) else value


@given(VALUES)
def test_nuls_are_removed_from_json_and_from_its_values(value: Any) -> None:
    for ascii_only in (True, False):
        body = json.dumps(value, ensure_ascii=ascii_only).encode()
        assert json.loads(json_without_nul(body)) == without_nul(value)
    assert "\0" not in repr(remove_nul(copy.deepcopy(value))).replace("\\\\", "").replace("\\x00", "\0")


@given(st.binary() | st.lists(st.sampled_from([b"\\", b"\\u0000", b"\0", b"u"])).map(b"".join))
def test_text_that_is_not_json_is_accepted(body: bytes) -> None:
    assert b"\0" not in json_without_nul(body)
    if b"\0" not in body and b"\\u0000" not in body:
        assert json_without_nul(body) == body
