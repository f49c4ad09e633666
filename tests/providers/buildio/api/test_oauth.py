"""OAuth at Build.io: the authorize URL, and the requests for tokens."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from domain.credentials import Tokens
from domain.provider_errors import (
    InvalidToken,
    ProviderDown,
    ProviderError,
    RateLimited,
    RequestRejected,
    ResponseLost,
    UnexpectedResponse,
)
from providers.buildio.api.oauth import BuildioOAuth, endpoints_beside, make_challenge, make_verifier
from providers.buildio.provider import BUILDIO
from providers.http.transport import HttpTransport
from tests.support.stub_server import ReceivedRequest, StubServer, in_sequence, stub_server

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
# RFC 7636, appendix B.
VERIFIER, CHALLENGE = (
    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
)
REDIRECT = "https://bot.acme.example/buildio/oauth"
ANSWER = {
    "access_token": "access-1",
    "token_type": "Bearer",
    "expires_in": 7200,
    "refresh_token": "refresh-1",
    "scope": "read write",
    "created_at": 1795262400,
}


@pytest.fixture
async def http() -> AsyncIterator[HttpTransport]:
    async with HttpTransport() as opened:
        yield opened


def client(http: HttpTransport, url: str) -> BuildioOAuth:
    return BuildioOAuth(
        http, "the client", SecretStr("s:cr/t"), *endpoints_beside(f"{url}/api/v1"), REDIRECT, lambda: NOW
    )


def read_form(request: ReceivedRequest) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode(), strict_parsing=True))


def test_the_oauth_pages_are_on_the_apis_host() -> None:
    # Reference, "Authentication".
    assert endpoints_beside("https://app.build.io/api/v1") == (
        "https://app.build.io/oauth/authorize",
        "https://app.build.io/oauth/token",
    )
    assert endpoints_beside("http://127.0.0.1:8080/api/v1")[1] == "http://127.0.0.1:8080/oauth/token"


def test_the_challenge_is_that_of_the_rfc() -> None:
    assert make_challenge(VERIFIER) == CHALLENGE


@pytest.mark.parametrize("verifier", ["", "short", "x" * 129, "x" * 42 + " ", "x" * 43 + "\n"])
def test_an_invalid_verifier_makes_no_challenge(verifier: str) -> None:
    with pytest.raises(ValueError, match="valid verifier"):
        make_challenge(verifier)


@given(st.binary(max_size=120))
def test_a_verifier_needs_enough_random_bytes(randomness: bytes) -> None:
    if 32 <= len(randomness) <= 96:
        assert len(make_challenge(make_verifier(randomness))) == 43
    else:
        with pytest.raises(ValueError, match="32 to 96 bytes"):
            make_verifier(randomness)


async def test_the_authorize_url_contains_no_secret(http: HttpTransport) -> None:
    url = client(http, "https://app.build.io").authorize("st&te=", VERIFIER)
    parts = urlsplit(url)
    assert parts._replace(query="").geturl() == "https://app.build.io/oauth/authorize"
    assert parse_qs(parts.query, strict_parsing=True) == {
        "response_type": ["code"],
        "client_id": ["the client"],
        "redirect_uri": [REDIRECT],
        "scope": ["read write"],
        "state": ["st&te="],
        "code_challenge": [CHALLENGE],
        "code_challenge_method": ["S256"],
    }
    assert VERIFIER not in url
    assert "s%3Acr" not in url


async def test_a_code_is_exchanged_for_tokens_that_stay_hidden(http: HttpTransport) -> None:
    async with stub_server(lambda _: web.json_response(ANSWER)) as server:
        tokens = await client(http, server.url).exchange("the-code", VERIFIER)
    assert tokens == Tokens(
        access_token=SecretStr("access-1"),
        refresh_token=SecretStr("refresh-1"),
        expires_at=NOW + timedelta(hours=2),
        scopes=("read", "write"),
    )
    assert "access-1" not in f"{tokens} {tokens!r}"
    [request] = server.requests
    assert (request.method, request.path, request.query) == ("POST", "/oauth/token", {})
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert read_form(request) == {
        "grant_type": "authorization_code",
        "code": "the-code",
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }
    scheme, _, both = request.headers["Authorization"].partition(" ")
    # RFC 6749, 2.3.1: both are encoded, so a colon in one of them separates nothing.
    assert (scheme, base64.b64decode(both)) == ("Basic", b"the%20client:s%3Acr%2Ft")


async def test_tokens_are_refreshed_with_the_refresh_token(http: HttpTransport) -> None:
    async with stub_server(lambda _: web.json_response(ANSWER | {"refresh_token": "refresh-2"})) as server:
        tokens = await client(http, server.url).refresh(SecretStr("refresh-1"))
    assert tokens.refresh_token == SecretStr("refresh-2")
    assert read_form(server.requests[0]) == {"grant_type": "refresh_token", "refresh_token": "refresh-1"}


async def test_a_refresh_token_that_is_not_replaced_stays_valid(http: HttpTransport) -> None:
    async with stub_server(
        lambda _: web.json_response({"access_token": "a", "token_type": "bearer"})
    ) as server:
        tokens = await client(http, server.url).refresh(SecretStr("refresh-1"))
    assert (tokens.refresh_token, tokens.expires_at) == (SecretStr("refresh-1"), None)
    assert tokens.scopes == ("read", "write")


async def test_fewer_scopes_than_requested_are_reported(http: HttpTransport) -> None:
    async with stub_server(lambda _: web.json_response(ANSWER | {"scope": "read"})) as server:
        assert (await client(http, server.url).exchange("c", VERIFIER)).scopes == ("read",)


@pytest.mark.parametrize("seconds", [None, 0, -5, True, "soon", 10**30, {}])
async def test_an_invalid_lifetime_is_ignored(http: HttpTransport, seconds: object) -> None:
    async with stub_server(lambda _: web.json_response(ANSWER | {"expires_in": seconds})) as server:
        assert (await client(http, server.url).exchange("c", VERIFIER)).expires_at is None


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"<html>",
        b"{}",
        b'{"access_token": ""}',
        b'{"access_token": "a\\nb", "token_type": "bearer"}',
        b'{"access_token": 7, "token_type": "bearer"}',
        b'{"access_token": "a", "token_type": "mac"}',
        b'{"access_token": "a", "token_type": []}',
    ],
)
async def test_a_response_without_a_usable_token_is_unexpected(http: HttpTransport, answer: bytes) -> None:
    async with stub_server(lambda _: web.Response(body=answer)) as server:
        with pytest.raises(UnexpectedResponse) as caught:
            await client(http, server.url).exchange("c", VERIFIER)
    assert caught.value.provider is BUILDIO


async def test_an_invalid_refresh_token_needs_a_new_login(http: HttpTransport) -> None:
    refused = {"error": "invalid_grant", "error_description": "The grant is expired"}
    async with stub_server(lambda _: web.json_response(refused, status=400)) as server:
        with pytest.raises(InvalidToken, match="The grant is expired") as caught:
            await client(http, server.url).refresh(SecretStr("refresh-1"))
        with pytest.raises(RequestRejected, match="The grant is expired"):
            await client(http, server.url).exchange("c", VERIFIER)
    assert (caught.value.code, caught.value.provider) == ("invalid_grant", BUILDIO)


@pytest.mark.parametrize(
    ("status", "answer", "kind", "code"),
    [
        (401, {"error": "invalid_client"}, RequestRejected, "invalid_client"),
        (
            400,
            {"error": "invalid_request", "error_description": "no code"},
            RequestRejected,
            "invalid_request",
        ),
        (404, {"code": "not_found", "message": "no such page"}, ProviderError, "not_found"),
        (429, {}, RateLimited, None),
        (500, {"error": "server_error"}, ProviderDown, None),
        (302, {}, ProviderDown, None),
    ],
)
async def test_other_refusals_are_distinguished_and_not_retried(
    http: HttpTransport, status: int, answer: object, kind: type[ProviderError], code: str | None
) -> None:
    async with stub_server(lambda _: web.json_response(answer, status=status)) as server:
        with pytest.raises(kind) as caught:
            await client(http, server.url).refresh(SecretStr("refresh-1"))
    assert (caught.value.code, caught.value.provider) == (code, BUILDIO)
    assert "refresh-1" not in str(caught.value)
    assert len(server.requests) == 1


async def test_a_lost_response_is_not_retried(http: HttpTransport) -> None:
    async with stub_server(in_sequence(None)) as server:
        with pytest.raises(ResponseLost):
            await client(http, server.url).exchange("c", VERIFIER)
    assert len(server.requests) == 1
    with pytest.raises(ProviderDown) as caught:
        await client(http, server.url).exchange("c", VERIFIER)
    assert not isinstance(caught.value, ResponseLost)


async def test_a_redirect_does_not_forward_the_secrets(http: HttpTransport) -> None:
    async with stub_server(lambda _: web.json_response(ANSWER)) as thief:
        headers = {"Location": f"{thief.url}/oauth/token"}

        async def ask(server: StubServer) -> None:
            await client(http, server.url).exchange("c", VERIFIER)

        async with stub_server(lambda _: web.Response(status=307, headers=headers)) as server:
            with pytest.raises(ProviderDown):
                await ask(server)
        assert thief.requests == []
