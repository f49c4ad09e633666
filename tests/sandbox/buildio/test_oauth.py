"""OAuth at the Build.io simulator, request by request and with a browser."""

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
    """An OAuth client application."""

    def __init__(self, member_client: MemberClient) -> None:
        self.member_client, self.session = member_client, member_client.session
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
            URL(f"{self.member_client.buildio.url}/oauth/authorize").with_query(
                {name: value for name, value in query.items() if value is not None}
            )
        )

    async def open_page(self, **changed: str | None) -> tuple[int, str, dict[str, str]]:
        """Return the page's status and text, or the parameters of an immediate redirect."""
        async with self.session.get(self.address(**changed), allow_redirects=False) as page:
            return page.status, await page.text(), redirect_parameters(page)

    async def submit(self, press: str = "Allow", user: str = "anna-berg", **changed: str | None) -> Any:
        """Return the parameters of the redirect after a button was pressed."""
        status, text, _ = await self.open_page(**changed)
        assert status == 200, text
        form = {"asked": hidden_field(text), "person": user, "press": press}
        url = f"{self.member_client.buildio.url}/oauth/authorize"
        async with self.session.post(url, data=form, allow_redirects=False) as page:
            return redirect_parameters(page) or (page.status, await page.text())

    async def token(self, form: dict[str, str], *, auth: aiohttp.BasicAuth | None = None) -> ApiResponse:
        headers = {"Authorization": auth.encode()} if auth else {}
        url = f"{self.member_client.buildio.url}/oauth/token"
        async with self.session.post(url, data=form, headers=headers) as response:
            return ApiResponse(response.status, as_json(await response.text()), response.headers)

    async def exchange(self, code: str, /, **changed: str) -> ApiResponse:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
        return await self.token(SECRETS | form | {"code_verifier": VERIFIER} | changed)

    async def refresh(self, token: str, **changed: str) -> ApiResponse:
        return await self.token(SECRETS | {"grant_type": "refresh_token", "refresh_token": token} | changed)

    async def tokens(self, **changed: str) -> Any:
        response = await self.exchange((await self.submit(**changed))["code"])
        assert response.status == 200, response.body
        return response.body

    async def works(self, token: str) -> bool:
        return (await self.member_client.ask("GET", "/me", token=token)).status == 200


def redirect_parameters(page: aiohttp.ClientResponse) -> dict[str, str]:
    location = page.headers.get("Location", "")
    assert page.status != 302 or location.startswith(f"{BACK}?")
    return {name: value for name, [value] in parse_qs(urlsplit(location).query).items()}


def hidden_field(text: str) -> str:
    return text.partition('name="asked" value="')[2].partition('"')[0]


def error(response: ApiResponse) -> tuple[int, str]:
    assert set(response.body) == {"error", "error_description"}
    return response.status, response.body["error"]


@pytest.fixture
async def app(member_client: MemberClient) -> AsyncIterator[App]:
    yield App(member_client)
    assert member_client.buildio.violations == []


async def test_a_code_is_exchanged_for_tokens_of_the_user(app: App) -> None:
    redirect = await app.submit(user="ben-okafor")
    assert (set(redirect), redirect["state"]) == ({"code", "state"}, "s&1")
    response = await app.exchange(redirect["code"])
    assert response.headers["Cache-Control"] == "no-store"
    tokens = response.body
    assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == ("Bearer", 7200, "read write")
    assert await app.member_client.get("/me", token=tokens["access_token"]) == {
        "email": "ben-okafor@acme.example"
    }
    assert (await app.member_client.ask("GET", "/apps/ledger", token=tokens["access_token"])).status == 404
    changed = await app.member_client.ask("DELETE", "/apps/shop/dynos", token=tokens["access_token"])
    assert changed.status == 202


@pytest.mark.parametrize("scope", ["read", None])
async def test_a_token_with_read_scope_cannot_change_anything(app: App, scope: str | None) -> None:
    tokens = (await app.exchange((await app.submit(scope=scope))["code"])).body
    assert tokens["scope"] == "read"
    assert await app.works(tokens["access_token"])
    refused = await app.member_client.ask("DELETE", "/apps/shop/dynos", token=tokens["access_token"])
    assert refused.status == 403


