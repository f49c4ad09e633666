from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

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
    ResponseLost,
)
from providers.bitrise.provider import BITRISE
from providers.http.api_client import ApiClient, path_of
from providers.http.pauses import TokenPauses
from providers.http.transport import HttpTransport
from tests.support.stub_server import ReceivedRequest, in_sequence, serve, stub_server

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class FakeClock:
    """A clock that advances only by sleeping."""

    def __init__(self) -> None:
        self.now = NOW
        self.slept: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    def timer(self) -> float:
        return self.now.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


@pytest.fixture
async def http() -> AsyncIterator[HttpTransport]:
    async with HttpTransport() as transport:
        yield transport


def api(http: HttpTransport, url: str, time: FakeClock) -> ApiClient:
    return ApiClient(
        http,
        provider=BITRISE,
        scheme="token",
        base_url=f"{url}/v0.1",
        credentials=FixedToken(SecretStr("t0p")),
        clock=time,
        sleep=time.sleep,
        pauses=TokenPauses(timer=time.timer),
    )


async def test_a_request_has_the_token_and_returns_the_response(http: HttpTransport) -> None:
    async with stub_server(lambda _: web.json_response({"data": 1})) as server:
        reply = await api(http, server.url, FakeClock()).read("/me", {"limit": "2"})
    assert reply.body == b'{"data": 1}'
    [request] = server.requests
    assert (request.path, request.query, request.headers["Authorization"]) == (
        "/v0.1/me",
        {"limit": "2"},
        "token t0p",
    )


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, {"message": "Unauthorized"}, InvalidToken, "Unauthorized"),
        (403, {"message": "Forbidden"}, Forbidden, "Forbidden"),
        (404, {"message": "Not Found"}, NotFound, "Not Found"),
        (
            400,
            {"error_msg": "Build already finished, can't abort it."},
            RequestRejected,
            "Build already finished",
        ),
        (400, {"error_message": "an older answer"}, RequestRejected, "an older answer"),
        (422, {"errors": ["one", "two"]}, RequestRejected, "one; two"),
        (400, {"surprise": True}, RequestRejected, None),
    ],
)
async def test_an_error_has_its_type_and_bitrises_own_message(
    http: HttpTransport, status: int, body: object, kind: type[ProviderError], words: str | None
) -> None:
    async with stub_server(lambda _: web.json_response(body, status=status)) as server:
        with pytest.raises(kind) as caught:
            await api(http, server.url, FakeClock()).read("/x")
    assert type(caught.value) is kind
    assert caught.value.words is None if words is None else words in str(caught.value)
    assert len(server.requests) == 1


async def test_an_error_that_is_not_json_still_has_a_message(http: HttpTransport) -> None:
    page = web.Response(status=400, text="<html><h1>Bad Gateway</h1></html>", content_type="text/html")
    async with stub_server(in_sequence(page)) as server:
        with pytest.raises(RequestRejected, match="Bad Gateway"):
            await api(http, server.url, FakeClock()).read("/x")


async def test_invalid_json_in_an_error_is_not_quoted(http: HttpTransport) -> None:
    broken = web.Response(status=422, text='{"DATABASE_URL": "postgres://boss:pass')
    async with stub_server(in_sequence(broken)) as server:
        with pytest.raises(RequestRejected) as caught:
            await api(http, server.url, FakeClock()).read("/x")
    assert caught.value.words is None


async def test_reading_is_retried_after_server_errors_with_growing_pauses(http: HttpTransport) -> None:
    time = FakeClock()
    async with stub_server(
        in_sequence(web.Response(status=502), web.Response(status=503), web.Response(text="{}"))
    ) as server:
        reply = await api(http, server.url, time).read("/x")
    assert reply.body == b"{}"
    assert len(server.requests) == 3
    assert len(time.slept) == 2
    assert time.slept[0] < time.slept[1]


async def test_reading_is_retried_after_a_broken_connection(http: HttpTransport) -> None:
    async with stub_server(in_sequence(None, web.Response(text="{}"))) as server:
        assert (await api(http, server.url, FakeClock()).read("/x")).body == b"{}"


async def test_reading_gives_up_within_its_deadline(http: HttpTransport) -> None:
    time = FakeClock()
    async with stub_server(in_sequence(web.Response(status=500))) as server:
        with pytest.raises(ProviderDown):
            await api(http, server.url, time).read("/x")
    assert time.now - NOW < timedelta(seconds=20)
    assert len(server.requests) == 4


