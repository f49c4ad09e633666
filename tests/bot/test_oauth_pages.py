"""Signing in on Build.io's own page: a code brings it home, to whoever began, once, and soon; then it is renewed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from providers.buildio.actions import DeployAction, RestartAction
from tests.services.actions.action_harness import ActionHarness, action_harness, as_bot_app

_CODE = re.compile(r"[2-9A-Z]{4}(?:-[2-9A-Z]{4}){3}")


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[ActionHarness]:
    async with action_harness(tmp_path, public=True) as opened:
        yield opened


async def begin(place: ActionHarness, person: str = "anna") -> str:
    """The address of the button in the dialog."""
    opened = await place.open_connect_modal(person)
    [url] = [block["accessory"]["url"] for block in opened.view["blocks"] if "accessory" in block]
    return str(url)


async def authorize(place: ActionHarness, person: str = "anna") -> None:
    status, text = await place.harness.buildio.give_consent(await begin(place, person), user=person)
    assert status == 200, text
    await place.harness.users.submit(person, {"token": code_in(text)})
    await place.harness.slack.wait_for_modal(person, "at Build.io. From now on")
    await place.harness.users.close_modal(person)


def code_in(text: str) -> str:
    [code] = _CODE.findall(text)
    return str(code)


def tokens_of(place: ActionHarness, username: str = "anna-berg") -> list[str]:
    members = place.harness.buildio.members
    return [token for token in members[username].tokens if token.startswith("bld_oauth")]


async def test_whoever_began_brings_the_code_and_is_linked(place: ActionHarness) -> None:
    await authorize(place)
    assert "at Build.io `anna-berg@acme.example`" in await place.who_am_i()
    await place.request(DeployAction(app=as_bot_app(place.harness.buildio.staging), branch="main"))
    await place.wait_for_message("deploys", None)
    assert place.harness.buildio.staging.deployment is not None
    [token] = tokens_of(place)
    await place.harness.stop_bot()
    assert token.encode() not in place.harness.stored_bytes()
    assert b"bld_refresh" not in place.harness.stored_bytes()


async def test_the_page_says_who_they_are_and_keeps_its_code_to_itself(place: ActionHarness) -> None:
    status, text = await place.harness.buildio.give_consent(await begin(place))
    assert status == 200
    assert "You are anna-berg@acme.example at Build.io" in text
    assert tokens_of(place)[0] not in text
    assert "have not linked" in await place.who_am_i(), "nothing is linked before the code is brought"


async def test_whoever_is_sent_anothers_link_gives_nothing_away(place: ActionHarness) -> None:
    link = await begin(place, "anna")
    _, text = await place.harness.buildio.give_consent(link, user="ben")
    assert "You are ben-okafor@acme.example" in text
    code = code_in(text)
    await place.open_connect_modal("ben")
    await place.harness.users.submit("ben", {"token": code})
    opened = place.harness.users.modal("ben")
    assert opened is not None
    assert "This code is none of yours" in opened.errors["token"]
    assert "have not linked" in await place.who_am_i("anna")
    assert "have not linked" in await place.who_am_i("ben")


async def test_a_code_and_a_state_are_good_once(place: ActionHarness) -> None:
    link = await begin(place)
    _, text = await place.harness.buildio.give_consent(link)
    status, again = await place.harness.buildio.give_consent(link)
    assert (status, "Please start again in Slack" in again) == (400, True)
    for expected in ("with your own token", "none of yours"):
        await place.harness.users.submit("anna", {"token": code_in(text)})
        opened = place.harness.users.modal("anna")
        assert opened is not None
        assert expected in str(opened.view) + str(opened.errors)
        await place.harness.users.close_modal("anna")
        await place.open_connect_modal("anna")


async def test_what_takes_too_long_is_begun_again(place: ActionHarness) -> None:
    link = await begin(place)
    await place.harness.execute("UPDATE sign_ins SET expires_at = '2026-01-01T00:00:00.000000+00:00'")
    status, text = await place.harness.buildio.give_consent(link)
    assert status == 400
    assert "has expired" in text


async def test_a_state_that_was_made_up_leads_nowhere(place: ActionHarness) -> None:
    base = (await begin(place)).partition("?")[0]
    back = base.replace("connect", "oauth_redirect")
    async with aiohttp.ClientSession() as session:
        for url in (
            base,
            f"{base}?state=made-up",
            f"{back}?state=made-up&code=x",
            f"{back}?state=a&state=b&code=x",
            f"{back}?code=x",
        ):
            async with session.get(url, allow_redirects=False) as answer:
                assert answer.status == 400, url
                assert answer.headers["Cache-Control"] == "no-store"
                assert "start again" in await answer.text()
        async with session.head(base) as answer:
            assert answer.status == 405


async def test_a_no_on_build_ios_page_links_nothing_and_ends_it(place: ActionHarness) -> None:
    link = await begin(place)
    status, text = await place.harness.buildio.give_consent(link, press="Deny")
    assert (status, "No account was connected" in text) == (200, True)
    status, _ = await place.harness.buildio.give_consent(link)
    assert status == 400


async def test_whoever_leaves_meanwhile_is_not_linked(place: ActionHarness) -> None:
    link = await begin(place, "ben")
    place.harness.users.deactivate("ben")
    await place.harness.wait_until(lambda: "sign_ins" not in place.harness.count_rows_with("U0BEN"))
    status, _ = await place.harness.buildio.give_consent(link, user="ben")
    assert status == 400


async def test_a_token_that_has_ended_is_renewed_once_for_all_who_ask_at_once(place: ActionHarness) -> None:
    await authorize(place)
    before = tokens_of(place)
    place.harness.buildio.oauth_grants.expire(place.harness.buildio.members["anna-berg"])
    app = as_bot_app(place.harness.buildio.staging)
    await asyncio.gather(*(place.request(RestartAction(app=app, dyno="web.1")) for _ in range(5)))
    assert len(place.harness.messages_with("restarted")) == 5
    asked = [one for one in place.harness.buildio.requests if one.path == "/oauth/token"]
    assert len(asked) == 3, "one at the start, one for the code, one to renew"
    assert set(tokens_of(place)).isdisjoint(before)
    await place.harness.stop_bot()
    await place.harness.start_bot()
    await place.request(RestartAction(app=app, dyno="web.1"))
    assert len(place.harness.messages_with("restarted")) == 6


async def test_a_renewal_that_is_refused_breaks_the_account_and_asks_its_owner_once(
    place: ActionHarness,
) -> None:
    await authorize(place)
    place.harness.buildio.oauth_grants.revoke_all(place.harness.buildio.members["anna-berg"])
    for _ in range(2):
        await place.request(RestartAction(app=as_bot_app(place.harness.buildio.staging)))
    await place.wait_for_message("Build.io does not take your token any more", "anna", "D0ANNA")
    asked = [
        one
        for one in place.harness.slack.posts("D0ANNA")
        if "I say this once" in place.harness.message_text(one)
    ]
    assert len(asked) == 1
    await authorize(place)
    await place.request(RestartAction(app=as_bot_app(place.harness.buildio.staging)))
    await place.wait_for_message("restarted", None)


async def test_a_renewal_that_can_not_be_asked_for_breaks_nothing(place: ActionHarness) -> None:
    await authorize(place)
    place.harness.buildio.oauth_grants.expire(place.harness.buildio.members["anna-berg"])
    place.harness.buildio.fault("POST /oauth/token", "status", status=503)
    await place.request(RestartAction(app=as_bot_app(place.harness.buildio.staging)))
    assert "I see and do there what you may" in await place.who_am_i()
    assert place.harness.messages_with("restarted") == []
