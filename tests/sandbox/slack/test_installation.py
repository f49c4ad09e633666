"""Installing an app with Slack's OAuth flow: the page, the code, the token, and their errors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from sandbox.slack.input_values import InvalidInteraction
from sandbox.slack.installations import CLIENT_ID, CLIENT_SECRET
from sandbox.slack.server import BOT_TOKEN, SlackSimulator
from sandbox.slack.users import Enterprise
from tests.sandbox.slack.installation_requests import REDIRECT_URL, allow, exchange, install, installation_url
from tests.sandbox.slack.web_api_call import call_web_api
from tests.third_party_apps.distributed_app import MANIFEST, SCOPES, run_distributed_app, with_token_rotation

Json = dict[str, Any]


class ManualClock:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=[MANIFEST], ids=["no rotation"])
async def slack(request: pytest.FixtureRequest, clock: ManualClock) -> AsyncIterator[SlackSimulator]:
    opened = await SlackSimulator(request.param, clock).start()
    opened.redirect_urls = [REDIRECT_URL]
    opened.add_workspace()
    yield opened
    await opened.close()


async def test_the_oauth_flow_of_bolt_installs_an_app_that_then_responds(tmp_path: Path) -> None:
    slack = await SlackSimulator(MANIFEST).start()
    acme = slack.add_workspace()
    async with run_distributed_app(slack, tmp_path) as visitor:
        with pytest.raises(InvalidInteraction, match="not a valid command"):
            await acme.users.command("emil", "builds", "/greet")
        status, text = await slack.install(visitor.install_url, team="T0ACME", user="emil")
        assert (status, "Thank you" in text) == (200, True), text
        acme.users.invite("builds")
        await acme.users.command("emil", "builds", "/greet")
        await acme.wait_for_post("builds", "Hello @emil, I am @visitor")
        assert (await visitor.wait_for("/greet"))["team_id"] == "T0ACME"
        acme.users.say("emil", "builds", "@visitor, please")
        post = await acme.wait_for_post("builds", "You called?")
        assert post.to_json()["team"] == "T0ACME"
        events = await visitor.wait_for("app_mention")
        assert (
            events["team_id"] == events["event"]["team"] == events["authorizations"][0]["team_id"] == "T0ACME"
        )
        assert events["authorizations"][0]["user_id"] == acme.workspace.bot_user
        assert slack.posts("builds") == []
        assert slack.violations == []
    await slack.close()


async def test_the_oauth_flow_of_bolt_reports_a_cancel_and_an_invalid_state(tmp_path: Path) -> None:
    slack = await SlackSimulator(MANIFEST).start()
    acme = slack.add_workspace()
    acme.workspace.only_admins_install = True
    async with run_distributed_app(slack, tmp_path) as visitor:
        _, text = await slack.install(visitor.install_url, team="T0ACME", press="Cancel")
        assert "access_denied" in text
        status, text = await slack.install(visitor.install_url, team="T0ACME", user="emil")
        assert (status, "Only admins may install apps in Acme" in text) == (403, True)
        status, _ = await slack.install(visitor.install_url, team="T0ACME", user="dana")
        assert status == 200
        bot = await visitor.store.async_find_bot(enterprise_id=None, team_id="T0ACME")
        assert bot is not None
        assert bot.bot_user_id == acme.workspace.bot_user
    await slack.close()


async def test_the_installation_page_shows_the_app_its_scopes_and_the_workspaces(
    slack: SlackSimulator,
) -> None:
    async with aiohttp.ClientSession() as session, session.get(installation_url(slack)) as page:
        text = await page.text()
    assert "Visitor wants access to Sandbox" in text
    assert all(f"<code>{scope}</code>" in text for scope in SCOPES)
    assert ">Acme</a>" in text
    assert ">Anna Berg, an admin<" in text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"client_id": "1.2"}, "Invalid client_id parameter"),
        ({"scope": "chat:write,admin"}, "Invalid permissions requested: admin"),
        ({"scope": ""}, "No scopes requested"),
        ({"user_scope": "chat:write"}, "Invalid permissions requested: chat:write"),
        ({"redirect_uri": "https://app.example.evil.test/back"}, "did not match any configured URIs"),
        ({"redirect_uri": "https://app.example/elsewhere"}, "did not match any configured URIs"),
        ({"redirect_uri": "https://app.example/back/../elsewhere"}, "did not match any configured URIs"),
        ({"redirect_uri": "http://app.example/back"}, "did not match any configured URIs"),
        ({"redirect_uri": "https://app.example/back<script>"}, "back&lt;script&gt;"),
        ({"team": "T0NOWHERE"}, "Unknown workspace T0NOWHERE"),
    ],
)
async def test_the_installation_page_refuses_invalid_requests(
    slack: SlackSimulator, changed: dict[str, str], error: str
) -> None:
    async with aiohttp.ClientSession() as session, session.get(installation_url(slack, **changed)) as page:
        assert page.status == 400
        assert error in await page.text()


async def test_an_installation_needs_a_registered_redirect_url(slack: SlackSimulator) -> None:
    slack.redirect_urls = []
    async with aiohttp.ClientSession() as session, session.get(installation_url(slack)) as page:
        assert "did not match any configured URIs" in await page.text()


async def test_the_state_is_returned_with_a_code_and_with_a_cancel(slack: SlackSimulator) -> None:
    assert set(given := await allow(slack)) == {"code", "state"}
    assert given["state"] == "s&1"
    assert await allow(slack, press="Cancel") == {"error": "access_denied", "state": "s&1"}


@pytest.mark.parametrize(
    ("user", "error"),
    [("fay", "Guests can&#x27;t install apps"), ("anna", "anna has no account there")],
)
async def test_guests_and_users_of_other_workspaces_cannot_install(
    slack: SlackSimulator, user: str, error: str
) -> None:
    response = await allow(slack, person=user)
    assert response["status"] == 403
    assert error in response["text"]


async def test_a_code_is_exchanged_for_a_token_once(slack: SlackSimulator) -> None:
    code = (await allow(slack))["code"]
    response = await exchange(slack, code=code, redirect_uri=REDIRECT_URL)
    assert response["team"] == {"id": "T0ACME", "name": "Acme"}
    assert response["authed_user"] == {"id": "U0ACMEDANA"}
    assert (response["token_type"], response["enterprise"], response["is_enterprise_install"]) == (
        "bot",
        None,
        False,
    )
    assert response["scope"].split(",") == SCOPES
    assert response["access_token"].startswith("xoxb-")
    assert "refresh_token" not in response
    again = await exchange(slack, code=code, redirect_uri=REDIRECT_URL)
    assert again["error"] == "code_already_used"
    assert await exchange(slack, code="made-up", redirect_uri=REDIRECT_URL) | {"headers": {}} == {
        "status": 200,
        "headers": {},
        "ok": False,
        "error": "invalid_code",
    }
    user = await call_web_api(slack, "auth.test", token=response["access_token"])
    assert (user["team_id"], user["team"], user["user_id"]) == ("T0ACME", "Acme", response["bot_user_id"])


async def test_a_code_expires_after_ten_minutes(slack: SlackSimulator, clock: ManualClock) -> None:
    early, late = (await allow(slack))["code"], (await allow(slack))["code"]
    clock.now += 600
    assert (await exchange(slack, code=early, redirect_uri=REDIRECT_URL))["ok"] is True
    clock.now += 1
    assert (await exchange(slack, code=late, redirect_uri=REDIRECT_URL))["error"] == "invalid_code"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"client_id": "1.2"}, "invalid_client_id"),
        ({"client_id": ""}, "invalid_client_id"),
        ({"client_secret": "guessed"}, "bad_client_secret"),
        ({"redirect_uri": f"{REDIRECT_URL}/below"}, "bad_redirect_uri"),
        ({"redirect_uri": ""}, "bad_redirect_uri"),
        ({"grant_type": "password"}, "invalid_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "xoxe-1-guessed"}, "invalid_refresh_token"),
    ],
)
async def test_a_refused_exchange_returns_the_error_of_slack_and_leaves_the_code_usable(
    slack: SlackSimulator, given: dict[str, str], error: str
) -> None:
    code = (await allow(slack))["code"]
    assert (await exchange(slack, **({"code": code, "redirect_uri": REDIRECT_URL} | given)))["error"] == error
    assert (await exchange(slack, code=code, redirect_uri=REDIRECT_URL))["ok"] is True


async def test_the_redirect_uri_is_optional(slack: SlackSimulator) -> None:
    address = str(URL(installation_url(slack)).without_query_params("redirect_uri"))
    code = (await allow(slack, address=address))["code"]
    assert (await exchange(slack, code=code, redirect_uri="https://app.example/x"))[
        "error"
    ] == "bad_redirect_uri"
    assert (await exchange(slack, code=code))["ok"] is True


async def test_client_id_and_secret_can_be_sent_by_http_basic(slack: SlackSimulator) -> None:
    code = (await allow(slack))["code"]
    for secret, expected in (("guessed", "bad_client_secret"), (CLIENT_SECRET, None)):
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                slack.api_url + "oauth.v2.access",
                data={"code": code, "redirect_uri": REDIRECT_URL},
                headers={"Authorization": aiohttp.encode_basic_auth(CLIENT_ID, secret)},
            ) as response,
        ):
            assert (await response.json()).get("error") == expected


async def test_no_installation_secret_is_shown_in_the_inspector(slack: SlackSimulator) -> None:
    response = await install(slack)
    shown = str([entry.to_json() for entry in slack.request_log.entries])
    assert "oauth.v2.access" in shown
    assert response["access_token"] not in shown
    assert CLIENT_SECRET not in shown


async def test_reinstalling_returns_the_same_token_with_more_scopes(slack: SlackSimulator) -> None:
    some = (await allow(slack, address=installation_url(slack, scope="chat:write,users:read")))["code"]
    first = await exchange(slack, code=some, redirect_uri=REDIRECT_URL)
    missing = await call_web_api(slack, "usergroups.list", token=first["access_token"])
    assert (missing["error"], missing["needed"]) == ("missing_scope", "usergroups:read")
    assert missing["headers"]["X-OAuth-Scopes"] == "chat:write,users:read"
    parameters = (await allow(slack, address=installation_url(slack, scope="usergroups:read")))["code"]
    second = await exchange(slack, code=parameters, redirect_uri=REDIRECT_URL)
    assert second["access_token"] == first["access_token"]
    assert second["scope"] == "chat:write,usergroups:read,users:read"
    assert (await call_web_api(slack, "usergroups.list", token=first["access_token"]))["usergroups"] == []


@pytest.mark.parametrize("slack", [with_token_rotation()], indirect=True, ids=["rotation"])
async def test_a_rotating_token_expires_and_its_refresh_token_works_once(
    slack: SlackSimulator, clock: ManualClock
) -> None:
    first = await install(slack)
    assert first["access_token"].startswith("xoxe.xoxb-1-")
    assert first["refresh_token"].startswith("xoxe-1-")
    assert first["expires_in"] == 43_200

    async def refreshed(token: str) -> Json:
        return await exchange(slack, grant_type="refresh_token", refresh_token=token)

    async def error(token: str) -> str | None:
        found: str | None = (await call_web_api(slack, "auth.test", token=token)).get("error")
        return found

    clock.now += 43_000
    second = await refreshed(first["refresh_token"])
    assert second["team"] == first["team"]
    assert second["access_token"] != first["access_token"]
    assert "authed_user" not in second
    # The previous one stays valid until it expires.
    assert [await error(item["access_token"]) for item in (first, second)] == [None, None]
    assert (await refreshed(first["refresh_token"]))["error"] == "invalid_refresh_token"
    clock.now += 200
    assert [await error(item["access_token"]) for item in (first, second)] == ["token_expired", None]
    slack.expire_tokens("T0ACME")
    assert await error(second["access_token"]) == "token_expired"
    third = await refreshed(second["refresh_token"])
    assert await error(third["access_token"]) is None
    slack.uninstall("T0ACME")
    assert await error(third["access_token"]) == "account_inactive"
    assert (await refreshed(third["refresh_token"]))["error"] == "invalid_refresh_token"


async def test_tokens_without_rotation_cannot_be_expired(slack: SlackSimulator) -> None:
    with pytest.raises(ValueError, match="tokens do not rotate"):
        slack.expire_tokens("T0SANDBOX")


async def test_a_revoked_token_is_refused(slack: SlackSimulator) -> None:
    token = (await install(slack))["access_token"]
    acme = slack.workspaces["T0ACME"]
    acme.users.invite("builds")
    assert (await call_web_api(slack, "auth.revoke", token=token, test="1"))["revoked"] is False
    assert (await call_web_api(slack, "auth.test", token=token))["ok"] is True
    assert (await call_web_api(slack, "auth.revoke", token=token))["revoked"] is True
    assert (await call_web_api(slack, "auth.test", token=token))["error"] == "token_revoked"
    assert acme.workspace.bot_user not in acme.workspace.find_channel("builds").members
    assert (await call_web_api(slack, "auth.test", token=BOT_TOKEN))["team_id"] == "T0SANDBOX"
    # Reinstalling returns a new one.
    assert (await install(slack))["access_token"] != token


async def test_an_uninstalled_app_gets_its_event_and_is_removed(tmp_path: Path) -> None:
    slack = await SlackSimulator(MANIFEST).start()
    acme = slack.add_workspace()
    async with run_distributed_app(slack, tmp_path) as visitor:
        await slack.install(visitor.install_url, team="T0ACME")
        bot = await visitor.store.async_find_bot(enterprise_id=None, team_id="T0ACME")
        assert bot is not None
        acme.users.invite("builds")
        slack.uninstall("T0ACME")
        assert (await call_web_api(slack, "auth.test", token=bot.bot_token or ""))[
            "error"
        ] == "account_inactive"
        gone = await visitor.wait_for("app_uninstalled")
        assert (gone["team_id"], "authorizations" in gone) == ("T0ACME", False)
        revoked = await visitor.wait_for("tokens_revoked")
        assert revoked["event"]["tokens"] == {"oauth": [], "bot": [acme.workspace.bot_user]}
        assert acme.workspace.bot_user not in acme.workspace.find_channel("builds").members
        with pytest.raises(InvalidInteraction, match="not a valid command"):
            await acme.users.command("emil", "builds", "/greet")
        with pytest.raises(InvalidInteraction, match="visitor is not installed in Acme"):
            await acme.users.shortcut("emil", "sign")
        with pytest.raises(KeyError):
            slack.uninstall("T0ACME")
        assert (await call_web_api(slack, "auth.test"))["ok"] is True
        assert slack.violations == []
    await slack.close()


GRID = Enterprise("E0GRID", "Grid Inc")


async def test_an_organisation_has_one_token_for_all_its_workspaces(tmp_path: Path) -> None:
    slack = await SlackSimulator(MANIFEST).start()
    east = slack.add_workspace("T0EAST", "East", enterprise=GRID)
    west = slack.add_workspace("T0WEST", "West", enterprise=GRID)
    slack.add_workspace()
    async with run_distributed_app(slack, tmp_path) as visitor:
        status, text = await slack.install(visitor.install_url, team="T0EAST", organisation=True)
        assert status == 200, text
        bot = await visitor.store.async_find_bot(
            enterprise_id="E0GRID", team_id=None, is_enterprise_install=True
        )
        assert bot is not None
        assert (bot.team_id, bot.enterprise_name, bot.is_enterprise_install) == (None, "Grid Inc", True)
        token = bot.bot_token or ""
        user = await call_web_api(slack, "auth.test", token=token)
        assert (user["team_id"], user["enterprise_id"], user["is_enterprise_install"]) == (
            "E0GRID",
            "E0GRID",
            True,
        )
        assert east.workspace.bot_user == west.workspace.bot_user == user["user_id"]

        # Events, commands and modals of both workspaces.
        for driver, installer in ((east, "dana"), (west, "emil")):
            driver.users.invite("builds")
            driver.users.say(installer, "builds", "@visitor!")
            await driver.wait_for_post("builds", "You called?")
            events = visitor.received.pop(0)
            assert (events["team_id"], events["enterprise_id"]) == (driver.workspace.team, "E0GRID")
            [authorization] = events["authorizations"]
            assert (authorization["team_id"], authorization["is_enterprise_install"]) == (None, True)
        await west.users.command("emil", "builds", "/greet")
        await west.wait_for_post("builds", "Hello @emil")
        typed = await visitor.wait_for("/greet")
        assert (typed["team_id"], typed["enterprise_id"], typed["is_enterprise_install"]) == (
            "T0WEST",
            "E0GRID",
            "true",
        )
        await west.users.shortcut("emil", "sign")
        await west.wait_for_modal("emil", "Sign")
        await west.users.submit("emil")
        sent = await visitor.wait_for("view_submission")
        assert (sent["team"], sent["user"]["team_id"], sent["view"]["team_id"]) == (None, "T0WEST", "T0WEST")
        assert (sent["enterprise"]["id"], sent["is_enterprise_install"]) == ("E0GRID", True)

        # A call names the workspace, or something in it.
        emil = west.workspace.find_user("emil").id
        assert (await call_web_api(slack, "users.info", token=token, user=emil))["user"][
            "team_id"
        ] == "T0WEST"
        assert (await call_web_api(slack, "usergroups.list", token=token))["error"] == "missing_argument"
        assert (await call_web_api(slack, "usergroups.list", token=token, team_id="T0WEST"))[
            "usergroups"
        ] == []
        assert (await call_web_api(slack, "usergroups.list", token=token, team_id="T0ACME"))[
            "error"
        ] == "team_access_not_granted"
        posted = await call_web_api(
            slack, "chat.postMessage", token=token, channel="C0WESTBUILDS", text="west"
        )
        assert posted["message"]["team"] == "T0WEST"
        for channel in ("C0BUILDS", "C0ACMEBUILDS"):
            refused = await call_web_api(slack, "chat.postMessage", token=token, channel=channel, text="x")
            assert refused["error"] == "channel_not_found"

        slack.uninstall("E0GRID")
        assert (await call_web_api(slack, "auth.test", token=token))["error"] == "account_inactive"
        gone = await visitor.wait_for("app_uninstalled")
        assert (gone["team_id"], gone["enterprise_id"]) == (None, "E0GRID")
    await slack.close()


async def test_only_organisation_admins_can_install_organisation_wide(slack: SlackSimulator) -> None:
    slack.add_workspace("T0EAST", "East", enterprise=GRID)
    refused = await allow(slack, team="E0GRID", person="emil")
    assert (refused["status"], "Only admins may install apps in all of Grid Inc" in refused["text"]) == (
        403,
        True,
    )
    response = await install(slack, team="E0GRID", person="dana")
    assert (response["team"], response["enterprise"], response["is_enterprise_install"]) == (
        None,
        {"id": "E0GRID", "name": "Grid Inc"},
        True,
    )


async def test_an_app_without_org_deploy_is_not_offered_to_organisations() -> None:
    manifest = deepcopy(MANIFEST)
    manifest["settings"]["org_deploy_enabled"] = False
    slack = await SlackSimulator(manifest).start()
    slack.redirect_urls = [REDIRECT_URL]
    slack.add_workspace("T0EAST", "East", enterprise=GRID)
    async with (
        aiohttp.ClientSession() as session,
        session.get(installation_url(slack, team="E0GRID")) as page,
    ):
        assert "Unknown workspace E0GRID" in await page.text()
    response = await install(slack, team="T0EAST")
    assert (response["team"]["id"], response["enterprise"]["id"], response["is_enterprise_install"]) == (
        "T0EAST",
        "E0GRID",
        False,
    )
    await slack.close()
