"""Answers of Bitrise and Build.io that their documents don't describe: one clear error, whatever was asked."""

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
from domain.errors import ProviderError
from domain.provider import Provider
from providers.bitrise.api.client import BitriseClient
from providers.bitrise.api.pagination import PageIterator
from providers.bitrise.api.requests import AbortRequest, TriggerRequest
from providers.buildio.api.client import BuildioClient
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


ODD: Mapping[str, Callable[[], web.Response | None]] = {
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
# A download is no answer of the API; YAML is read in a process of its own, which may die of it.
NO_CALL = {"raw_log", "buildables"}
GIVEN: Mapping[str, Any] = {
    "order": AbortRequest(),
    "params": TriggerRequest(branch="main"),
    "approved": True,
    "failed_only": False,
    "by": None,
    "enabled": True,
    "command": ("ls",),
    "values": {"KEY": "value"},
}


def calls_of(client: type[Client]) -> list[str]:
    return [
        name for name, _ in inspect.getmembers(client, callable) if name[0] != "_" and name not in NO_CALL
    ]


async def call(client: Client, name: str) -> Any:
    """Ask for it with whatever it takes; a list is read to its end."""
    method = getattr(client, name)
    needed = [one.name for one in inspect.signature(method).parameters.values() if one.default is one.empty]
    asked = method(**{one: GIVEN.get(one, "a-name") for one in needed})
    if isinstance(asked, PageIterator):
        return [one async for one in asked]
    return await asked


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
@pytest.mark.parametrize("name", ODD)
async def test_whatever_a_provider_answers_every_call_ends_in_its_answer_or_in_one_error(
    kind: type[Client], name: str, http: HttpTransport
) -> None:
    provider = Provider.BITRISE if kind is BitriseClient else Provider.BUILDIO
    async with stub_server(lambda _: ODD[name]()) as server:
        for method in calls_of(kind):
            client = client_at(kind, server.url, http)  # each with pauses of its own
            error: object = (await asyncio.gather(call(client, method), return_exceptions=True))[0]
            if not isinstance(error, BaseException):
                continue  # what is left out, or not needed
            assert isinstance(error, ProviderError), (method, error)
            assert error.provider is provider, method
            assert "The provider" not in str(error)
            # No name of a class, and nothing of a page.
            assert not any(word in str(error) for word in ("Show", "Item", "<", "t0p")), str(error)
        assert all("elsewhere" not in asked.headers["Host"] for asked in server.requests)


@pytest.mark.parametrize("kind", [BitriseClient, BuildioClient])
async def test_thirty_megabytes_are_not_read(kind: type[Client], http: HttpTransport) -> None:
    many = b'{"data": "' + b"x" * 30_000_000 + b'"}'
    async with stub_server(lambda _: web.Response(body=many, content_type=JSON)) as server:
        client = client_at(kind, server.url, http)
        for method in ("me", "app"):
            with pytest.raises(ProviderError, match="16 MiB"):
                await call(client, method)


async def test_what_is_missing_is_named_in_words(http: HttpTransport) -> None:
    async with stub_server(lambda _: text("{}")) as server:
        client = client_at(BitriseClient, server.url, http)
        for method, said in (("pipeline", "pipeline"), ("app", "app"), ("decide_request", "build request")):
            with pytest.raises(
                ProviderError, match=f"^Bitrise's answer can't be understood: there is no {said} in it$"
            ):
                await call(client, method)


@pytest.mark.parametrize("kind", [BitriseClient, BuildioClient])
async def test_a_name_that_none_can_have_is_not_found_at_the_provider_that_was_asked(
    kind: type[Client], http: HttpTransport
) -> None:
    label = (Provider.BITRISE if kind is BitriseClient else Provider.BUILDIO).label
    with pytest.raises(ProviderError, match=f"^{label} knows no such thing"):
        await client_at(kind, "http://127.0.0.1:9", http).app("..")


def with_nul(asked: ReceivedRequest) -> web.Response:
    del asked
    name = r"a\u0000b\\u0000\u0000\u0000c"
    return text(
        f'{{"data": {{"slug": "s1", "title": "{name}", "branch": "{name}", "status": 1, "abort_reason": "{name}",'
        f' "triggered_at": "2026-11-21T12:00:00Z"}}, "id": "s1", "na\\u0000me": "{name}"}}'
    )


async def test_no_nul_comes_in(http: HttpTransport) -> None:
    async with stub_server(with_nul) as server:
        bitrise, buildio = (
            client_at(BitriseClient, server.url, http),
            client_at(BuildioClient, server.url, http),
        )
        assert isinstance(bitrise, BitriseClient)
        assert isinstance(buildio, BuildioClient)
        assert (await bitrise.build("a", "s1")).branch == r"ab\u0000c"
        assert (await bitrise.app("s1")).title == r"ab\u0000c"
        assert (await buildio.app("s1")).name == r"ab\u0000c"
