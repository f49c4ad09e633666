"""Addresses from outside: what could be understood in two ways is none."""

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
def test_an_address_is_read_in_its_parts(url: str, address: Url) -> None:
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
def test_whatever_could_be_understood_in_two_ways_is_no_address(url: str) -> None:
    assert read_address(url) is None


ODD = st.lists(
    st.sampled_from([*"@:/\\?#.%[]-_;&=,~", "a.example", "evil.example", "80", "%2e", "..", "user"]),
    max_size=8,
).map("".join)


@given(st.sampled_from(["http://", "https://", "HTTPS://"]), ODD)
def test_who_asks_understands_an_address_as_it_was_checked(scheme: str, rest: str) -> None:
    address = read_address(scheme + rest)
    if address is None:
        return
    asked = httpx.URL(scheme + rest)
    assert (asked.scheme, asked.host, asked.port or asked_port(asked.scheme)) == address.origin
    sent = yarl.URL(str(asked))
    assert (sent.scheme, sent.host, sent.port) == address.origin
    assert [part for part in sent.path.split("/") if part] == [
        part for part in yarl.URL.build(path=address.path or "/", encoded=True).path.split("/") if part
    ]


def asked_port(scheme: str) -> int:
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
def test_a_redirect_leads_somewhere_or_nowhere(location: str | None, target: str) -> None:
    assert resolve_redirect("https://a.example/path", location) == target
