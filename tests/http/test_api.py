from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from pydantic import SecretStr

from bot.http import (
    AnswerLost,
    Api,
    BadToken,
    FixedToken,
    Http,
    NoAccess,
    NotFound,
    ProviderDown,
    ProviderError,
    RateLimited,
    Refused,
)
from bot.http.api import path_of
from bot.provider import Provider
from tests.servers import Asked, listening, one_after_another, serving

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = NOW
        self.slept: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http() as opened:
        yield opened


def api(http: Http, url: str, time: Time) -> Api:
    return Api(
        http,
        provider=Provider.BITRISE,
        scheme="token",
        base_url=f"{url}/v0.1",
        credentials=FixedToken(SecretStr("t0p")),
        clock=time,
        sleep=time.sleep,
    )


async def test_the_token_goes_along_and_the_answer_comes_back(http: Http) -> None:
    async with serving(lambda _: web.json_response({"data": 1})) as server:
        reply = await api(http, server.url, Time()).read("/me", {"limit": "2"})
    assert reply.body == b'{"data": 1}'
    [asked] = server.asked
    assert (asked.path, asked.query, asked.headers["Authorization"]) == (
        "/v0.1/me",
        {"limit": "2"},
        "token t0p",
    )


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, {"message": "Unauthorized"}, BadToken, "Unauthorized"),
        (403, {"message": "Forbidden"}, NoAccess, "Forbidden"),
        (404, {"message": "Not Found"}, NotFound, "Not Found"),
        (400, {"error_msg": "Build already finished, can't abort it."}, Refused, "Build already finished"),
        (400, {"error_message": "an older answer"}, Refused, "an older answer"),
        (422, {"errors": ["one", "two"]}, Refused, "one; two"),
        (400, {"surprise": True}, Refused, None),
    ],
)
async def test_an_error_has_its_kind_and_bitrises_own_words(
    http: Http, status: int, body: object, kind: type[ProviderError], words: str | None
) -> None:
    async with serving(lambda _: web.json_response(body, status=status)) as server:
        with pytest.raises(kind) as caught:
            await api(http, server.url, Time()).read("/x")
    assert type(caught.value) is kind
    assert caught.value.words is None if words is None else words in str(caught.value)
    assert len(server.asked) == 1


async def test_an_error_that_is_no_json_still_has_words(http: Http) -> None:
    page = web.Response(status=400, text="<html><h1>Bad Gateway</h1></html>", content_type="text/html")
    async with serving(one_after_another(page)) as server:
        with pytest.raises(Refused, match="Bad Gateway"):
            await api(http, server.url, Time()).read("/x")


async def test_what_was_meant_to_be_json_and_broke_is_not_quoted(http: Http) -> None:
    broken = web.Response(status=422, text='{"DATABASE_URL": "postgres://boss:pass')
    async with serving(one_after_another(broken)) as server:
        with pytest.raises(Refused) as caught:
            await api(http, server.url, Time()).read("/x")
    assert caught.value.words is None


async def test_reading_is_tried_again_after_a_broken_server_and_ever_later(http: Http) -> None:
    time = Time()
    async with serving(
        one_after_another(web.Response(status=502), web.Response(status=503), web.Response(text="{}"))
    ) as server:
        reply = await api(http, server.url, time).read("/x")
    assert reply.body == b"{}"
    assert len(server.asked) == 3
    assert len(time.slept) == 2
    assert time.slept[0] < time.slept[1]


async def test_reading_is_tried_again_after_a_broken_connection(http: Http) -> None:
    async with serving(one_after_another(None, web.Response(text="{}"))) as server:
        assert (await api(http, server.url, Time()).read("/x")).body == b"{}"


async def test_reading_gives_up_within_its_deadline(http: Http) -> None:
    time = Time()
    async with serving(one_after_another(web.Response(status=500))) as server:
        with pytest.raises(ProviderDown):
            await api(http, server.url, time).read("/x")
    assert time.now - NOW < timedelta(seconds=20)
    assert len(server.asked) == 4


