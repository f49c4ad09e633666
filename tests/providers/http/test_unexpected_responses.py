"""Undocumented responses of Bitrise and Build.io: every call raises one clear error."""

from __future__ import annotations

import asyncio
import gzip
import inspect
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from domain.credentials import FixedToken
from domain.provider_errors import ProviderError
from providers.bitrise.api.client import BitriseClient
from providers.bitrise.api.pagination import PageIterator
from providers.bitrise.api.requests import AbortRequest, TriggerRequest
from providers.bitrise.provider import BITRISE
from providers.buildio.api.client import BuildioClient
from providers.buildio.provider import BUILDIO
from providers.http.transport import HttpTransport
from tests.support.factories import NOON
from tests.support.stub_server import ReceivedRequest, stub_server

Client = BitriseClient | BuildioClient
JSON = "application/json"
WRONG_TYPES: Any = {
    "data": {"slug": 7, "id": [], "builds": "x"},
    "paging": [],
    "name": {},
    "id": {},
    "key": 5,
}


def text(body: str, kind: str = JSON, status: int = 200, **headers: str) -> web.Response:
    return web.Response(text=body, content_type=kind, status=status, headers=headers)


UNEXPECTED_RESPONSES: Mapping[str, Callable[[], web.Response | None]] = {
    "a page": lambda: text("<html>Sign in</html>", "text/html"),
    "plain text": lambda: text("ok", "text/plain"),
    "cut JSON": lambda: text('{"data": {"slug": "a'),
    "a list": lambda: text("[[1]]"),
    "null": lambda: text("null"),
    "a number": lambda: text("1"),
    "brackets": lambda: text("[" * 100_000),
    "wrong types": lambda: text(json.dumps(WRONG_TYPES)),
    "a list of wrong types": lambda: text(json.dumps({"data": [1, None, WRONG_TYPES, []]})),
    "no text": lambda: web.Response(body=b"\xff\xfe", content_type=JSON),
    "gzip": lambda: web.Response(body=gzip.compress(b"{}"), content_type="application/gzip"),
    "packed, and cut": lambda: web.Response(
        body=gzip.compress(b"{}" * 99)[:20], headers={"Content-Encoding": "gzip"}, content_type=JSON
    ),
    "elsewhere": lambda: text("", status=302, Location="https://elsewhere.example/"),
    "in circles": lambda: text("", status=307, Location="/v0.1/me"),
    "nowhere": lambda: text("", status=308),
    "silence": lambda: None,
    "a page of an edge": lambda: text("<html>Bad gateway</html>", "text/html", 502),
    "429": lambda: text("", status=429),
    "429 and nonsense": lambda: text("", status=429, **{"Retry-After": "soon"}),
    "429 for ever": lambda: text("", status=429, **{"Retry-After": "9e999"}),
    "429 for long": lambda: text(
        "", status=429, **{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1e300"}
    ),
    "429 until no day": lambda: text("", status=429, **{"Retry-After": "Mon, 99 Foo 99999 99:99:99 GMT"}),
    "429 of no number": lambda: text("", status=429, **{"Retry-After": "nan"}),
}
# A download is not an API response; YAML is parsed in a separate process, which may be killed.
EXCLUDED_METHODS = {"raw_log", "buildables"}
ARGUMENTS: Mapping[str, Any] = {
    "order": AbortRequest(),
    "params": TriggerRequest(branch="main"),
    "approved": True,
    "failed_only": False,
    "by": None,
    "enabled": True,
    "command": ("ls",),
    "values": {"KEY": "value"},
}


def api_methods(client: type[Client]) -> list[str]:
    return [
        name
        for name, _ in inspect.getmembers(client, callable)
        if name[0] != "_" and name not in EXCLUDED_METHODS
    ]


async def call(client: Client, name: str) -> Any:
    """Call the method with the arguments that it needs; read a list to its end."""
    method = getattr(client, name)
    needed = [
        parameter.name
        for parameter in inspect.signature(method).parameters.values()
        if parameter.default is parameter.empty
    ]
    result = method(**{name: ARGUMENTS.get(name, "a-name") for name in needed})
    if isinstance(result, PageIterator):
        return [item async for item in result]
    return await result


def client_at(kind: type[Client], url: str, http: HttpTransport) -> Client:
    async def no_sleep(_: float) -> None:
        await asyncio.sleep(0)

    base = f"{url}/v0.1" if kind is BitriseClient else f"{url}/api/v1"
    token = FixedToken(SecretStr("t0p"))
    return kind(http, credentials=token, base_url=base, clock=lambda: NOON, sleep=no_sleep)


@pytest.fixture
async def http() -> AsyncIterator[HttpTransport]:
    async with HttpTransport() as opened:
        yield opened


@pytest.mark.parametrize("kind", [BitriseClient, BuildioClient])
@pytest.mark.parametrize("name", UNEXPECTED_RESPONSES)
async def test_any_response_leads_to_a_result_or_a_provider_error(
    kind: type[Client], name: str, http: HttpTransport
) -> None:
    provider = BITRISE if kind is BitriseClient else BUILDIO
    async with stub_server(lambda _: UNEXPECTED_RESPONSES[name]()) as server:
        for method in api_methods(kind):
            client = client_at(kind, server.url, http)  # each client has its own pauses
            error: object = (await asyncio.gather(call(client, method), return_exceptions=True))[0]
            if not isinstance(error, BaseException):
                continue  # the invalid part was left out or is not needed
            assert isinstance(error, ProviderError), (method, error)
            assert error.provider is provider, method
            assert "The provider" not in str(error)
            # The error contains no class name and no part of a page.
            assert not any(word in str(error) for word in ("Show", "Item", "<", "t0p")), str(error)
        assert all("elsewhere" not in request.headers["Host"] for request in server.requests)


@pytest.mark.parametrize("kind", [BitriseClient, BuildioClient])
async def test_a_response_of_thirty_megabytes_is_rejected(kind: type[Client], http: HttpTransport) -> None:
    many = b'{"data": "' + b"x" * 30_000_000 + b'"}'
    async with stub_server(lambda _: web.Response(body=many, content_type=JSON)) as server:
        client = client_at(kind, server.url, http)
        for method in ("me", "app"):
            with pytest.raises(ProviderError, match="16 MiB"):
                await call(client, method)


async def test_the_error_names_the_missing_item(http: HttpTransport) -> None:
    async with stub_server(lambda _: text("{}")) as server:
        client = client_at(BitriseClient, server.url, http)
        for method, item in (("pipeline", "pipeline"), ("app", "app"), ("decide_request", "build request")):
            with pytest.raises(
                ProviderError, match=f"^Bitrise's response isn't valid: there is no {item} in it$"
            ):
                await call(client, method)


@pytest.mark.parametrize("kind", [BitriseClient, BuildioClient])
async def test_an_impossible_name_is_not_found_at_its_provider(
    kind: type[Client], http: HttpTransport
) -> None:
    label = (BITRISE if kind is BitriseClient else BUILDIO).label
    with pytest.raises(ProviderError, match=f"^{label} can't find this"):
        await client_at(kind, "http://127.0.0.1:9", http).app("..")


def respond_with_nul(request: ReceivedRequest) -> web.Response:
    del request
    name = r"a\u0000b\\u0000\u0000\u0000c"
    return text(
        f'{{"data": {{"slug": "s1", "title": "{name}", "branch": "{name}", "status": 1, "abort_reason": "{name}",'
        f' "triggered_at": "2026-11-21T12:00:00Z"}}, "id": "s1", "na\\u0000me": "{name}"}}'
    )


async def test_nul_characters_are_removed_from_responses(http: HttpTransport) -> None:
    async with stub_server(respond_with_nul) as server:
        bitrise, buildio = (
            client_at(BitriseClient, server.url, http),
            client_at(BuildioClient, server.url, http),
        )
        assert isinstance(bitrise, BitriseClient)
        assert isinstance(buildio, BuildioClient)
        assert (await bitrise.build("a", "s1")).branch == r"ab\u0000c"
        assert (await bitrise.app("s1")).title == r"ab\u0000c"
        assert (await buildio.app("s1")).name == r"ab\u0000c"
