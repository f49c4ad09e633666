"""Somebody lets an app act for them at the simulated Build.io, request by request and as a browser does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from sandbox.buildio.oauth_grants import CLIENT_ID, CLIENT_SECRET, challenge_of
from sandbox.middleware import as_json
from tests.sandbox.buildio.conftest import ApiResponse, MemberClient

BACK = "https://bot.example/buildio/back"
VERIFIER = "a-verifier-that-is-long-enough-to-be-taken-by-anybody"
SECRETS = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}


class App:
    """An app that people are sent back to."""

    def __init__(self, member_client: MemberClient) -> None:
        self.visitor, self.session = member_client, member_client.session
        member_client.buildio.redirect_uris.append(BACK)

    def address(self, **changed: str | None) -> str:
        query = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": BACK,
            "scope": "read write",
            "state": "s&1",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
        } | changed
        return str(
            URL(f"{self.visitor.buildio.url}/oauth/authorize").with_query(
                {name: value for name, value in query.items() if value is not None}
            )
        )

    async def shown(self, **changed: str | None) -> tuple[int, str, dict[str, str]]:
        """The page's status and text, or what the app is told where it is sent back at once."""
        async with self.session.get(self.address(**changed), allow_redirects=False) as page:
            return page.status, await page.text(), told(page)

    async def answer(self, press: str = "Allow", person: str = "anna-berg", **changed: str | None) -> Any:
        """What the app is told once somebody has pressed a button."""
        status, text, _ = await self.shown(**changed)
        assert status == 200, text
        form = {"asked": hidden(text), "person": person, "press": press}
        url = f"{self.visitor.buildio.url}/oauth/authorize"
        async with self.session.post(url, data=form, allow_redirects=False) as page:
            return told(page) or (page.status, await page.text())

    async def token(self, given: dict[str, str], *, auth: aiohttp.BasicAuth | None = None) -> ApiResponse:
        headers = {"Authorization": auth.encode()} if auth else {}
        url = f"{self.visitor.buildio.url}/oauth/token"
        async with self.session.post(url, data=given, headers=headers) as response:
            return ApiResponse(response.status, as_json(await response.text()), response.headers)

    async def exchange(self, code: str, /, **changed: str) -> ApiResponse:
        given = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
        return await self.token(SECRETS | given | {"code_verifier": VERIFIER} | changed)

    async def refresh(self, token: str, **changed: str) -> ApiResponse:
        return await self.token(SECRETS | {"grant_type": "refresh_token", "refresh_token": token} | changed)

    async def tokens(self, **changed: str) -> Any:
        answer = await self.exchange((await self.answer(**changed))["code"])
        assert answer.status == 200, answer.body
        return answer.body

    async def works(self, token: str) -> bool:
        return (await self.visitor.ask("GET", "/me", token=token)).status == 200


def told(page: aiohttp.ClientResponse) -> dict[str, str]:
    location = page.headers.get("Location", "")
    assert page.status != 302 or location.startswith(f"{BACK}?")
    return {name: value for name, [value] in parse_qs(urlsplit(location).query).items()}


def hidden(text: str) -> str:
    return text.partition('name="asked" value="')[2].partition('"')[0]


def error(answer: ApiResponse) -> tuple[int, str]:
    assert set(answer.body) == {"error", "error_description"}
    return answer.status, answer.body["error"]


@pytest.fixture
async def app(member_client: MemberClient) -> AsyncIterator[App]:
    yield App(member_client)
    assert member_client.buildio.violations == []


async def test_a_code_becomes_tokens_that_act_as_the_person(app: App) -> None:
    back = await app.answer(person="ben-okafor")
    assert (set(back), back["state"]) == ({"code", "state"}, "s&1")
    answer = await app.exchange(back["code"])
    assert answer.headers["Cache-Control"] == "no-store"
    tokens = answer.body
    assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == ("Bearer", 7200, "read write")
    assert await app.visitor.get("/me", token=tokens["access_token"]) == {"email": "ben-okafor@acme.example"}
    assert (await app.visitor.ask("GET", "/apps/ledger", token=tokens["access_token"])).status == 404
    changed = await app.visitor.ask("DELETE", "/apps/shop/dynos", token=tokens["access_token"])
    assert changed.status == 202


@pytest.mark.parametrize("scope", ["read", None])
async def test_a_token_for_reading_changes_nothing(app: App, scope: str | None) -> None:
    tokens = (await app.exchange((await app.answer(scope=scope))["code"])).body
    assert tokens["scope"] == "read"
    assert await app.works(tokens["access_token"])
    refused = await app.visitor.ask("DELETE", "/apps/shop/dynos", token=tokens["access_token"])
    assert refused.status == 403


