"""The client's requests and their recipient, and the errors of the reference."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import SecretStr

from domain.credentials import FixedToken
from domain.provider_errors import (
    Forbidden,
    InvalidToken,
    NotFound,
    ProviderDown,
    ProviderError,
    RateLimited,
    RequestRejected,
)
from providers.buildio.api.client import BuildioClient
from providers.buildio.provider import BUILDIO
from providers.http.pauses import TokenPauses
from providers.http.transport import HttpTransport
from tests.support.stub_server import ReceivedRequest, stub_server

REFERENCE = (Path(__file__).parents[3] / "fixtures" / "buildio" / "reference.txt").read_text()
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TOKEN = "bld_canary-of-the-redirects"


@pytest.fixture
async def http() -> AsyncIterator[HttpTransport]:
    async with HttpTransport() as opened:
        yield opened


def client(http: HttpTransport, url: str, pauses: TokenPauses | None = None) -> BuildioClient:
    return BuildioClient(
        http,
        credentials=FixedToken(SecretStr(TOKEN)),
        base_url=f"{url}/api/v1",
        clock=lambda: NOW,
        pauses=pauses,
        deadline=timedelta(0),
    )


async def test_the_token_is_a_bearer_and_bodies_are_json(http: HttpTransport) -> None:
    async with stub_server(lambda _: web.json_response({"id": "b1"})) as server:
        await client(http, server.url).start_build("shop", branch="main")
        await client(http, server.url).restart_all("shop")
    build, restart = server.requests
    assert build.headers["Authorization"] == restart.headers["Authorization"] == f"Bearer {TOKEN}"
    assert build.headers["Content-Type"] == "application/json"
    assert (build.path, json.loads(build.body)) == ("/api/v1/apps/shop/builds", {"branch": "main"})
    assert (restart.method, restart.path, restart.body) == ("DELETE", "/api/v1/apps/shop/dynos", b"")


async def test_only_given_fields_are_sent(http: HttpTransport) -> None:
    async with stub_server(lambda _: web.json_response({})) as server:
        buildio = client(http, server.url)
        await buildio.start_build("shop")
        await buildio.create_app("blog", team="t1")
        await buildio.create_namespace("lab", description="Trials")
        await buildio.set_environment("e1", {"A": None, "B": "1"})
        await buildio.update_certificate("shop", "d1", "pem")
        await buildio.execute("shop", "web.1", ("/bin/sh", "-c", "rails console"))
    assert [json.loads(request.body) for request in server.requests] == [
        {},
        {"name": "blog", "team_id": "t1"},
        {"name": "lab", "description": "Trials"},
        {"A": None, "B": "1"},
        {"cert": "pem"},
        {"command": ["/bin/sh", "-c", "rails console"]},
    ]


async def test_untrusted_names_stay_one_segment_of_the_url(http: HttpTransport) -> None:
    async with stub_server(lambda _: web.json_response({})) as server:
        await client(http, server.url).config_vars("shop?x=1#y &é")
    assert server.requests[0].path == "/api/v1/apps/shop?x=1#y &é/config-vars"
    assert server.requests[0].query == {}


async def test_a_redirect_does_not_forward_the_token(http: HttpTransport) -> None:
    async with stub_server(lambda _: web.json_response({"email": "mallory@evil.example"})) as thief:
        headers = {"Location": f"{thief.url}/api/v1/me"}
        async with stub_server(lambda _: web.Response(status=302, headers=headers)) as server:
            with pytest.raises(ProviderError):
                await client(http, server.url).me()
            with pytest.raises(ProviderError):
                await client(http, server.url).restart_all("shop")
        assert thief.requests == []
    assert len(server.requests) == 2


def documented_error() -> str:
    found = re.search(r"\{[^{}]*\"code\"[^{}]*\}", REFERENCE)
    assert found is not None
    return found[0]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, InvalidToken), (403, Forbidden), (404, NotFound), (400, RequestRejected), (422, RequestRejected)],
)
async def test_a_documented_error_has_its_code_and_text(
    http: HttpTransport, status: int, kind: type[ProviderError]
) -> None:
    async with stub_server(lambda _: web.Response(status=status, text=documented_error())) as server:
        with pytest.raises(kind, match="The requested resource was not found") as caught:
            await client(http, server.url).app("shop")
    assert (caught.value.code, caught.value.provider) == ("not_found", BUILDIO)
    assert "Build.io" in str(caught.value)


@pytest.mark.parametrize(
    "body", ['z"API_KEY": "canary-4711", ', "canary-4711", '["canary-4711"]', '{"API_KEY": "canary-4711"}']
)
async def test_an_undocumented_error_is_not_repeated(http: HttpTransport, body: str) -> None:
    async with stub_server(lambda _: web.Response(status=404, text=body)) as server:
        with pytest.raises(NotFound) as caught:
            await client(http, server.url).config_vars("shop")
    assert caught.value.words is None
    assert "canary" not in str(caught.value)


async def test_a_server_error_means_that_the_provider_is_down(http: HttpTransport) -> None:
    answer = {"code": "internal_error", "message": "Traceback …"}
    async with stub_server(lambda _: web.json_response(answer, status=500)) as server:
        with pytest.raises(ProviderDown, match=r"Build\.io can't be reached right now") as caught:
            await client(http, server.url).apps()
    assert caught.value.code == "internal_error"
    assert "Traceback" not in str(caught.value)


async def test_a_requested_pause_applies_to_all_clients_that_share_it(http: HttpTransport) -> None:
    headers = {"Retry-After": "60"}
    answer = {"code": "rate_limited", "message": "slow down"}
    async with stub_server(lambda _: web.json_response(answer, status=429, headers=headers)) as server:
        pauses = TokenPauses()
        with pytest.raises(RateLimited) as caught:
            await client(http, server.url, pauses).apps()
        with pytest.raises(RateLimited):
            await client(http, server.url, pauses).me()
    assert (caught.value.until, caught.value.code) == (NOW + timedelta(minutes=1), "rate_limited")
    assert len(server.requests) == 1


async def test_invalid_json_is_reported_with_the_providers_name(http: HttpTransport) -> None:
    async with stub_server(lambda _: web.Response(text="<html>Welcome</html>")) as server:
        with pytest.raises(ProviderError, match=r"Build\.io's response isn't valid"):
            await client(http, server.url).apps()


async def test_a_successful_change_counts_whatever_the_body_contains(http: HttpTransport) -> None:
    def nothing(_: ReceivedRequest) -> web.Response:
        return web.Response(status=204)

    async with stub_server(nothing) as server:
        buildio = client(http, server.url)
        assert (await buildio.create_app("blog")).name == "blog"
        assert (await buildio.create_namespace("lab")).name == "lab"
        assert (await buildio.add_domain("shop", "www.acme.example")).hostname == "www.acme.example"
        assert (await buildio.start_build("shop")).id is None
        assert (await buildio.execute("shop", "web.1", ["true"])).output == ""
    assert len(server.requests) == 5
