"""Requests of an app installation, one by one."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
from yarl import URL

from sandbox.slack.installations import CLIENT_ID, CLIENT_SECRET
from sandbox.slack.server import SlackSimulator
from tests.sandbox.slack.web_api_call import call_web_api

Json = dict[str, Any]
REDIRECT_URL = "https://app.example/back"


def installation_url(slack: SlackSimulator, **changed: str) -> str:
    """Return the address of Slack's page, with all scopes of the manifest."""
    scopes = ",".join(slack.manifest["oauth_config"]["scopes"]["bot"])
    query = {"client_id": CLIENT_ID, "scope": scopes, "state": "s&1", "redirect_uri": REDIRECT_URL}
    return str(URL(f"{slack.url}/oauth/v2/authorize").with_query(query | changed))


async def allow(slack: SlackSimulator, *, team: str = "T0ACME", address: str = "", **form: str) -> Json:
    """Press Allow; returns the parameters of the redirect without following it."""
    async with aiohttp.ClientSession() as session:
        async with session.get(URL(address or installation_url(slack)).update_query(team=team)) as page:
            text = await page.text()
            assert page.status == 200, text
        request_id = text.partition('name="asked" value="')[2].partition('"')[0]
        fields = {"asked": request_id, "team": team, "person": "dana", "press": "Allow"} | form
        async with session.post(
            f"{slack.url}/oauth/v2/authorize", data=fields, allow_redirects=False
        ) as response:
            if response.status != 302:
                return {"status": response.status, "text": await response.text()}
            location = response.headers["Location"]
    assert location.startswith(REDIRECT_URL)
    return {name: value for name, [value] in parse_qs(urlsplit(location).query).items()}


async def exchange(slack: SlackSimulator, **given: Any) -> Json:
    secrets = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    return await call_web_api(slack, "oauth.v2.access", token="", **(secrets | given))


async def install(slack: SlackSimulator, **form: str) -> Json:
    code = (await allow(slack, **form))["code"]
    return await exchange(slack, code=code, redirect_uri=REDIRECT_URL)