async def test_a_change_is_asked_once_and_a_lost_answer_is_told_apart(http: Http) -> None:
    async with serving(one_after_another(None)) as server:
        with pytest.raises(AnswerLost):
            await api(http, server.url, Time()).change("POST", "/x", {})
    assert len(server.asked) == 1


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
async def test_a_change_over_a_connection_that_breaks_is_asked_once_by_whatever_method(
    http: Http, method: str
) -> None:
    async with serving(one_after_another(web.Response(text="{}"), None)) as server:
        client = api(http, server.url, Time())
        await client.read("/x")
        with pytest.raises(AnswerLost):
            await client.change(method, "/x", None)
    assert [one.method for one in server.asked] == ["GET", method]


@pytest.mark.parametrize("status", [502, 504])
async def test_what_a_gateway_says_of_a_change_leaves_it_in_doubt(http: Http, status: int) -> None:
    async with serving(lambda _: web.Response(status=status)) as server:
        with pytest.raises(AnswerLost, match=f"it answered {status}"):
            await api(http, server.url, Time()).change("POST", "/x", {})
        with pytest.raises(ProviderDown) as caught:
            await api(http, server.url, Time()).read("/x", most_tries=1)
    assert not isinstance(caught.value, AnswerLost)


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
async def test_an_error_keeps_the_name_that_it_has_for_programs(
    http: Http, body: str, code: str | None
) -> None:
    async with serving(lambda _: web.Response(status=404, text=body)) as server:
        with pytest.raises(NotFound) as caught:
            await api(http, server.url, Time()).read("/x")
    assert caught.value.code == code


class Verified(FixedToken):
    """A token that is accepted after all, whenever it is asked about."""

    def __init__(self) -> None:
        super().__init__(SecretStr("t0p"))
        self.checks = 0

    async def refused(self, token: SecretStr) -> bool:
        del token
        self.checks += 1
        return True


async def test_a_resource_that_goes_on_refusing_a_good_token_costs_one_check_of_it(http: Http) -> None:
    credentials = Verified()
    async with serving(lambda _: web.Response(status=401, text="{}")) as server:
        asking = Api(
            http,
            provider=Provider.BITRISE,
            scheme="token",
            base_url=server.url,
            credentials=credentials,
            clock=Time(),
        )
        with pytest.raises(BadToken):
            await asking.read("/x")
    assert (len(server.asked), credentials.checks) == (2, 1)


