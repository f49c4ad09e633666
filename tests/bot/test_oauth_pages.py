"""Sign-in on Build.io's page: its code works once, for a limited time and for the user who started it; token refresh."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from providers.buildio.deploys.actions import DeployAction
from providers.buildio.processes.actions import RestartAction
from tests.services.actions.action_harness import ActionHarness, action_harness, as_bot_app

_CODE = re.compile(r"[2-9A-Z]{4}(?:-[2-9A-Z]{4}){3}")


@pytest.fixture
async def actions(tmp_path: Path) -> AsyncIterator[ActionHarness]:
    async with action_harness(tmp_path, public=True) as opened:
        yield opened


async def start_sign_in(actions: ActionHarness, person: str = "anna") -> str:
    """Open the dialog, and return the link of its button."""
    opened = await actions.open_connect_modal(person)
    [url] = [block["accessory"]["url"] for block in opened.view["blocks"] if "accessory" in block]
    return str(url)


async def authorize(actions: ActionHarness, person: str = "anna") -> None:
    status, text = await actions.harness.buildio.give_consent(
        await start_sign_in(actions, person), user=person
    )
    assert status == 200, text
    await actions.harness.users.submit(person, {"token": code_in(text)})
    await actions.harness.slack.wait_for_modal(person, "Connected to Build.io as")
    await actions.harness.users.close_modal(person)


def code_in(text: str) -> str:
    [code] = _CODE.findall(text)
    return str(code)


def tokens_of(actions: ActionHarness, username: str = "anna-berg") -> list[str]:
    members = actions.harness.buildio.members
    return [token for token in members[username].tokens if token.startswith("bld_oauth")]


async def test_the_user_who_started_enters_the_code_and_is_connected(actions: ActionHarness) -> None:
    await authorize(actions)
    assert "Connected to Build.io as `anna-berg@acme.example`" in await actions.who_am_i()
    await actions.request(DeployAction(app=as_bot_app(actions.harness.buildio.staging), branch="main"))
    await actions.wait_for_message("started deploying", None)
    assert actions.harness.buildio.staging.deployment is not None
    [token] = tokens_of(actions)
    await actions.harness.stop_bot()
    assert token.encode() not in actions.harness.stored_bytes()
    assert b"bld_refresh" not in actions.harness.stored_bytes()


async def test_the_page_shows_the_account_and_no_token_and_connects_nothing_yet(
    actions: ActionHarness,
) -> None:
    status, text = await actions.harness.buildio.give_consent(await start_sign_in(actions))
    assert status == 200
    assert "anna-berg@acme.example" in text
    assert tokens_of(actions)[0] not in text
    assert "You have no connected" in await actions.who_am_i(), (
        "nothing is connected before the code is entered"
    )


async def test_a_code_from_another_users_link_connects_nobody(actions: ActionHarness) -> None:
    link = await start_sign_in(actions, "anna")
    _, text = await actions.harness.buildio.give_consent(link, user="ben")
    assert "You are ben-okafor@acme.example" in text
    code = code_in(text)
    await actions.open_connect_modal("ben")
    await actions.harness.users.submit("ben", {"token": code})
    opened = actions.harness.users.modal("ben")
    assert opened is not None
    assert "This code isn't valid" in opened.errors["token"]
    assert "You have no connected" in await actions.who_am_i("anna")
    assert "You have no connected" in await actions.who_am_i("ben")


async def test_a_code_and_a_state_work_once(actions: ActionHarness) -> None:
    link = await start_sign_in(actions)
    _, text = await actions.harness.buildio.give_consent(link)
    status, again = await actions.harness.buildio.give_consent(link)
    assert (status, "Start again in Slack" in again) == (400, True)
    for expected in ("uses your own token", "This code isn't valid"):
        await actions.harness.users.submit("anna", {"token": code_in(text)})
        opened = actions.harness.users.modal("anna")
        assert opened is not None
        assert expected in str(opened.view) + str(opened.errors)
        await actions.harness.users.close_modal("anna")
        await actions.open_connect_modal("anna")


async def test_an_expired_sign_in_must_be_started_again(actions: ActionHarness) -> None:
    link = await start_sign_in(actions)
    await actions.harness.execute("UPDATE sign_ins SET expires_at = '2026-01-01T00:00:00.000000+00:00'")
    status, text = await actions.harness.buildio.give_consent(link)
    assert status == 400
    assert "has expired" in text


async def test_a_forged_state_is_refused(actions: ActionHarness) -> None:
    base = (await start_sign_in(actions)).partition("?")[0]
    redirect_url = base.replace("connect", "oauth_redirect")
    async with aiohttp.ClientSession() as session:
        for url in (
            base,
            f"{base}?state=made-up",
            f"{redirect_url}?state=made-up&code=x",
            f"{redirect_url}?state=a&state=b&code=x",
            f"{redirect_url}?code=x",
        ):
            async with session.get(url, allow_redirects=False) as answer:
                assert answer.status == 400, url
                assert answer.headers["Cache-Control"] == "no-store"
                assert "Start again" in await answer.text()
        async with session.head(base) as answer:
            assert answer.status == 405


async def test_denied_consent_connects_nothing_and_ends_the_sign_in(actions: ActionHarness) -> None:
    link = await start_sign_in(actions)
    status, text = await actions.harness.buildio.give_consent(link, press="Deny")
    assert (status, "No account was connected" in text) == (200, True)
    status, _ = await actions.harness.buildio.give_consent(link)
    assert status == 400


async def test_a_user_who_leaves_meanwhile_is_not_connected(actions: ActionHarness) -> None:
    link = await start_sign_in(actions, "ben")
    actions.harness.users.deactivate("ben")
    await actions.harness.wait_until(lambda: "sign_ins" not in actions.harness.count_rows_with("U0BEN"))
    status, _ = await actions.harness.buildio.give_consent(link, user="ben")
    assert status == 400


async def test_an_expired_token_is_refreshed_once_for_concurrent_requests(actions: ActionHarness) -> None:
    await authorize(actions)
    before = tokens_of(actions)
    actions.harness.buildio.oauth_grants.expire(actions.harness.buildio.members["anna-berg"])
    app = as_bot_app(actions.harness.buildio.staging)
    await asyncio.gather(*(actions.request(RestartAction(app=app, dyno="web.1")) for _ in range(5)))
    assert len(actions.harness.messages_with("restarted")) == 5
    requests = [request for request in actions.harness.buildio.requests if request.path == "/oauth/token"]
    assert len(requests) == 3, "one at the start, one for the code, one to refresh"
    assert set(tokens_of(actions)).isdisjoint(before)
    await actions.harness.stop_bot()
    await actions.harness.start_bot()
    await actions.request(RestartAction(app=app, dyno="web.1"))
    assert len(actions.harness.messages_with("restarted")) == 6


async def test_a_refused_refresh_disables_the_account_and_notifies_its_owner_once(
    actions: ActionHarness,
) -> None:
    await authorize(actions)
    actions.harness.buildio.oauth_grants.revoke_all(actions.harness.buildio.members["anna-berg"])
    for _ in range(2):
        await actions.request(RestartAction(app=as_bot_app(actions.harness.buildio.staging)))
    await actions.wait_for_message("Build.io rejected your token", "anna", "D0ANNA")
    requests = [
        post
        for post in actions.harness.slack.posts("D0ANNA")
        if "Until you reconnect" in actions.harness.message_text(post)
    ]
    assert len(requests) == 1
    await authorize(actions)
    await actions.request(RestartAction(app=as_bot_app(actions.harness.buildio.staging)))
    await actions.wait_for_message("restarted", None)


async def test_a_failed_refresh_request_changes_nothing(actions: ActionHarness) -> None:
    await authorize(actions)
    actions.harness.buildio.oauth_grants.expire(actions.harness.buildio.members["anna-berg"])
    actions.harness.buildio.fault("POST /oauth/token", "status", status=503)
    await actions.request(RestartAction(app=as_bot_app(actions.harness.buildio.staging)))
    assert "uses your own token" in await actions.who_am_i()
    assert actions.harness.messages_with("restarted") == []