async def test_a_change_is_sent_once_and_a_lost_response_has_its_own_error(http: HttpTransport) -> None:
    async with stub_server(in_sequence(None)) as server:
        with pytest.raises(ResponseLost):
            await api(http, server.url, FakeClock()).change("POST", "/x", {})
    assert len(server.requests) == 1


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
async def test_a_change_over_a_reused_connection_that_breaks_is_sent_once(
    http: HttpTransport, method: str
) -> None:
    async with stub_server(in_sequence(web.Response(text="{}"), None)) as server:
        client = api(http, server.url, FakeClock())
        await client.read("/x")
        with pytest.raises(ResponseLost):
            await client.change(method, "/x", None)
    assert [request.method for request in server.requests] == ["GET", method]


@pytest.mark.parametrize("status", [502, 504])
async def test_a_gateway_error_for_a_change_leaves_its_outcome_unknown(
    http: HttpTransport, status: int
) -> None:
    async with stub_server(lambda _: web.Response(status=status)) as server:
        with pytest.raises(ResponseLost, match=f"it answered {status}"):
            await api(http, server.url, FakeClock()).change("POST", "/x", {})
        with pytest.raises(ProviderDown) as caught:
            await api(http, server.url, FakeClock()).read("/x", max_tries=1)
    assert not isinstance(caught.value, ResponseLost)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"code": "not_found", "message": "no"}', "not_found"),
        ('{"message": "no"}', None),
        ('{"code": 7}', None),
        ('{"code": "not a word"}', None),
        ('{"code": "bitpat_0123456789abcdefghij"}', None),
        ("[]", None),
        ("<html>", None),
    ],
)
async def test_an_error_keeps_its_machine_readable_code(
    http: HttpTransport, body: str, code: str | None
) -> None:
    async with stub_server(lambda _: web.Response(status=404, text=body)) as server:
        with pytest.raises(NotFound) as caught:
            await api(http, server.url, FakeClock()).read("/x")
    assert caught.value.code == code


class ValidToken(FixedToken):
    """A token whose check always finds it valid."""

    def __init__(self) -> None:
        super().__init__(SecretStr("t0p"))
        self.checks = 0

    async def refused(self, token: SecretStr) -> bool:
        del token
        self.checks += 1
        return True


async def test_repeated_401_for_a_valid_token_causes_one_check_of_the_token(
    http: HttpTransport,
) -> None:
    credentials = ValidToken()
    async with stub_server(lambda _: web.Response(status=401, text="{}")) as server:
        client = ApiClient(
            http,
            provider=BITRISE,
            scheme="token",
            base_url=server.url,
            credentials=credentials,
            clock=FakeClock(),
        )
        with pytest.raises(InvalidToken):
            await client.read("/x")
    assert (len(server.requests), credentials.checks) == (2, 1)


