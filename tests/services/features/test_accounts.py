"""Users' own accounts: linked by a form, used for all their actions, deleted on request or when they leave."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.app import utc_now
from sandbox.bitrise.members import ANNA_TOKEN, BEN_TOKEN, CARLA_TOKEN, TESTER_TOKEN, TOKEN
from services.accounts.token_refresh import ASKED_AGAIN
from tests.support.bot_harness import BotHarness, bot_harness


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    async with bot_harness(tmp_path, seconds={"access_check_seconds": 0.2}, service_token_acts="0") as opened:
        yield opened


async def submit_token(harness: BotHarness, token: str, *, person: str = "anna") -> None:
    await harness.users.command(person, "builds", "/bitrise connect")
    await harness.slack.wait_for_modal(person, "Personal access token")
    await harness.users.submit(person, {"token": token})


async def test_a_token_is_checked_at_once_and_never_shown_again(harness: BotHarness) -> None:
    await submit_token(harness, ANNA_TOKEN)
    shown = await harness.slack.wait_for_modal("anna", "Connected to Bitrise as anna-berg")
    assert ANNA_TOKEN not in str(shown.view)
    assert len(harness.slack.workspace.views["U0ANNA"]) == 1, "the modal with the token in it is still there"
    await harness.ask(
        "/bitrise whoami", "Connected to Bitrise as `anna-berg`. What you see and do here uses your own token"
    )
    assert harness.slack.violations == []


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("bitpat_of-nobody-0000000000", "Bitrise rejected this token"),
        ("two words", "This isn't a valid token"),
        ("kürzlich-erfunden", "This isn't a valid token"),
        (TOKEN, "This is Buildbell's own token"),
    ],
)
async def test_an_invalid_token_is_refused_at_its_field(harness: BotHarness, token: str, said: str) -> None:
    await submit_token(harness, token)
    opened = harness.users.modal("anna")
    assert opened is not None
    assert said in opened.errors["token"]
    assert token not in opened.errors["token"]
    await harness.users.close_modal("anna")
    await harness.ask("/bitrise whoami", "You have no connected Bitrise account")


async def test_a_refused_token_is_not_put_back_into_the_field_after_a_slow_check(
    harness: BotHarness,
) -> None:
    harness.bitrise.fault("GET /v0.1/me", "slow", seconds=2.2)
    harness.bitrise.fault("GET /v0.1/me", "status", status=401)
    await harness.users.command("anna", "builds", "/bitrise connect")
    await harness.slack.wait_for_modal("anna", "Personal access token")
    await harness.users.submit("anna", {"token": "bitpat_of-nobody-0000000000"})
    opened = await harness.slack.wait_for_modal("anna", "rejected this token")
    assert "bitpat_of-nobody" not in str(opened.view)


async def test_without_an_encryption_key_linking_is_refused_with_the_reason(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, service_token_acts="0", buildbell_secret_key="") as harness:
        await harness.ask("/bitrise connect", "BUILDBELL_SECRET_KEY")


async def test_a_token_typed_in_a_command_is_neither_repeated_nor_stored(harness: BotHarness) -> None:
    said = await harness.ask(f"/bitrise connect {ANNA_TOKEN}", "Revoke it at Bitrise now")
    assert ANNA_TOKEN not in harness.message_text(said)
    said = await harness.ask(f"/bitrise status {BEN_TOKEN}", "")
    assert BEN_TOKEN not in harness.message_text(said)
    assert ANNA_TOKEN.encode() not in harness.stored_bytes()


async def test_a_users_actions_run_with_their_own_token(harness: BotHarness) -> None:
    await harness.connect("ben")
    await harness.ask("/bitrise trigger android branch:main", "ben started Sample Android #1", person="ben")
    await harness.ask("/bitrise abort android #1 wrong", "aborted Sample Android #1", person="ben")
    [build] = harness.bitrise.state.builds
    assert build.triggered_by == "manual-ben-okafor"
    assert build.abort_reason == "User ben-okafor requested to abort this build with reason: wrong"
    changes = [request for request in harness.bitrise.requests if request.method != "GET"]
    assert {request.member for request in changes} == {"ben-okafor"}


async def test_the_service_token_changes_nothing_for_users(harness: BotHarness) -> None:
    build = harness.bitrise.start_build(harness.bitrise.android)
    await harness.connect("anna")
    await harness.ask("/bitrise subscribe android", "subscribed")
    for words in (
        "abort android #1",
        "trigger android branch:main",
        "rebuild android #1",
        "subscribe android status:failed",
    ):
        await harness.ask(f"/bitrise {words}", "/bitrise connect", person="carla")
    assert build.result is None
    assert [request for request in harness.bitrise.requests if request.method != "GET"] == []


async def test_a_user_sees_what_their_own_account_sees(harness: BotHarness) -> None:
    await harness.connect("anna", "ben", "carla")
    await harness.ask("/bitrise apps", "3 apps")
    await harness.ask("/bitrise apps", "2 apps", person="ben")
    await harness.ask("/bitrise status web", "No app named `web`", person="ben")
    listed = await harness.ask("/bitrise apps", "1 app", person="carla")
    assert "Sample iOS" not in harness.message_text(listed)


async def test_bitrise_refuses_what_a_role_does_not_allow(harness: BotHarness) -> None:
    await harness.connect("carla")
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.start_running(build)
    await harness.ask("/bitrise abort android #1", "Bitrise account isn't allowed to do this", person="carla")
    said = "Your Bitrise account isn't allowed to do this. Whoever manages it there can give you a role"
    await harness.ask("/bitrise log android #1", said, person="carla")
    assert build.result is None


async def test_a_user_without_an_account_sees_the_channels_apps_but_no_logs(harness: BotHarness) -> None:
    await harness.connect("anna")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.web))
    await harness.ask("/bitrise build android #1", "apps that this channel subscribes to", person="carla")
    await harness.ask("/bitrise subscribe android", "subscribed")
    card = await harness.ask("/bitrise build android #1", "Sample Android #1 passed", person="carla")
    await harness.press(card, "View log", "/bitrise connect", person="carla")
    listed = await harness.press(card, "View artifacts", "sample-android.apk", person="carla")
    await harness.press(listed, "Get link", "/bitrise connect", person="carla")
    await harness.ask("/bitrise build web #1", "apps that this channel subscribes to", person="carla")
    await harness.ask("/bitrise yml android", "/bitrise connect", person="carla")
    await harness.ask("/bitrise mine", "You have no recent builds", person="carla")


async def test_disconnecting_deletes_the_token_and_stops_its_subscriptions(harness: BotHarness) -> None:
    await harness.connect("ben")
    await harness.ask("/bitrise subscribe ios", "subscribed", person="ben")
    await harness.disconnect("ben")
    await harness.wait_for_message("The person who added this disconnected their account", person=None)
    await harness.ask("/bitrise subscriptions", "can't see the app any more, or disconnected their account")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios))
    await harness.wait_for_poll()
    assert harness.messages_with("Sample iOS #1") == []
    await harness.ask("/bitrise disconnect", "You have no connected Bitrise account", person="ben")
    rows = await harness.rows("SELECT * FROM accounts")
    assert rows == []


async def test_the_owner_of_a_refused_token_is_notified_once(harness: BotHarness) -> None:
    await harness.connect("ben")
    harness.bitrise.revoke(BEN_TOKEN)
    for _ in range(3):
        await harness.ask("/bitrise trigger android branch:main", "rejected your token", person="ben")
    await harness.wait_for_message("Bitrise rejected your token", person="ben", channel="D0BEN")
    await harness.ask("/bitrise whoami", "rejected your token", person="ben")
    posts = [
        post for post in harness.slack.posts("D0BEN") if "Until you reconnect" in harness.message_text(post)
    ]
    assert len(posts) == 1
    harness.bitrise.members["ben-okafor"].tokens.append(BEN_TOKEN)
    await harness.connect("ben")
    await harness.ask("/bitrise trigger android branch:main", "ben started", person="ben")


async def test_a_user_who_leaves_the_workspace_loses_their_account(harness: BotHarness) -> None:
    await harness.connect("anna", "ben")
    await harness.ask("/bitrise subscribe ios", "subscribed", person="ben")
    harness.users.deactivate("ben")
    await harness.wait_for_message(
        "The person who added this disconnected their account, or left", person="anna"
    )
    assert await harness.rows("SELECT user_id FROM accounts") == [("U0ANNA",)]


async def test_the_name_at_bitrise_comes_from_the_account(harness: BotHarness) -> None:
    await harness.users.command("carla", "builds", "/bitrise me name:ben-okafor")
    await harness.wait_for_message("Your builds: by `ben-okafor`", person="carla")
    await harness.connect("ben")
    await harness.ask("/bitrise me", "Your builds: by `ben-okafor`", person="ben")
    await harness.ask("/bitrise me", "name isn't set", person="carla")


async def test_accounts_survive_a_restart_and_are_lost_with_the_key(harness: BotHarness) -> None:
    await harness.connect("ben")
    await harness.stop_bot()
    await harness.start_bot()
    await harness.ask("/bitrise trigger android branch:main", "ben started", person="ben")
    await harness.stop_bot()
    harness._extra_settings = {
        **harness._extra_settings,
        "buildbell_secret_key": "another-key-that-opens-nothing-at-all",
    }
    await harness.start_bot()
    await harness.ask(
        "/bitrise trigger android branch:main", "Your stored token can't be decrypted any more", person="ben"
    )


async def test_a_workspace_token_is_refused(harness: BotHarness) -> None:
    harness.bitrise.fault("GET /v0.1/me", "status", status=403)
    await submit_token(harness, TESTER_TOKEN)
    opened = harness.users.modal("anna")
    assert opened is not None
    assert "rejected this token" in opened.errors["token"]


async def test_home_shows_what_the_user_may_see(harness: BotHarness) -> None:
    await harness.connect("ben")
    for app in (harness.bitrise.android, harness.bitrise.web):
        harness.bitrise.start_running(harness.bitrise.start_build(app))

    def home(person: str) -> str:
        return str(harness.slack.workspace.homes.get(harness.slack.workspace.find_user(person).id))

    for person in ("ben", "carla"):
        harness.users.open_home(person)
    await harness.wait_until(lambda: "Sample Android" in home("ben") and "Running now" in home("carla"))
    assert "Web Shop" not in home("ben")
    assert "Sample Android #1" not in home("carla")
    assert CARLA_TOKEN not in home("carla")
    # A Home that is still open shows the account as it is now.
    linked = "Connected as `ben-okafor`"
    assert linked in home("ben")
    await harness.disconnect("ben")
    await harness.wait_until(lambda: linked not in home("ben"))
    await harness.connect("ben")
    await harness.wait_until(lambda: linked in home("ben"))


async def test_a_single_refusal_disconnects_nobody_and_repeated_ones_are_reported(tmp_path: Path) -> None:
    later = timedelta()

    def now() -> datetime:
        return utc_now() + later

    async with bot_harness(
        tmp_path, seconds={"access_check_seconds": 0.2}, now=now, service_token_acts="0"
    ) as harness:
        await harness.connect("ben")
        await harness.ask("/bitrise use android", "set this channel's app to", person="ben")
        await harness.ask("/bitrise subscribe android", "subscribed", person="ben")
        # After one refusal the token is verified, and the refused request is repeated.
        harness.bitrise.fault("POST *", "status", status=401)
        await harness.ask("/bitrise trigger branch:main", "ben started Sample Android #1", person="ben")
        assert [request.status for request in harness.bitrise.requests if request.method == "POST"] == [
            401,
            201,
        ]
        # Repeated refusals are believed; the message is the same everywhere.
        harness.bitrise.revoke(BEN_TOKEN)
        said = "Bitrise rejected your token. Reconnect with `/bitrise connect`"
        for words in ("trigger branch:main", "log #1", "status web"):
            await harness.ask(f"/bitrise {words}", said, person="ben")
        await harness.wait_for_message(
            "your next command checks the token again", person="ben", channel="D0BEN"
        )
        assert harness.messages_with("can't see this channel's app any more") == []
        harness.bitrise.members["ben-okafor"].tokens.append(BEN_TOKEN)
        later += ASKED_AGAIN
        await harness.ask("/bitrise trigger branch:main", "ben started Sample Android #2", person="ben")
        assert await harness.rows("SELECT broken_at FROM accounts") == [(None,)]
        assert set(await harness.rows("SELECT stopped_reason, unseen_at FROM subscriptions")) == {
            (None, None)
        }