async def test_a_change_may_have_a_time_of_its_own(http: Http) -> None:
    never = asyncio.Event()

    async def silent(_: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    async with listening(silent) as url:
        try:
            with pytest.raises(AnswerLost):
                await api(http, url, Time()).change("POST", "/x", {}, seconds=0.05)
        finally:
            never.set()


async def test_a_change_that_can_not_have_left_is_no_doubt(http: Http) -> None:
    async with serving(one_after_another(None)) as server:
        gone = server.url
    with pytest.raises(ProviderDown) as caught:
        await api(http, gone, Time()).change("POST", "/x", {})
    assert not isinstance(caught.value, AnswerLost)


async def test_a_429_is_waited_out_and_pauses_everybody(http: Http) -> None:
    time = Time()
    limit = web.Response(status=429, headers={"Retry-After": "7"})
    async with serving(one_after_another(limit, web.Response(text="{}"))) as server:
        one = api(http, server.url, time)
        await one.read("/x")
        assert time.slept == [7.0]
        assert len(server.asked) == 2


async def test_a_long_429_says_until_when_and_is_not_asked_again_before(http: Http) -> None:
    time = Time()
    limit = web.Response(status=429, headers={"Retry-After": "Sat, 21 Nov 2026 12:05:00 GMT"})
    async with serving(one_after_another(limit, web.Response(text="{}"))) as server:
        one = api(http, server.url, time)
        with pytest.raises(RateLimited) as caught:
            await one.read("/x")
        assert caught.value.until == NOW + timedelta(minutes=5)
        with pytest.raises(RateLimited):
            await one.change("POST", "/y", {})
        assert len(server.asked) == 1
        time.now += timedelta(minutes=6)
        await one.read("/x")


async def test_a_spent_budget_pauses_before_a_429_comes(http: Http) -> None:
    time = Time()
    spent = web.Response(text="{}", headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"})
    async with serving(one_after_another(spent)) as server:
        one = api(http, server.url, time)
        await one.read("/x")
        with pytest.raises(RateLimited):
            await one.change("POST", "/y", {})
    assert len(server.asked) == 1


async def test_the_token_follows_no_redirect_to_another_host(http: Http) -> None:
    async with serving(lambda _: web.Response(text="{}")) as other:
        elsewhere = web.Response(status=302, headers={"Location": f"{other.url}/v0.1/x"})
        async with serving(one_after_another(elsewhere)) as server:
            with pytest.raises(ProviderDown):
                await api(http, server.url, Time()).read("/x")
        assert other.asked == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_on_the_own_host_is_followed_and_one_of_a_change_is_not(
    http: Http, status: int
) -> None:
    moved = web.Response(status=status, headers={"Location": "/v0.1/y"})
    async with serving(one_after_another(moved, web.Response(text="{}"), moved)) as server:
        assert (await api(http, server.url, Time()).read("/x")).body == b"{}"
        with pytest.raises(ProviderDown):
            await api(http, server.url, Time()).change("POST", "/x", {})
    assert [asked.path for asked in server.asked] == ["/v0.1/x", "/v0.1/y", "/v0.1/x"]


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
async def test_the_token_follows_no_redirect_that_could_be_understood_in_two_ways(
    http: Http, location: str
) -> None:
    async with serving(lambda _: web.Response(text="{}")) as other:
        target = web.Response(status=302)

        async with serving(lambda _: target) as server:
            hosts = {"host": server.url.removeprefix("http://"), "other": other.url.removeprefix("http://")}
            target.headers["Location"] = location.format(**hosts)
            with pytest.raises(ProviderDown):
                await api(http, server.url, Time()).read("/x", most_tries=1)
        assert other.asked == []
        assert len(server.asked) == 1


async def test_the_token_goes_to_no_address_but_the_apis_own(http: Http) -> None:
    async with serving(lambda _: web.Response(text="{}")) as other, serving(other.answer) as server:
        one = api(http, server.url, Time())
        with pytest.raises(ProviderDown):
            await one.read(f"{other.url}/v0.1/x")
        assert (await one.read(one.root_url())).body == b"{}"
    assert other.asked == []


async def test_an_error_of_endless_depth_is_still_that_error(http: Http) -> None:
    async with serving(lambda _: web.Response(status=400, body=b"[" * 50_000)) as server:
        with pytest.raises(Refused):
            await api(http, server.url, Time()).read("/x")


async def test_cookies_are_never_sent_back(http: Http) -> None:
    def answer(_: Asked) -> web.Response:
        response = web.Response(text="{}")
        response.set_cookie("session", "secret")
        return response

    async with serving(answer) as server:
        one = api(http, server.url, Time())
        await one.read("/x")
        await one.read("/x")
    assert all("Cookie" not in asked.headers for asked in server.asked)


@pytest.mark.parametrize("part", ["..", ".", "", "a/b", "a\\b"])
def test_a_name_from_outside_can_not_leave_its_place_in_a_path(part: str) -> None:
    with pytest.raises(NotFound):
        path_of("apps", part, provider=Provider.BITRISE)


def test_a_name_with_odd_characters_stays_one_part() -> None:
    assert path_of("apps", "a?b#c d", provider=Provider.BITRISE) == "/apps/a%3Fb%23c%20d"
