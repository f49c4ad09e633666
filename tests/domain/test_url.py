"""URLs from outside: one that could be understood in two ways is invalid."""

from __future__ import annotations

import httpx
import pytest
import yarl
from hypothesis import given
from hypothesis import strategies as st

from domain.url import Url, read_address, resolve_redirect


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://api.example.com/v0.1?x=1", Url("https", "api.example.com", 443, "/v0.1")),
        ("HTTPS://API.Example.COM:8443/A", Url("https", "api.example.com", 8443, "/A")),
        ("http://127.0.0.1:80/", Url("http", "127.0.0.1", 80, "/")),
        ("http://[::1]:8080/x", Url("http", "::1", 8080, "/x")),
        ("http://fake_slack:8080", Url("http", "fake_slack", 8080, "")),
        ("https://xn--exmple-cua.com/", Url("https", "xn--exmple-cua.com", 443, "/")),
    ],
)
def test_a_url_is_parsed_into_its_parts(url: str, address: Url) -> None:
    assert read_address(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/path",
        "//api.example.com/x",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https:///x",
        "https://api.example.com@evil.example/",
        "https://@api.example.com/",
        "https://user:pw@api.example.com/",
        "https://evil.example\\@api.example.com/",
        "https://evil.example\\.api.example.com/",
        "https://api.example.com./",
        "https://.api.example.com/",
        "https://api..example.com/",
        "https://api.example.com:99999/",
        "https://api.example.com:port/",
        "https://api.example.com%2eevil.example/",
        "https://api.exаmple.com/",
        "https://api。example.com/",
        "https://ａpi.example.com/",
        "https://api.example.com\n.evil.example/",
        "https://api.ex\tample.com/",
        " https://api.example.com/",
        "https://api.example.com/a b",
        "https://[::1%25lo]/",
        "https://[::1",
        "https://api.example.com/a/../b",
        "https://api.example.com/a/%2e%2E/b",
        "https://api.example.com/./b",
        "https://api.example.com/..",
    ],
)
def test_an_ambiguous_url_is_rejected(url: str) -> None:
    assert read_address(url) is None


UNUSUAL = st.lists(
    st.sampled_from([*"@:/\\?#.%[]-_;&=,~", "a.example", "evil.example", "80", "%2e", "..", "user"]),
    max_size=8,
).map("".join)


@given(st.sampled_from(["http://", "https://", "HTTPS://"]), UNUSUAL)
def test_http_clients_parse_a_url_as_it_was_checked(scheme: str, rest: str) -> None:
    address = read_address(scheme + rest)
    if address is None:
        return
    parsed_by_httpx = httpx.URL(scheme + rest)
    assert (
        parsed_by_httpx.scheme,
        parsed_by_httpx.host,
        parsed_by_httpx.port or default_port(parsed_by_httpx.scheme),
    ) == address.origin
    parsed_by_yarl = yarl.URL(str(parsed_by_httpx))
    assert (parsed_by_yarl.scheme, parsed_by_yarl.host, parsed_by_yarl.port) == address.origin
    assert [part for part in parsed_by_yarl.path.split("/") if part] == [
        part for part in yarl.URL.build(path=address.path or "/", encoded=True).path.split("/") if part
    ]


def default_port(scheme: str) -> int:
    return {"http": 80, "https": 443}[scheme]


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/next", "https://a.example/next"),
        ("//b.example/x", "https://b.example/x"),
        ("http://b.example/", "http://b.example/"),
        ("http://[::1", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_a_redirect_is_resolved_or_empty(location: str | None, target: str) -> None:
    assert resolve_redirect("https://a.example/path", location) == target