async def test_the_page_says_what_is_asked_and_lists_people(app: App) -> None:
    status, text, _ = await app.shown(scope="read")
    assert status == 200
    assert "<code>read</code>" in text
    assert "<code>write</code>" not in text
    assert "anna-berg@acme.example" in text
    assert "build-service" not in text


async def test_who_denies_gives_no_code(app: App) -> None:
    assert await app.answer("Deny") == {"error": "access_denied", "state": "s&1"}


async def test_a_page_is_answered_once_and_by_a_person(app: App) -> None:
    url = f"{app.visitor.buildio.url}/oauth/authorize"
    _, text, _ = await app.shown()
    form = {"asked": hidden(text), "person": "anna-berg", "press": "Deny"}
    for status in (302, 400):
        async with app.session.post(url, data=form, allow_redirects=False) as page:
            assert page.status == status
    for nobody in ("build-service", "dora", ""):
        assert (await app.answer(person=nobody))[0] == 403


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "other"},
        {"client_id": None},
        {"redirect_uri": None},
        {"redirect_uri": f"{BACK}/"},
        {"redirect_uri": "https://evil.example/buildio/back"},
        {"redirect_uri": f"{BACK}?a=1"},
    ],
)
async def test_nobody_is_sent_to_an_address_that_is_not_registered(app: App, changed: Any) -> None:
    status, text, back = await app.shown(**changed)
    assert (status, back) == (400, {})
    assert "Something went wrong" in text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"scope": "read admin"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
    ],
)
async def test_the_app_is_told_what_was_wrong_with_its_question(app: App, changed: Any, said: str) -> None:
    status, _, back = await app.shown(**changed)
    assert (status, back) == (302, {"error": said, "state": "s&1"})


async def test_no_state_is_given_back_where_none_came(app: App) -> None:
    assert set(await app.answer(state=None)) == {"code"}


@pytest.mark.parametrize(
    "changed",
    [{"code": "other"}, {"redirect_uri": f"{BACK}/"}, {"code_verifier": VERIFIER[::-1]}],
)
async def test_a_code_fits_its_address_and_its_verifier(app: App, changed: Any) -> None:
    code = (await app.answer())["code"]
    assert error(await app.exchange(code, **changed)) == (400, "invalid_grant")
    assert (await app.exchange(code)).status == 200


