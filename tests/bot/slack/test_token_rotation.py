"""Token rotation: a token is refreshed once, before or after it expires; failed refreshes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from slack_sdk.oauth.installation_store.models.bot import Bot

from bot.slack.token_rotation import REFRESH_BEFORE, AppSecrets, BotTokens
from sandbox.slack.installations import CLIENT_ID, CLIENT_SECRET
from sandbox.slack.models import TEAM
from services.accounts.token_refresh import FIRST_PAUSE
from services.slack.errors import SlackCallFailed
from services.slack.web_client import SlackClient, create_slack_session
from services.slack.workspace_clients import WorkspaceClient
from storage.encryption import SecretBox
from storage.installations import Installations
from storage.repositories import Repositories
from storage.sqlite_database import SqliteDatabase
from tests.support.bot_harness import SECRET_KEY
from tests.support.factories import NOON
from tests.support.multi_workspace_harness import (
    GRID,
    TWIN,
    MultiWorkspaceHarness,
    OffsetClock,
    multi_workspace_harness,
)
from tests.support.postgres import PostgresServer
from tests.support.shared_database import open_repositories

TOKEN_LIFETIME = timedelta(hours=12)


@pytest.fixture
def clock() -> OffsetClock:
    return OffsetClock()


@pytest.fixture
async def harness(tmp_path: Path, clock: OffsetClock) -> AsyncIterator[MultiWorkspaceHarness]:
    async with multi_workspace_harness(tmp_path, rotating=True, now=clock) as opened:
        await opened.install_everywhere()
        yield opened


def refresh_calls(harness: MultiWorkspaceHarness) -> list[dict[str, Any]]:
    return [
        call
        for call in harness.calls("oauth.v2.access")
        if call["request"].get("grant_type") == "refresh_token"
    ]


def count_log_lines(text: str, capfd: pytest.CaptureFixture[str]) -> int:
    return capfd.readouterr().out.count(text)


async def test_a_token_near_expiry_is_refreshed_once_for_concurrent_requests(
    harness: MultiWorkspaceHarness, clock: OffsetClock
) -> None:
    await harness.ask("/bitrise apps", "3 apps")
    assert refresh_calls(harness) == []
    clock.passed += TOKEN_LIFETIME - REFRESH_BEFORE + timedelta(minutes=1)
    harness.slack.fault("oauth.v2.access", "slow", seconds=0.3)
    for person in ("anna", "ben"):
        for _ in range(4):
            harness.users.open_home(person)
    await harness.wait_for_commands("home", 8)
    assert len(refresh_calls(harness)) == 1
    harness.users.say("anna", "D0ANNA", "help")
    await harness.wait_for_message("Commands", channel="D0ANNA")
    assert len(refresh_calls(harness)) == 1
    harness.twin.users.say("anna", "D0ANNA", "help")
    await harness.twin.wait_for_message("Commands", channel="D0ANNA")
    assert len(refresh_calls(harness)) == 2


async def test_a_token_that_expired_while_the_bot_was_down_is_refreshed_at_its_next_use(
    harness: MultiWorkspaceHarness, clock: OffsetClock
) -> None:
    await harness.stop_bot()
    clock.passed += timedelta(days=3)
    await harness.start_bot()
    harness.users.say("anna", "D0ANNA", "help")
    await harness.wait_for_message("Commands", channel="D0ANNA")
    assert len(refresh_calls(harness)) == 1
    await harness.stop_bot()
    await harness.start_bot()
    harness.users.say("anna", "D0ANNA", "apps")
    await harness.wait_for_message("3 apps", channel="D0ANNA")
    assert len(refresh_calls(harness)) == 1


async def test_a_failed_refresh_is_retried_with_pauses(
    harness: MultiWorkspaceHarness, clock: OffsetClock, capfd: pytest.CaptureFixture[str]
) -> None:
    clock.passed += TOKEN_LIFETIME - timedelta(hours=1)
    harness.slack.fault("oauth.v2.access", "error", words="internal_error")
    for number in range(1, 6):
        # The old token still works.
        harness.users.say("anna", "D0ANNA", "help")
        await harness.wait_for_commands("message", number)
    assert len(refresh_calls(harness)) == 1
    assert len(harness.messages_with("Commands", "D0ANNA")) == 5
    text = capfd.readouterr().out
    assert text.count("installation.not_exchanged") == 1
    assert "internal_error" in text
    assert "xoxe" not in text
    clock.passed += FIRST_PAUSE
    harness.slack.fault("oauth.v2.access", "dropped", times=1)
    for number in range(6, 9):
        harness.users.say("anna", "D0ANNA", "help")
        await harness.wait_for_commands("message", number)
    assert len(refresh_calls(harness)) == 2
    clock.passed += FIRST_PAUSE * 2
    harness.users.say("anna", "D0ANNA", "help")
    await harness.wait_for_commands("message", 9)
    assert len(refresh_calls(harness)) == 3
    assert count_log_lines("installation.exchanged", capfd) == 1


async def test_a_refreshed_token_is_stored_even_if_its_request_was_cancelled(
    harness: MultiWorkspaceHarness, clock: OffsetClock
) -> None:
    vault = SecretBox([SECRET_KEY])
    await harness.stop_bot()
    database = await SqliteDatabase.open(harness.folder / "buildbell.db")
    clock.passed += TOKEN_LIFETIME + timedelta(minutes=1)
    async with create_slack_session() as session:
        client = SlackClient(base_url=harness.slack.api_url, session=session)
        app = AppSecrets(CLIENT_ID, CLIENT_SECRET)
        tokens = BotTokens(Installations(database, vault, clock), client, app, clock)
        harness.slack.fault("oauth.v2.access", "slow", seconds=0.2)
        impatient = asyncio.create_task(tokens(TEAM))
        await harness.wait_until(lambda: bool(refresh_calls(harness)))
        impatient.cancel()
        access = await tokens(TEAM)
        assert access is not None
        client.token = access.token
        assert (await client.auth_test())["team_id"] == TEAM
        await tokens.close()
    await database.close()
    assert len(refresh_calls(harness)) == 1
    await harness.start_bot()


async def test_a_bot_that_stops_during_a_refresh_stores_the_new_token(
    harness: MultiWorkspaceHarness, clock: OffsetClock
) -> None:
    clock.passed += TOKEN_LIFETIME + timedelta(minutes=1)
    harness.slack.fault("oauth.v2.access", "slow", seconds=0.3)
    harness.users.say("anna", "D0ANNA", "help")
    await harness.wait_until(lambda: bool(refresh_calls(harness)))
    await harness.stop_bot()  # which drains
    await harness.start_bot()
    harness.users.say("anna", "D0ANNA", "apps")
    await harness.wait_for_message("3 apps", channel="D0ANNA")
    assert len(refresh_calls(harness)) == 1


async def test_two_workspaces_of_one_organisation_share_a_refresh(tmp_path: Path, clock: OffsetClock) -> None:
    async with multi_workspace_harness(tmp_path, rotating=True, now=clock) as harness:
        east, west = harness.add_organisation()
        await harness.install("T0EAST", organisation=True)
        clock.passed += TOKEN_LIFETIME + timedelta(minutes=1)
        harness.slack.fault("oauth.v2.access", "slow", seconds=0.2)
        for workspace in (east, west):
            workspace.users.say("anna", "D0ANNA", "help")
        for workspace in (east, west):
            await workspace.wait_for_message("Commands", channel="D0ANNA")
        assert len(refresh_calls(harness)) == 1
        assert harness.count_rows_with(GRID.id)["installations"] == 1


async def test_an_app_that_is_uninstalled_during_a_refresh_stays_uninstalled(
    harness: MultiWorkspaceHarness, clock: OffsetClock
) -> None:
    clock.passed += TOKEN_LIFETIME - timedelta(hours=1)
    harness.slack.fault("oauth.v2.access", "slow", seconds=0.3)
    harness.users.say("anna", "D0ANNA", "help")
    await harness.wait_until(lambda: bool(refresh_calls(harness)))
    harness.slack.uninstall(TEAM)
    await harness.wait_for_commands("app_uninstalled")
    await harness.wait_until(lambda: refresh_calls(harness)[0]["response"] is not None)
    await harness.stop_bot()
    assert harness.count_rows_with(TEAM) == {}
    assert harness.count_rows_with(TWIN) == {"installations": 1}


async def test_a_new_token_replaces_only_the_token_that_was_exchanged_for_it(
    repositories: Repositories,
) -> None:
    installations = Installations(
        repositories.database, SecretBox(["a-key-that-is-long-enough-for-this"]), lambda: NOON
    )
    before, after, newest = make_bot("r1"), make_bot("r2"), make_bot("r3")
    await installations.async_save_bot(before)
    await installations.async_save_bot(newest)
    assert not await installations.store_rotated_token(before, after)
    assert refresh_token(await installations.of_workspace("T1")) == "r3"
    assert await installations.store_rotated_token(newest, after)
    assert refresh_token(await installations.of_workspace("T1")) == "r2"
    await installations.wipe(None, "T1")
    assert not await installations.store_rotated_token(after, newest)
    assert await installations.of_workspace("T1") is None


async def test_a_workspace_that_joins_an_organisation_has_one_installation(
    repositories: Repositories,
) -> None:
    installations = Installations(
        repositories.database, SecretBox(["a-key-that-is-long-enough-for-this"]), lambda: NOON
    )
    await installations.async_save_bot(make_bot("alone"))
    await installations.async_save_bot(make_bot("in E1", enterprise_id="E1"))
    assert await installations.count() == 1
    assert refresh_token(await installations.of_workspace("T1")) == "in E1"


def make_bot(refresh: str, **more: Any) -> Bot:
    return Bot(
        team_id="T1",
        bot_token=f"xoxb-{refresh}",
        bot_id="B1",
        bot_user_id="U1",
        bot_refresh_token=refresh,
        installed_at=0.0,
        **more,
    )


def refresh_token(bot: Bot | None) -> str | None:
    assert bot is not None
    return bot.bot_refresh_token


async def test_a_client_of_a_workspace_without_the_app_sends_no_request() -> None:
    async def no_token(_team: str) -> None:
        return None

    client = WorkspaceClient("T1", no_token, base_url="http://127.0.0.1:9/")
    with pytest.raises(SlackCallFailed, match="account_inactive"):
        await client.chat_postMessage(channel="C1", text="x")


async def test_several_bots_refresh_a_token_once(
    harness: MultiWorkspaceHarness, clock: OffsetClock, postgres: PostgresServer
) -> None:
    await harness.stop_bot()
    vault = SecretBox([SECRET_KEY])
    stored = await SqliteDatabase.open(harness.folder / "buildbell.db")
    installation = await Installations(stored, vault, clock).of_workspace(TEAM)
    await stored.close()
    assert installation is not None
    clock.passed += TOKEN_LIFETIME + timedelta(minutes=1)
    async with open_repositories(postgres) as bots, create_slack_session() as session:
        client = SlackClient(base_url=harness.slack.api_url, session=session)
        app = AppSecrets(CLIENT_ID, CLIENT_SECRET)
        installations = [Installations(bot.database, vault, clock) for bot in bots]
        await installations[0].async_save_bot(installation)
        tokens = [BotTokens(each, client, app, clock) for each in installations]
        harness.slack.fault("oauth.v2.access", "slow", seconds=0.3)
        found = await asyncio.gather(*(each(TEAM) for each in tokens for _ in range(3)))
        assert len({access.token for access in found if access is not None}) == 1
        assert found[0] is not None
        client.token = found[0].token
        assert (await client.auth_test())["team_id"] == TEAM
        for each in tokens:
            await each.close()
    assert len(refresh_calls(harness)) == 1
