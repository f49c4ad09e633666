"""People's own accounts: linked by a modal, used for everything they do, wiped when they say so or leave."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.app import utc_now
from handlers.renewing import ASKED_AGAIN
from sandbox.bitrise import ANNA_TOKEN, BEN_TOKEN, CARLA_TOKEN, TESTER_TOKEN, TOKEN
from tests.town import Town, open_town


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with open_town(tmp_path, seconds={"sight_seconds": 0.2}, service_token_acts="0") as opened:
        yield opened


async def link(town: Town, token: str, *, person: str = "anna") -> None:
    await town.people.command(person, "builds", "/bitrise connect")
    await town.slack.wait_for_modal(person, "Personal access token")
    await town.people.submit(person, {"token": token})


async def test_a_token_is_checked_at_once_shown_back_as_a_name_and_never_echoed(town: Town) -> None:
    await link(town, ANNA_TOKEN)
    shown = await town.slack.wait_for_modal("anna", "You are anna-berg at Bitrise")
    assert ANNA_TOKEN not in str(shown.view)
    assert len(town.slack.workspace.views["U0ANNA"]) == 1, "the modal with the token in it is still there"
    await town.ask("/bitrise whoami", "at Bitrise `anna-berg`. I see and do there what you may")
    assert town.slack.violations == []


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("bitpat_of-nobody-0000000000", "Bitrise does not take this token"),
        ("two words", "This is no token"),
        ("kürzlich-erfunden", "This is no token"),
        (TOKEN, "This is my own token"),
    ],
)
async def test_a_token_that_will_not_do_is_refused_at_its_field(town: Town, token: str, said: str) -> None:
    await link(town, token)
    opened = town.people.modal("anna")
    assert opened is not None
    assert said in opened.errors["token"]
    assert token not in opened.errors["token"]
    await town.people.close_modal("anna")
    await town.ask("/bitrise whoami", "have not linked an account")


async def test_a_token_that_bitrise_is_slow_to_judge_is_not_put_back_into_the_field(town: Town) -> None:
    town.bitrise.fault("GET /v0.1/me", "slow", seconds=2.2)
    town.bitrise.fault("GET /v0.1/me", "status", status=401)
    await town.people.command("anna", "builds", "/bitrise connect")
    await town.slack.wait_for_modal("anna", "Personal access token")
    await town.people.submit("anna", {"token": "bitpat_of-nobody-0000000000"})
    opened = await town.slack.wait_for_modal("anna", "does not take this token")
    assert "bitpat_of-nobody" not in str(opened.view)


async def test_without_a_key_nobody_can_link_and_is_told_why(tmp_path: Path) -> None:
    async with open_town(tmp_path, service_token_acts="0", buildbell_secret_key="") as town:
        await town.ask("/bitrise connect", "BUILDBELL_SECRET_KEY")


async def test_a_token_that_was_typed_is_neither_said_again_nor_kept(town: Town) -> None:
    said = await town.ask(f"/bitrise connect {ANNA_TOKEN}", "revoke it at Bitrise now")
    assert ANNA_TOKEN not in town.words(said)
    said = await town.ask(f"/bitrise status {BEN_TOKEN}", "")
    assert BEN_TOKEN not in town.words(said)
    assert ANNA_TOKEN.encode() not in town.kept()


async def test_what_somebody_does_is_done_with_their_own_token(town: Town) -> None:
    await town.connect("ben")
    await town.ask("/bitrise trigger android branch:main", "ben started Sample Android #1", person="ben")
    await town.ask("/bitrise abort android #1 wrong", "aborted Sample Android #1", person="ben")
    [build] = town.bitrise.farm.builds
    assert build.triggered_by == "manual-ben-okafor"
    assert build.abort_reason == "User ben-okafor requested to abort this build with reason: wrong"
    changes = [one for one in town.bitrise.requests if one.method != "GET"]
    assert {one.member for one in changes} == {"ben-okafor"}


async def test_the_bots_own_token_changes_nothing_for_anybody(town: Town) -> None:
    build = town.bitrise.start_build(town.bitrise.android)
    await town.connect("anna")
    await town.ask("/bitrise subscribe android", "subscribed")
    for words in (
        "abort android #1",
        "trigger android branch:main",
        "rebuild android #1",
        "subscribe android status:failed",
    ):
        await town.ask(f"/bitrise {words}", "/bitrise connect", person="carla")
    assert build.result is None
    assert [one for one in town.bitrise.requests if one.method != "GET"] == []


async def test_somebody_sees_what_their_own_account_sees(town: Town) -> None:
    await town.connect("anna", "ben", "carla")
    await town.ask("/bitrise apps", "3 apps")
    await town.ask("/bitrise apps", "2 apps", person="ben")
    await town.ask("/bitrise status web", "I don't know an app called web", person="ben")
    listed = await town.ask("/bitrise apps", "1 app", person="carla")
    assert "Sample iOS" not in town.words(listed)


async def test_what_a_role_does_not_allow_bitrise_refuses(town: Town) -> None:
    await town.connect("carla")
    build = town.bitrise.start_build(town.bitrise.android)
    town.bitrise.run(build)
    await town.ask("/bitrise abort android #1", "no right to do this", person="carla")
    said = "Your account has no right to do this at Bitrise. Whoever manages it there can give you a role"
    await town.ask("/bitrise log android #1", said, person="carla")
    assert build.result is None


async def test_without_an_account_one_sees_what_the_channel_follows_and_no_logs(town: Town) -> None:
    await town.connect("anna")
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.android))
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.web))
    await town.ask("/bitrise build android #1", "only what this channel follows", person="carla")
    await town.ask("/bitrise subscribe android", "subscribed")
    card = await town.ask("/bitrise build android #1", "Sample Android #1 succeeded", person="carla")
    await town.press(card, "Log", "/bitrise connect", person="carla")
    listed = await town.press(card, "Artifacts", "sample-android.apk", person="carla")
    await town.press(listed, "Get link", "/bitrise connect", person="carla")
    await town.ask("/bitrise build web #1", "only what this channel follows", person="carla")
    await town.ask("/bitrise yml android", "/bitrise connect", person="carla")
    await town.ask("/bitrise mine", "None of the last", person="carla")


async def test_disconnecting_wipes_the_token_and_stops_what_showed_it(town: Town) -> None:
    await town.connect("ben")
    await town.ask("/bitrise subscribe ios", "subscribed", person="ben")
    await town.disconnect("ben")
    await town.told("the one who made it has unlinked their account", person=None)
    await town.ask("/bitrise subscriptions", "can't see the app any more, or has unlinked their account")
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.ios))
    await town.looked()
    assert town.telling("Sample iOS #1") == []
    await town.ask("/bitrise disconnect", "nothing to wipe", person="ben")
    rows = await town.rows("SELECT * FROM accounts")
    assert rows == []


async def test_a_token_that_works_no_longer_asks_its_owner_once(town: Town) -> None:
    await town.connect("ben")
    town.bitrise.revoke(BEN_TOKEN)
    for _ in range(3):
        await town.ask("/bitrise trigger android branch:main", "does not", person="ben")
    await town.told("Bitrise does not take your token any more", person="ben", channel="D0BEN")
    await town.ask("/bitrise whoami", "does not take your token any more", person="ben")
    asked = [post for post in town.slack.posts("D0BEN") if "I say this once" in town.words(post)]
    assert len(asked) == 1
    town.bitrise.members["ben-okafor"].tokens.append(BEN_TOKEN)
    await town.connect("ben")
    await town.ask("/bitrise trigger android branch:main", "ben started", person="ben")


async def test_whoever_leaves_the_workspace_loses_their_account_here(town: Town) -> None:
    await town.connect("anna", "ben")
    await town.ask("/bitrise subscribe ios", "subscribed", person="ben")
    town.people.leave("ben")
    await town.told("the one who made it has unlinked their account, or has left", person="anna")
    assert await town.rows("SELECT user_id FROM accounts") == [("U0ANNA",)]


async def test_the_name_at_bitrise_is_known_from_the_account(town: Town) -> None:
    await town.people.command("carla", "builds", "/bitrise me name:ben-okafor")
    await town.told("The builds of `ben-okafor` are yours", person="carla")
    await town.connect("ben")
    await town.ask("/bitrise me", "The builds of `ben-okafor` are yours", person="ben")
    await town.ask("/bitrise me", "I don't know your name", person="carla")


async def test_accounts_outlive_a_restart_and_are_lost_with_the_key(town: Town) -> None:
    await town.connect("ben")
    await town.stop_bot()
    await town.start_bot()
    await town.ask("/bitrise trigger android branch:main", "ben started", person="ben")
    await town.stop_bot()
    town._more = {**town._more, "buildbell_secret_key": "another-key-that-opens-nothing-at-all"}
    await town.start_bot()
    await town.ask("/bitrise trigger android branch:main", "I can't open your token any more", person="ben")


async def test_a_workspace_token_is_no_persons(town: Town) -> None:
    town.bitrise.fault("GET /v0.1/me", "status", status=403)
    await link(town, TESTER_TOKEN)
    opened = town.people.modal("anna")
    assert opened is not None
    assert "does not take this token" in opened.errors["token"]


async def test_a_persons_home_shows_what_they_may_see(town: Town) -> None:
    await town.connect("ben")
    for app in (town.bitrise.android, town.bitrise.web):
        town.bitrise.run(town.bitrise.start_build(app))

    def home(person: str) -> str:
        return str(town.slack.workspace.homes.get(town.slack.workspace.person(person).id))

    for person in ("ben", "carla"):
        town.people.open_home(person)
    await town.until(lambda: "Sample Android" in home("ben") and "Running now" in home("carla"))
    assert "Web Shop" not in home("ben")
    assert "Sample Android #1" not in home("carla")
    assert CARLA_TOKEN not in home("carla")


async def test_a_hiccup_of_bitrises_locks_nobody_out_and_what_hangs_on_it_goes_on(tmp_path: Path) -> None:
    later = timedelta()

    def now() -> datetime:
        return utc_now() + later

    async with open_town(tmp_path, seconds={"sight_seconds": 0.2}, now=now, service_token_acts="0") as town:
        await town.connect("ben")
        await town.ask("/bitrise use android", "is this channel's app now", person="ben")
        await town.ask("/bitrise subscribe android", "subscribed", person="ben")
        # One refusal is asked about, and what was refused is asked for again.
        town.bitrise.fault("POST *", "status", status=401)
        await town.ask("/bitrise trigger branch:main", "ben started Sample Android #1", person="ben")
        assert [one.status for one in town.bitrise.requests if one.method == "POST"] == [401, 201]
        # Several are believed; whose token it is and what to do is said in the same words everywhere.
        town.bitrise.revoke(BEN_TOKEN)
        said = "Bitrise does not take your token any more. Link your account again with `/bitrise connect`"
        for words in ("trigger branch:main", "log #1", "status web"):
            await town.ask(f"/bitrise {words}", said, person="ben")
        await town.told("your next command checks the token again", person="ben", channel="D0BEN")
        assert town.telling("I can't see this channel's app any more") == []
        town.bitrise.members["ben-okafor"].tokens.append(BEN_TOKEN)
        later += ASKED_AGAIN
        await town.ask("/bitrise trigger branch:main", "ben started Sample Android #2", person="ben")
        assert await town.rows("SELECT broken_at FROM accounts") == [(None,)]
        assert set(await town.rows("SELECT stopped_reason, unseen_at FROM subscriptions")) == {(None, None)}
