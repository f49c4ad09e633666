"""Whoever gets hold of the database, a backup or the log of the bot (SECURITY.md, F), and old rights (G)."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.bitrise import ANNA_TOKEN, BEN_TOKEN, TOKEN
from sandbox.slack import APP_TOKEN, BOT_TOKEN
from tests.handlers.test_policy import RELEASE_TEAM, governed
from tests.town import SECRET_KEY, Town, open_town


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with governed(tmp_path) as opened:
        yield opened


async def test_f1_nothing_that_the_bot_keeps_holds_a_token_in_clear(town: Town) -> None:
    await town.ask("/bitrise trigger android branch:main", "anna started")
    await town.stop_bot()
    kept = town.kept()
    for secret in (ANNA_TOKEN, BEN_TOKEN, TOKEN, BOT_TOKEN, APP_TOKEN, SECRET_KEY):
        assert secret.encode() not in kept


async def test_f2_a_row_that_was_copied_over_another_gives_nobody_anothers_rights(town: Town) -> None:
    await town.stop_bot()
    await town.execute(
        "UPDATE accounts SET sealed = (SELECT sealed FROM accounts WHERE user_id = 'U0ANNA') WHERE user_id = 'U0BEN'"
    )
    await town.start_bot()
    await town.ask("/bitrise trigger web branch:main", "I can't open your token", person="ben")
    assert town.bitrise.farm.builds == []


async def test_f3_a_change_of_the_audit_log_shows(town: Town) -> None:
    from bot.audit import Tampered
    from bot.vault import Vault
    from storage import Database, Storage

    await town.ask("/bitrise trigger android branch:main", "anna started")
    await town.stop_bot()
    with pytest.raises(sqlite3.DatabaseError, match="only added to"):
        await town.execute("DELETE FROM audit WHERE seq = 2")
    with pytest.raises(sqlite3.DatabaseError, match="only added to"):
        await town.execute("UPDATE audit SET body = '{}'")
    path = town.folder / "buildbell.db"
    for change in (
        "UPDATE audit SET body = replace(body, 'main', 'develop')",
        "DELETE FROM audit WHERE seq = 2",
        "DELETE FROM audit WHERE seq = (SELECT MAX(seq) FROM audit)",
    ):
        copy = path.with_name("copy.db")
        copy.write_bytes(path.read_bytes())
        with sqlite3.connect(copy) as connection:
            connection.execute("DROP TRIGGER audit_is_not_changed")
            connection.execute("DROP TRIGGER audit_is_not_cut")
            connection.execute(change)
        connection.close()
        database = await Database.open(copy)
        with pytest.raises(Tampered):
            await Storage(database, Vault([SECRET_KEY])).of("T0SANDBOX").audit.verify()
        await database.close()


async def test_f4_the_bots_own_log_holds_no_token(town: Town, capfd: pytest.CaptureFixture[str]) -> None:
    town.bitrise.fault("GET /v0.1/me", "error", words=f"bad token {BEN_TOKEN}", status=500, times=9)
    await town.people.command("ben", "builds", "/bitrise connect")
    await town.slack.wait_for_modal("ben", "Personal access token")
    await town.people.submit("ben", {"token": BEN_TOKEN})
    town.slack.fault("chat.postMessage", "error", words="invalid_auth")
    await town.ask("/bitrise trigger android branch:main", "", person="ben")
    await town.stop_bot()
    said = "".join(capfd.readouterr())
    assert "audit" in said
    for secret in (BEN_TOKEN, ANNA_TOKEN, TOKEN, BOT_TOKEN, APP_TOKEN, SECRET_KEY):
        assert secret not in said


async def test_g1_whoever_loses_their_right_at_bitrise_loses_it_here_at_once(town: Town) -> None:
    town.bitrise.let("ben-okafor", town.bitrise.android, None)
    await town.ask("/bitrise trigger android branch:main", "I don't know an app", person="ben")
    town.bitrise.revoke(BEN_TOKEN)
    await town.ask("/bitrise trigger ios branch:main", "does not", person="ben")
    assert town.bitrise.farm.builds == []


async def test_g2_whoever_leaves_a_group_loses_its_rights(tmp_path: Path) -> None:
    async with governed(tmp_path, RELEASE_TEAM) as town:
        town.slack.workspace.groups["S0RELEASE"].users.clear()
        await town.ask("/bitrise trigger android branch:main", "Only Anna Berg", person="ben")
        assert town.bitrise.farm.builds == []


async def test_g3_whoever_leaves_the_workspace_leaves_no_token_behind(town: Town) -> None:
    town.people.leave("ben")
    await town.answered("user_change")
    assert await town.rows("SELECT user_id FROM accounts") == [("U0ANNA",)]


async def test_g4_a_channel_is_told_no_more_than_whoever_subscribed_may_see(tmp_path: Path) -> None:
    async with open_town(tmp_path, seconds={"sight_seconds": 0.2}, service_token_acts="0") as town:
        await town.connect("ben")
        await town.ask("/bitrise subscribe ios", "subscribed", person="ben")
        town.bitrise.let("ben-okafor", town.bitrise.ios, None)
        await town.told("can't see the app at Bitrise any more", person=None)
        town.bitrise.finish(town.bitrise.start_build(town.bitrise.ios))
        await town.looked()
        assert town.telling("Sample iOS #1") == []


async def test_i1_a_key_that_somebody_thought_up_is_refused() -> None:
    from bot.vault import KeyProblem, Vault

    for keys in ([], ["secret"], ["a" * 40, "short"]):
        with pytest.raises(KeyProblem):
            Vault(keys)


async def test_i2_rules_that_can_not_be_read_or_kept_stop_the_start(tmp_path: Path) -> None:
    from bot.policy import PolicyProblem

    for rules in ("[[rule]]\nallow = 3\n", '[[rule]]\nprotect = "everything"\n'):
        (tmp_path / "policy.toml").write_text(rules)
        with pytest.raises(PolicyProblem):
            async with open_town(
                tmp_path, policy_file=str(tmp_path / "policy.toml"), buildbell_secret_key=""
            ):
                pass


async def test_f5_a_backup_holds_no_token_in_clear_and_is_its_owners_alone(town: Town) -> None:
    from storage import back_up

    backup = town.folder / "backup.db"
    back_up(town.folder / "buildbell.db", backup)
    content = backup.read_bytes()
    assert len(content) > 10_000
    for secret in (ANNA_TOKEN, BEN_TOKEN, TOKEN, BOT_TOKEN, APP_TOKEN, SECRET_KEY):
        assert secret.encode() not in content
    assert backup.stat().st_mode & 0o077 == 0