async def test_a_verifier_is_demanded_where_there_was_a_challenge_and_only_there(app: App) -> None:
    code = (await app.answer())["code"]
    given = SECRETS | {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
    assert error(await app.token(given)) == (400, "invalid_grant")
    assert error(await app.exchange(code, code_verifier="short")) == (400, "invalid_request")
    plain = (await app.answer(code_challenge=None, code_challenge_method=None))["code"]
    assert error(await app.exchange(plain)) == (400, "invalid_grant")
    assert (await app.token(given | {"code": plain})).status == 200


async def test_a_code_that_comes_twice_ends_what_it_had_given(app: App) -> None:
    code = (await app.answer())["code"]
    tokens = (await app.exchange(code)).body
    assert error(await app.exchange(code)) == (400, "invalid_grant")
    assert not await app.works(tokens["access_token"])
    assert error(await app.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


async def test_a_code_lives_for_ten_minutes(app: App) -> None:
    code = (await app.answer())["code"]
    app.visitor.wait(minutes=10)
    assert error(await app.exchange(code)) == (400, "invalid_grant")


async def test_an_access_token_ends_and_is_refreshed(app: App) -> None:
    first = await app.tokens()
    app.visitor.wait(hours=1, minutes=59)
    assert await app.works(first["access_token"])
    app.visitor.wait(minutes=1)
    ended = await app.visitor.ask("GET", "/me", token=first["access_token"])
    assert (ended.status, ended.code) == (401, "unauthorized")
    second = (await app.refresh(first["refresh_token"])).body
    assert await app.works(second["access_token"])
    assert len({first["access_token"], second["access_token"]}) == 2
    assert first["refresh_token"] != second["refresh_token"]


async def test_a_refresh_token_works_once_and_used_again_ends_them_all(app: App) -> None:
    first = await app.tokens()
    second = (await app.refresh(first["refresh_token"])).body
    assert not await app.works(first["access_token"])
    assert await app.works(second["access_token"])
    assert error(await app.refresh(first["refresh_token"])) == (400, "invalid_grant")
    assert not await app.works(second["access_token"])
    assert error(await app.refresh(second["refresh_token"])) == (400, "invalid_grant")


async def test_a_refresh_may_ask_for_less_and_not_for_more(app: App) -> None:
    tokens = await app.tokens()
    assert error(await app.refresh(tokens["refresh_token"], scope="admin")) == (400, "invalid_scope")
    less = (await app.refresh(tokens["refresh_token"], scope="read")).body
    assert less["scope"] == "read"
    assert (await app.visitor.ask("DELETE", "/apps/shop/dynos", token=less["access_token"])).status == 403


async def test_who_takes_back_the_consent_ends_its_tokens_alone(app: App) -> None:
    anna, ben = await app.tokens(), await app.tokens(person="ben-okafor")
    app.visitor.buildio.grants.end_all(app.visitor.buildio.members["anna-berg"])
    assert not await app.works(anna["access_token"])
    assert error(await app.refresh(anna["refresh_token"])) == (400, "invalid_grant")
    assert await app.works(ben["access_token"])


async def test_an_app_says_who_it_is(app: App) -> None:
    code = (await app.answer())["code"]
    for wrong in ({"client_secret": "no"}, {"client_id": "no"}, {"client_secret": ""}):
        answer = await app.exchange(code, **wrong)
        assert error(answer) == (401, "invalid_client")
        assert "WWW-Authenticate" in answer.headers
    given = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
    }
    assert error(await app.token(given)) == (401, "invalid_client")
    assert error(await app.token(given, auth=aiohttp.BasicAuth(CLIENT_ID, "no"))) == (401, "invalid_client")
    right = aiohttp.BasicAuth(CLIENT_ID, CLIENT_SECRET)
    assert error(await app.token(SECRETS | given, auth=right)) == (400, "invalid_request")
    assert (await app.token(given, auth=right)).status == 200


async def test_the_token_endpoint_takes_forms_and_two_kinds_of_grants(app: App) -> None:
    url = f"{app.visitor.buildio.url}/oauth/token"
    async with app.session.post(url, json=SECRETS | {"grant_type": "refresh_token"}) as response:
        assert (response.status, (await response.json())["error"]) == (400, "invalid_request")
    doubled = [*SECRETS.items(), ("grant_type", "refresh_token"), ("grant_type", "refresh_token")]
    async with app.session.post(url, data=doubled) as response:
        assert (response.status, (await response.json())["error"]) == (400, "invalid_request")
    assert error(await app.token(SECRETS)) == (400, "invalid_request")
    assert error(await app.token(SECRETS | {"grant_type": "password"})) == (400, "unsupported_grant_type")
    assert error(await app.token(SECRETS | {"grant_type": "refresh_token"})) == (400, "invalid_request")
    assert error(await app.token(SECRETS | {"grant_type": "authorization_code"})) == (400, "invalid_request")
    assert error(await app.refresh("nothing")) == (400, "invalid_grant")


async def test_no_token_code_or_secret_is_noted(app: App) -> None:
    back = await app.answer()
    tokens = (await app.exchange(back["code"])).body
    buildio = app.visitor.buildio
    written = (
        repr([one.as_json() for one in buildio.journal.entries])
        + repr(buildio.requests)
        + repr(buildio.grants)
    )
    for secret in (back["code"], tokens["access_token"], tokens["refresh_token"], CLIENT_SECRET, VERIFIER):
        assert secret not in written


async def test_a_browser_goes_from_the_apps_page_to_build_io_and_back(app: App) -> None:
    buildio, visits = app.visitor.buildio, list[dict[str, str]]()

    async def begin(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(app.address(redirect_uri=f"{own}/back"))

    async def page(_: web.Request) -> web.StreamResponse:
        link = app.address(redirect_uri=f"{own}/back").replace("&", "&amp;")
        return web.Response(text=f'<a href="{link}">Connect</a>', content_type="text/html")

    async def back(request: web.Request) -> web.StreamResponse:
        visits.append(dict(request.query))
        return web.Response(text="Done")

    host = web.Application()
    host.add_routes([web.get("/begin", begin), web.get("/page", page), web.get("/back", back)])
    own = await buildio.serve(host)
    buildio.redirect_uris.append(f"{own}/back")
    for address, press in ((f"{own}/begin", "Allow"), (f"{own}/page", "Allow"), (f"{own}/begin", "Deny")):
        assert await buildio.consent(address, person="ben", press=press) == (200, "Done")
    assert [sorted(one) for one in visits] == [["code", "state"], ["code", "state"], ["error", "state"]]
    answer = await app.exchange(visits[0]["code"], redirect_uri=f"{own}/back")
    assert await app.visitor.get("/me", token=answer.body["access_token"]) == {
        "email": "ben-okafor@acme.example"
    }
    wrong = await buildio.consent(app.address(redirect_uri="https://evil.example/"))
    assert wrong[0] == 400
    sent = await buildio.consent(app.address(redirect_uri=f"{own}/back", scope="admin"))
    assert sent == (200, "Done")
    assert visits[-1]["error"] == "invalid_scope"
    with pytest.raises(ValueError, match="there is no member dora"):
        await buildio.consent(f"{own}/begin", person="dora")
