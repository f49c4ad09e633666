"""The whole OAuth flow: authorize URL, Build.io's page, the returned code, tokens, and requests with them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from aiohttp import web
from pydantic import SecretStr

from domain.credentials import FixedToken
from domain.provider_errors import InvalidToken, RequestRejected
from providers.buildio.api.client import BuildioClient
from providers.buildio.api.oauth import BuildioOAuth, endpoints_beside, make_verifier
from providers.http.transport import HttpTransport
from sandbox.buildio.oauth_grants import CLIENT_ID, CLIENT_SECRET
from sandbox.buildio.server import BuildioSimulator
from sandbox.clock import Clock
from tests.support.factories import NOON
from tests.support.stub_server import StubServer, stub_server

VERIFIER = make_verifier(bytes(range(48)))


class OAuthFlowFixture:
    """The simulated Build.io, the redirect URI, and the bot as Build.io's OAuth client."""

    def __init__(
        self, sandbox: BuildioSimulator, back: StubServer, http: HttpTransport, clock: Clock
    ) -> None:
        self.sandbox, self.back, self.clock = sandbox, back, clock
        self._http = http
        address = f"{back.url}/back"
        sandbox.redirect_uris.append(address)
        self.oauth = self.client(CLIENT_SECRET)

    def client(self, secret: str) -> BuildioOAuth:
        urls = endpoints_beside(self.sandbox.api_url)
        return BuildioOAuth(
            self._http, CLIENT_ID, SecretStr(secret), *urls, f"{self.back.url}/back", self.clock
        )

    async def press_on_page(self, press: str = "Allow") -> dict[str, str]:
        """Return the query of the redirect after Anna has pressed a button."""
        await self.sandbox.give_consent(self.oauth.authorize("the-state", VERIFIER), press=press)
        return self.back.requests[-1].query

    def buildio(self, token: SecretStr) -> BuildioClient:
        return BuildioClient(
            self._http, credentials=FixedToken(token), base_url=self.sandbox.api_url, clock=self.clock
        )


@pytest.fixture
async def login() -> AsyncIterator[OAuthFlowFixture]:
    clock = Clock(lambda: NOON)
    sandbox = await BuildioSimulator(now=clock).start()
    async with HttpTransport() as http, stub_server(lambda _: web.Response(text="Done")) as back:
        yield OAuthFlowFixture(sandbox, back, http, clock)
    await sandbox.close()
    assert sandbox.violations == []


async def test_a_person_authorizes_the_bot_which_acts_as_them_until_the_token_expires(
    login: OAuthFlowFixture,
) -> None:
    back = await login.press_on_page()
    assert back["state"] == "the-state"
    tokens = await login.oauth.exchange(back["code"], VERIFIER)
    assert (set(tokens.scopes), tokens.expires_at) == ({"read", "write"}, NOON + timedelta(hours=2))
    assert (await login.buildio(tokens.access_token).me()).email == "anna-berg@acme.example"
    await login.buildio(tokens.access_token).restart("shop", "web.1")
    login.clock.skip(timedelta(hours=2))
    with pytest.raises(InvalidToken):
        await login.buildio(tokens.access_token).me()
    assert tokens.refresh_token is not None
    refreshed = await login.oauth.refresh(tokens.refresh_token)
    assert (await login.buildio(refreshed.access_token).me()).email == "anna-berg@acme.example"
    with pytest.raises(InvalidToken):
        await login.oauth.refresh(tokens.refresh_token)


async def test_a_denied_authorization_returns_its_error(login: OAuthFlowFixture) -> None:
    assert await login.press_on_page("Deny") == {"error": "access_denied", "state": "the-state"}


async def test_a_code_is_single_use_and_only_valid_with_its_verifier(login: OAuthFlowFixture) -> None:
    code = (await login.press_on_page())["code"]
    with pytest.raises(RequestRejected) as caught:
        await login.oauth.exchange(code, make_verifier(bytes(48)))
    assert caught.value.code == "invalid_grant"
    code = (await login.press_on_page())["code"]
    await login.oauth.exchange(code, VERIFIER)
    with pytest.raises(RequestRejected):
        await login.oauth.exchange(code, VERIFIER)


async def test_a_wrong_client_secret_is_no_error_of_the_person(login: OAuthFlowFixture) -> None:
    code = (await login.press_on_page())["code"]
    with pytest.raises(RequestRejected) as caught:
        await login.client("another").exchange(code, VERIFIER)
    assert caught.value.code == "invalid_client"