async def test_the_consent_page_shows_the_scopes_and_the_users(app: App) -> None:
    status, text, _ = await app.open_page(scope="read")
    assert status == 200
    assert "<code>read</code>" in text
    assert "<code>write</code>" not in text
    assert "anna-berg@acme.example" in text
    assert "build-service" not in text


async def test_denying_returns_no_code(app: App) -> None:
    assert await app.submit("Deny") == {"error": "access_denied", "state": "s&1"}


async def test_the_consent_page_can_be_submitted_once_and_by_a_user(app: App) -> None:
    url = f"{app.member_client.buildio.url}/oauth/authorize"
    _, text, _ = await app.open_page()
    form = {"asked": hidden_field(text), "person": "anna-berg", "press": "Deny"}
    for status in (302, 400):
        async with app.session.post(url, data=form, allow_redirects=False) as page:
            assert page.status == status
    for nobody in ("build-service", "dora", ""):
        assert (await app.submit(user=nobody))[0] == 403


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
async def test_an_unregistered_redirect_uri_is_refused(app: App, changed: Any) -> None:
    status, text, redirect = await app.open_page(**changed)
    assert (status, redirect) == (400, {})
    assert "This request isn't valid" in text


@pytest.mark.parametrize(
    ("changed", "error_name"),
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
async def test_an_invalid_authorization_request_redirects_with_its_error(
    app: App, changed: Any, error_name: str
) -> None:
    status, _, redirect = await app.open_page(**changed)
    assert (status, redirect) == (302, {"error": error_name, "state": "s&1"})


async def test_no_state_is_returned_if_none_was_sent(app: App) -> None:
    assert set(await app.submit(state=None)) == {"code"}


@pytest.mark.parametrize(
    "changed",
    [{"code": "other"}, {"redirect_uri": f"{BACK}/"}, {"code_verifier": VERIFIER[::-1]}],
)
async def test_a_code_requires_its_redirect_uri_and_verifier(app: App, changed: Any) -> None:
    code = (await app.submit())["code"]
    assert error(await app.exchange(code, **changed)) == (400, "invalid_grant")
    assert (await app.exchange(code)).status == 200


async def test_a_verifier_is_required_only_after_a_challenge(app: App) -> None:
    code = (await app.submit())["code"]
    form = SECRETS | {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
    assert error(await app.token(form)) == (400, "invalid_grant")
    assert error(await app.exchange(code, code_verifier="short")) == (400, "invalid_request")
    plain = (await app.submit(code_challenge=None, code_challenge_method=None))["code"]
    assert error(await app.exchange(plain)) == (400, "invalid_grant")
    assert (await app.token(form | {"code": plain})).status == 200


async def test_a_reused_code_revokes_its_tokens(app: App) -> None:
    code = (await app.submit())["code"]
    tokens = (await app.exchange(code)).body
    assert error(await app.exchange(code)) == (400, "invalid_grant")
    assert not await app.works(tokens["access_token"])
    assert error(await app.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


async def test_a_code_expires_after_ten_minutes(app: App) -> None:
    code = (await app.submit())["code"]
    app.member_client.wait(minutes=10)
    assert error(await app.exchange(code)) == (400, "invalid_grant")


async def test_an_expired_access_token_can_be_refreshed(app: App) -> None:
    first = await app.tokens()
    app.member_client.wait(hours=1, minutes=59)
    assert await app.works(first["access_token"])
    app.member_client.wait(minutes=1)
    ended = await app.member_client.ask("GET", "/me", token=first["access_token"])
    assert (ended.status, ended.code) == (401, "unauthorized")
    second = (await app.refresh(first["refresh_token"])).body
    assert await app.works(second["access_token"])
    assert len({first["access_token"], second["access_token"]}) == 2
    assert first["refresh_token"] != second["refresh_token"]


async def test_a_reused_refresh_token_revokes_all_tokens(app: App) -> None:
    first = await app.tokens()
    second = (await app.refresh(first["refresh_token"])).body
    assert not await app.works(first["access_token"])
    assert await app.works(second["access_token"])
    assert error(await app.refresh(first["refresh_token"])) == (400, "invalid_grant")
    assert not await app.works(second["access_token"])
    assert error(await app.refresh(second["refresh_token"])) == (400, "invalid_grant")


async def test_a_refresh_can_reduce_scopes_but_not_add_any(app: App) -> None:
    tokens = await app.tokens()
    assert error(await app.refresh(tokens["refresh_token"], scope="admin")) == (400, "invalid_scope")
    less = (await app.refresh(tokens["refresh_token"], scope="read")).body
    assert less["scope"] == "read"
    assert (
        await app.member_client.ask("DELETE", "/apps/shop/dynos", token=less["access_token"])
    ).status == 403


async def test_revoking_a_consent_revokes_only_its_own_tokens(app: App) -> None:
    anna, ben = await app.tokens(), await app.tokens(user="ben-okafor")
    app.member_client.buildio.oauth_grants.revoke_all(app.member_client.buildio.members["anna-berg"])
    assert not await app.works(anna["access_token"])
    assert error(await app.refresh(anna["refresh_token"])) == (400, "invalid_grant")
    assert await app.works(ben["access_token"])


async def test_the_token_endpoint_authenticates_the_client(app: App) -> None:
    code = (await app.submit())["code"]
    for wrong in ({"client_secret": "no"}, {"client_id": "no"}, {"client_secret": ""}):
        response = await app.exchange(code, **wrong)
        assert error(response) == (401, "invalid_client")
        assert "WWW-Authenticate" in response.headers
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
    }
    assert error(await app.token(form)) == (401, "invalid_client")
    assert error(await app.token(form, auth=aiohttp.BasicAuth(CLIENT_ID, "no"))) == (401, "invalid_client")
    right = aiohttp.BasicAuth(CLIENT_ID, CLIENT_SECRET)
    assert error(await app.token(SECRETS | form, auth=right)) == (400, "invalid_request")
    assert (await app.token(form, auth=right)).status == 200


async def test_the_token_endpoint_accepts_forms_and_two_grant_types(app: App) -> None:
    url = f"{app.member_client.buildio.url}/oauth/token"
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


async def test_no_token_code_or_secret_is_logged(app: App) -> None:
    redirect = await app.submit()
    tokens = (await app.exchange(redirect["code"])).body
    buildio = app.member_client.buildio
    written = (
        repr([entry.to_json() for entry in buildio.request_log.entries])
        + repr(buildio.requests)
        + repr(buildio.oauth_grants)
    )
    for secret in (
        redirect["code"],
        tokens["access_token"],
        tokens["refresh_token"],
        CLIENT_SECRET,
        VERIFIER,
    ):
        assert secret not in written


async def test_the_browser_follows_the_flow_from_the_app_to_build_io_and_back(app: App) -> None:
    buildio, visits = app.member_client.buildio, list[dict[str, str]]()

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
        assert await buildio.give_consent(address, user="ben", press=press) == (200, "Done")
    assert [sorted(visit) for visit in visits] == [["code", "state"], ["code", "state"], ["error", "state"]]
    response = await app.exchange(visits[0]["code"], redirect_uri=f"{own}/back")
    assert await app.member_client.get("/me", token=response.body["access_token"]) == {
        "email": "ben-okafor@acme.example"
    }
    wrong = await buildio.give_consent(app.address(redirect_uri="https://evil.example/"))
    assert wrong[0] == 400
    sent = await buildio.give_consent(app.address(redirect_uri=f"{own}/back", scope="admin"))
    assert sent == (200, "Done")
    assert visits[-1]["error"] == "invalid_scope"
    with pytest.raises(ValueError, match="no member dora"):
        await buildio.give_consent(f"{own}/begin", user="dora")