async def test_a_change_may_have_its_own_timeout(http: HttpTransport) -> None:
    never = asyncio.Event()

    async def wait_forever(_: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    async with serve(wait_forever) as url:
        try:
            with pytest.raises(ResponseLost):
                await api(http, url, FakeClock()).change("POST", "/x", {}, seconds=0.05)
        finally:
            never.set()


async def test_a_change_that_was_not_sent_has_a_known_outcome(http: HttpTransport) -> None:
    async with stub_server(in_sequence(None)) as server:
        closed_url = server.url
    with pytest.raises(ProviderDown) as caught:
        await api(http, closed_url, FakeClock()).change("POST", "/x", {})
    assert not isinstance(caught.value, ResponseLost)


async def test_a_429_is_waited_out_and_then_retried(http: HttpTransport) -> None:
    time = FakeClock()
    limit = web.Response(status=429, headers={"Retry-After": "7"})
    async with stub_server(in_sequence(limit, web.Response(text="{}"))) as server:
        client = api(http, server.url, time)
        await client.read("/x")
        assert time.slept == [7.0]
        assert len(server.requests) == 2


async def test_a_long_429_says_until_when_and_nothing_is_sent_before(http: HttpTransport) -> None:
    time = FakeClock()
    limit = web.Response(status=429, headers={"Retry-After": "Sat, 21 Nov 2026 12:05:00 GMT"})
    async with stub_server(in_sequence(limit, web.Response(text="{}"))) as server:
        client = api(http, server.url, time)
        with pytest.raises(RateLimited) as caught:
            await client.read("/x")
        assert caught.value.until == NOW + timedelta(minutes=5)
        with pytest.raises(RateLimited):
            await client.change("POST", "/y", {})
        assert len(server.requests) == 1
        time.now += timedelta(minutes=6)
        await client.read("/x")


async def test_a_spent_budget_pauses_before_a_429_comes(http: HttpTransport) -> None:
    time = FakeClock()
    spent = web.Response(text="{}", headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"})
    async with stub_server(in_sequence(spent)) as server:
        client = api(http, server.url, time)
        await client.read("/x")
        with pytest.raises(RateLimited):
            await client.change("POST", "/y", {})
    assert len(server.requests) == 1


async def test_the_token_follows_no_redirect_to_another_host(http: HttpTransport) -> None:
    async with stub_server(lambda _: web.Response(text="{}")) as other:
        redirect = web.Response(status=302, headers={"Location": f"{other.url}/v0.1/x"})
        async with stub_server(in_sequence(redirect)) as server:
            with pytest.raises(ProviderDown):
                await api(http, server.url, FakeClock()).read("/x")
        assert other.requests == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_the_own_host_is_followed_except_for_a_change(
    http: HttpTransport, status: int
) -> None:
    redirect = web.Response(status=status, headers={"Location": "/v0.1/y"})
    async with stub_server(in_sequence(redirect, web.Response(text="{}"), redirect)) as server:
        assert (await api(http, server.url, FakeClock()).read("/x")).body == b"{}"
        with pytest.raises(ProviderDown):
            await api(http, server.url, FakeClock()).change("POST", "/x", {})
    assert [request.path for request in server.requests] == ["/v0.1/x", "/v0.1/y", "/v0.1/x"]


@pytest.mark.parametrize(
    "location",
    [
        "http://{host}@{other}/v0.1/x",
        "http://user:pw@{host}/v0.1/x",
        "//{other}/v0.1/x",
        "http://{other}\\@{host}/v0.1/x",
        "http://[::1",
    ],
)
async def test_the_token_follows_no_ambiguous_redirect(http: HttpTransport, location: str) -> None:
    async with stub_server(lambda _: web.Response(text="{}")) as other:
        target = web.Response(status=302)

        async with stub_server(lambda _: target) as server:
            hosts = {"host": server.url.removeprefix("http://"), "other": other.url.removeprefix("http://")}
            target.headers["Location"] = location.format(**hosts)
            with pytest.raises(ProviderDown):
                await api(http, server.url, FakeClock()).read("/x", max_tries=1)
        assert other.requests == []
        assert len(server.requests) == 1


async def test_the_token_is_sent_to_no_address_but_the_apis_own(http: HttpTransport) -> None:
    async with stub_server(lambda _: web.Response(text="{}")) as other, stub_server(other.answer) as server:
        client = api(http, server.url, FakeClock())
        with pytest.raises(ProviderDown):
            await client.read(f"{other.url}/v0.1/x")
        assert (await client.read(client.root_url())).body == b"{}"
    assert other.requests == []


async def test_an_error_with_deeply_nested_json_is_still_that_error(http: HttpTransport) -> None:
    async with stub_server(lambda _: web.Response(status=400, body=b"[" * 50_000)) as server:
        with pytest.raises(RequestRejected):
            await api(http, server.url, FakeClock()).read("/x")


async def test_cookies_are_never_sent_back(http: HttpTransport) -> None:
    def answer(_: ReceivedRequest) -> web.Response:
        response = web.Response(text="{}")
        response.set_cookie("session", "secret")
        return response

    async with stub_server(answer) as server:
        client = api(http, server.url, FakeClock())
        await client.read("/x")
        await client.read("/x")
    assert all("Cookie" not in request.headers for request in server.requests)


@pytest.mark.parametrize("part", ["..", ".", "", "a/b", "a\\b"])
def test_an_untrusted_name_cannot_leave_its_path_segment(part: str) -> None:
    with pytest.raises(NotFound):
        path_of("apps", part, provider=BITRISE)


def test_a_name_with_special_characters_stays_one_path_segment() -> None:
    assert path_of("apps", "a?b#c d", provider=BITRISE) == "/apps/a%3Fb%23c%20d"
