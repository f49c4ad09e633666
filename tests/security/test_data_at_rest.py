"""Whoever gets hold of the database, a backup or the log of the bot (SECURITY.md, F), and old rights (G)."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.settings import Settings, describe_errors
from sandbox.bitrise.members import ANNA_TOKEN, BEN_TOKEN, TOKEN
from sandbox.slack.server import APP_TOKEN, BOT_TOKEN
from tests.services.features.test_access_rules import RELEASE_TEAM, governed
from tests.support.bot_harness import SECRET_KEY, BotHarness, bot_harness
from tests.support.forked_process import run_forked


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    async with governed(tmp_path) as opened:
        yield opened


async def test_f1_nothing_that_the_bot_keeps_holds_a_token_in_clear(harness: BotHarness) -> None:
    await harness.ask("/bitrise trigger android branch:main", "anna started")
    await harness.stop_bot()
    kept = harness.stored_bytes()
    for secret in (ANNA_TOKEN, BEN_TOKEN, TOKEN, BOT_TOKEN, APP_TOKEN, SECRET_KEY):
        assert secret.encode() not in kept


async def test_f2_a_row_that_was_copied_over_another_gives_nobody_anothers_rights(
    harness: BotHarness,
) -> None:
    await harness.stop_bot()
    await harness.execute(
        "UPDATE accounts SET sealed = (SELECT sealed FROM accounts WHERE user_id = 'U0ANNA') WHERE user_id = 'U0BEN'"
    )
    await harness.start_bot()
    await harness.ask("/bitrise trigger web branch:main", "I can't open your token", person="ben")
    assert harness.bitrise.state.builds == []


async def test_f3_a_change_of_the_audit_log_shows_without_anything_outside(harness: BotHarness) -> None:
    await harness.ask("/bitrise trigger android branch:main", "anna started")
    with pytest.raises(sqlite3.DatabaseError, match="only added to"):
        await harness.execute("DELETE FROM audit WHERE seq = 2")
    with pytest.raises(sqlite3.DatabaseError, match="only added to"):
        await harness.execute("UPDATE audit SET body = '{}'")
    assert (await verified(harness))[0] == 0
    whole = copy_of(harness)
    await harness.ask("/bitrise trigger android branch:main", "anna started")
    await harness.stop_bot()
    now = copy_of(harness)
    for words, *statements in (
        ("entry 1 was changed", "UPDATE audit SET body = replace(body, 'act', 'act ') WHERE seq = 1"),
        ("entry 2 is missing", "DELETE FROM audit WHERE seq = 2"),
        ("it should end with entry", "DELETE FROM audit WHERE seq = (SELECT MAX(seq) FROM audit)"),
        (
            "but the register of all chains says 1 to",
            "DELETE FROM audit WHERE seq > (SELECT last_seq FROM old.audit_chains)",
            "DELETE FROM audit_chains",
            "INSERT INTO audit_chains SELECT * FROM old.audit_chains",
        ),
        ("its log is gone", "DELETE FROM audit", "DELETE FROM audit_chains"),
        (
            "though the workspace has accounts",
            "DELETE FROM audit",
            "DELETE FROM audit_chains",
            "UPDATE audit_register SET chains = '{}', seal = NULL",
        ),
        ("the register of all chains is gone", "DELETE FROM audit_register"),
        ("the trigger audit_is_not_cut was taken away", "DROP TRIGGER audit_is_not_cut"),
    ):
        put_in_place(harness, now)
        by_force(harness, *statements, old=whole)
        code, said = await verified(harness)
        assert (code, words in said) == (1, True), said
    # Where the log was taken away no new one is begun: nothing is done that could not be written down.
    put_in_place(harness, now)
    by_force(harness, "DELETE FROM audit", "DELETE FROM audit_chains")
    builds = len(harness.bitrise.state.builds)
    await harness.start_bot()
    await harness.ask("/bitrise trigger android branch:main", "audit log was changed from outside")
    assert len(harness.bitrise.state.builds) == builds
    assert (await verified(harness))[0] == 1


async def test_f7_a_whole_older_database_shows_in_the_anchor(tmp_path: Path) -> None:
    anchor = tmp_path / "elsewhere" / "anchor.jsonl"
    anchor.parent.mkdir()
    (tmp_path / "bot").mkdir()
    async with governed(tmp_path / "bot", audit_anchor=str(anchor)) as town:
        await town.ask("/bitrise trigger android branch:main", "anna started")
        older = copy_of(town)
        await town.ask("/bitrise trigger android branch:main", "anna started")
        await town.stop_bot()
        code, said = await verified(town)
        assert (code, "Compared with the anchor" in said) == (0, True), said
        put_in_place(town, older)
        code, said = await verified(town)
        assert code == 1
        assert "T0SANDBOX: failed: its log ends with entry" in said
        await town.start_bot()
        await town.ask("/bitrise trigger android branch:main", "anna started")
        await town.stop_bot()
        code, said = await verified(town)
        assert code == 1
        assert "an older database was put in place without `buildbell restore`" in said
        # At the operator's word it is whole again, and says what happened.
        backup = tmp_path / "backup.db"
        for arguments in (["backup", str(backup)], ["restore", str(backup), "--yes"]):
            code, said = await typed(town, *arguments)
            assert code == 0, said
        await town.start_bot()
        await town.ask("/bitrise trigger android branch:main", "anna started")
        await town.stop_bot()
        code, said = await verified(town)
        assert (code, "the operator restored a backup" in said) == (0, True), said


async def test_f8_whoever_was_erased_or_unlinked_is_in_no_file_and_no_backup(
    harness: BotHarness, tmp_path: Path
) -> None:
    await harness.ask("/bitrise me name:canary-name mention:on", "canary-name", person="anna")
    rows = await harness.rows("SELECT sealed FROM accounts ORDER BY user_id")
    anna, ben = (str(sealed).encode() for (sealed,) in rows)
    email = str((await harness.rows("SELECT email FROM people WHERE user_id = 'U0ANNA'"))[0][0]).encode()
    assert all(one in harness.stored_bytes() for one in (anna, ben, b"canary-name", email))
    await harness.disconnect("ben")
    assert ben not in harness.stored_bytes()
    assert anna in harness.stored_bytes()
    code, said = await typed(harness, "erase-user", "T0SANDBOX", "U0ANNA", "--yes")
    assert code == 0, said
    await harness.ask("/bitrise help", "What you can type", person="ben")  # the bot goes on
    backup = harness.folder / "backup.db"
    assert (await typed(harness, "backup", str(backup)))[0] == 0
    for canary in (anna, ben, b"canary-name", email):
        assert canary not in harness.stored_bytes()


async def test_f9_nobody_else_of_the_machine_can_read_what_the_bot_keeps(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        anchor = tmp_path / "elsewhere" / "anchor.jsonl"
        anchor.parent.mkdir()
        folder = tmp_path / "data"
        database = f"sqlite:///{folder / 'buildbell.db'}"
        async with bot_harness(tmp_path, database_url=database, audit_anchor=str(anchor)) as town:
            await town.ask("/bitrise trigger android branch:main", "anna started")
            files = [folder, anchor, *folder.iterdir()]
            assert {"buildbell.db", "buildbell.db-wal", "buildbell.db-shm", "buildbell.db.lock"} <= {
                one.name for one in files
            }
            assert {one.name: one.stat().st_mode & 0o077 for one in files} == {one.name: 0 for one in files}
            await town.stop_bot()
            for one in files:
                if one.exists():
                    one.chmod(0o755 if one.is_dir() else 0o644)
            await town.start_bot()
            assert {one.name: one.stat().st_mode & 0o077 for one in (folder, anchor, *folder.iterdir())} == {
                one.name: 0 for one in (folder, anchor, *folder.iterdir())
            }
    finally:
        os.umask(before)


async def test_f10_lines_of_the_anchor_that_were_taken_out_changed_or_made_up_show(tmp_path: Path) -> None:
    anchor = tmp_path / "elsewhere" / "anchor.jsonl"
    anchor.parent.mkdir()
    (tmp_path / "bot").mkdir()
    async with governed(tmp_path / "bot", audit_anchor=str(anchor)) as town:
        for _ in range(3):
            await town.ask("/bitrise trigger android branch:main", "anna started")
        await town.stop_bot()
        lines = anchor.read_text().splitlines(keepends=True)
        made_up = lines[-1].replace(f'"anchor":{len(lines)}', f'"anchor":{len(lines) + 1}')
        for forged in (
            lines[:-1],
            [*lines[:2], *lines[3:]],
            lines[1:],
            [*lines, made_up],
            [],
            [*lines[:-1], lines[-1].replace('"entry"', '"state"')],
        ):
            anchor.write_text("".join(forged))
            assert (await verified(town))[0] == 1
        # One that fits in every other way is known by its signature.
        following = made_up.replace(
            json.loads(made_up)["previous"], hashlib.sha256(lines[-1].strip().encode()).hexdigest()
        )
        anchor.write_text("".join([*lines, following]))
        code, said = await verified(town)
        assert (code, "its signature does not fit" in said) == (1, True)
        anchor.write_text("".join(lines))
        assert (await verified(town))[0] == 0


async def typed(harness: BotHarness, *arguments: str) -> tuple[int, str]:
    """A command of the operator's, with the bot's settings."""
    return await run_forked(*arguments, **{name.upper(): value for name, value in harness.settings().items()})


async def verified(harness: BotHarness) -> tuple[int, str]:
    return await typed(harness, "audit", "--verify")


def copy_of(harness: BotHarness) -> Path:
    """What anybody has who can read the folder, or a backup."""
    copies = harness.folder / "copies"
    copies.mkdir(exist_ok=True)
    copy = copies / f"{len(list(copies.iterdir()))}.db"
    with (
        closing(sqlite3.connect(harness.folder / "buildbell.db")) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    return copy


def put_in_place(harness: BotHarness, copy: Path) -> None:
    """What somebody does who can write there, and knows no key."""
    for one in harness.folder.glob("buildbell.db-*"):
        one.unlink()
    # A file of its own, and not the old one overwritten: SQLite knows that one by its inode while any part of this
    # process still has it open.
    beside = harness.folder / "put-in-place.db"
    shutil.copyfile(copy, beside)
    beside.replace(harness.folder / "buildbell.db")


def by_force(harness: BotHarness, *statements: str, old: Path | None = None) -> None:
    """The triggers are in nobody's way who may drop them, and are there again afterwards, but for those that go."""
    with closing(sqlite3.connect(harness.folder / "buildbell.db")) as connection:
        if old is not None:
            connection.execute("ATTACH ? AS old", [str(old)])
        triggers = dict(connection.execute("SELECT name, sql FROM main.sqlite_master WHERE type = 'trigger'"))
        for name in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            if statement.startswith("DROP TRIGGER"):
                triggers.pop(statement.split()[-1])
            else:
                connection.execute(statement)
        for sql in triggers.values():
            connection.execute(sql)
        connection.commit()


async def test_f4_the_bots_own_log_holds_no_token(
    harness: BotHarness, capfd: pytest.CaptureFixture[str]
) -> None:
    harness.bitrise.fault("GET /v0.1/me", "error", words=f"bad token {BEN_TOKEN}", status=500, times=9)
    await harness.users.command("ben", "builds", "/bitrise connect")
    await harness.slack.wait_for_modal("ben", "Personal access token")
    await harness.users.submit("ben", {"token": BEN_TOKEN})
    harness.slack.fault("chat.postMessage", "error", words="invalid_auth")
    await harness.users.command("ben", "builds", "/bitrise trigger android branch:main")
    await harness.wait_for_commands("command")
    await harness.stop_bot()
    said = "".join(capfd.readouterr())
    assert "audit" in said
    for secret in (BEN_TOKEN, ANNA_TOKEN, TOKEN, BOT_TOKEN, APP_TOKEN, SECRET_KEY):
        assert secret not in said


async def test_g1_whoever_loses_their_right_at_bitrise_loses_it_here_at_once(harness: BotHarness) -> None:
    harness.bitrise.set_role("ben-okafor", harness.bitrise.android, None)
    await harness.ask("/bitrise trigger android branch:main", "I don't know an app", person="ben")
    harness.bitrise.revoke(BEN_TOKEN)
    await harness.ask("/bitrise trigger ios branch:main", "does not", person="ben")
    assert harness.bitrise.state.builds == []


async def test_g2_whoever_leaves_a_group_loses_its_rights(tmp_path: Path) -> None:
    async with governed(tmp_path, RELEASE_TEAM) as town:
        town.slack.workspace.groups["S0RELEASE"].users.clear()
        await town.ask("/bitrise trigger android branch:main", "Only Anna Berg", person="ben")
        assert town.bitrise.state.builds == []


async def test_g3_whoever_leaves_the_workspace_leaves_no_token_behind(harness: BotHarness) -> None:
    harness.users.deactivate("ben")
    await harness.wait_for_commands("user_change")
    assert await harness.rows("SELECT user_id FROM accounts") == [("U0ANNA",)]


async def test_g4_a_channel_is_told_no_more_than_whoever_subscribed_may_see(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, seconds={"sight_seconds": 0.2}, service_token_acts="0") as town:
        await town.connect("ben")
        await town.ask("/bitrise subscribe ios", "subscribed", person="ben")
        town.bitrise.set_role("ben-okafor", town.bitrise.ios, None)
        await town.wait_for_message("can't see the app at Bitrise any more", person=None)
        town.bitrise.finish(town.bitrise.start_build(town.bitrise.ios))
        await town.wait_for_poll()
        assert town.messages_with("Sample iOS #1") == []


async def test_i1_a_key_that_somebody_thought_up_is_refused() -> None:
    from storage.encryption import InvalidKey, SecretBox

    for keys in ([], ["secret"], ["a" * 40, "short"]):
        with pytest.raises(InvalidKey):
            SecretBox(keys)


async def test_i2_rules_that_can_not_be_read_or_kept_stop_the_start(tmp_path: Path) -> None:
    from domain.access_policy import InvalidAccessRule

    for rules in ("[[rule]]\nallow = 3\n", '[[rule]]\nprotect = "everything"\n'):
        (tmp_path / "policy.toml").write_text(rules)
        with pytest.raises(InvalidAccessRule):
            async with bot_harness(
                tmp_path, policy_file=str(tmp_path / "policy.toml"), buildbell_secret_key=""
            ):
                pass


ONE_WORKSPACE = {"slack_bot_token": "xoxb-1", "slack_signing_secret": "s", "bitrise_token": "t0p"}
MANY_WORKSPACES = {
    "slack_client_id": "1.2",
    "slack_client_secret": "s",
    "slack_signing_secret": "s",
    "public_url": "https://bot.example.com",
    "buildbell_secret_key": SECRET_KEY,
    "bitrise_token": "t0p",
}


def refused(**settings: str) -> str:
    """Why the bot does not start; "" where it does."""
    try:
        Settings(_env_file=None, **settings)  # type: ignore[arg-type]
    except ValidationError as problem:
        return describe_errors(problem)
    return ""


def test_i3_an_open_installation_does_not_act_with_the_bots_token() -> None:
    acting = {**MANY_WORKSPACES, "service_token_acts": "1"}
    said = refused(**acting)
    assert "SLACK_WORKSPACES" in said
    assert "SERVICE_TOKEN_ACTS=0" in said
    assert "\n" not in said
    for named in ("", " ", ","):
        assert refused(**acting, slack_workspaces=named) == said
    assert "everybody is not the ID" in refused(**acting, slack_workspaces="T0ACME,everybody")
    assert refused(**acting, slack_workspaces="T0ACME, E0GRID") == ""
    assert refused(**MANY_WORKSPACES) == ""
    assert refused(**ONE_WORKSPACE, service_token_acts="1") == ""
    assert "needs SLACK_CLIENT_ID" in refused(**ONE_WORKSPACE, slack_workspaces="T0ACME")


@pytest.mark.parametrize(
    "name", ["slack_api_url", "slack_authorize_url", "bitrise_api_url", "buildio_api_url", "public_url"]
)
def test_i4_an_address_that_would_send_tokens_in_clear_stops_the_start(name: str) -> None:
    hosts = (
        "api.example.com",
        "10.0.0.7",
        "0.0.0.0",  # noqa: S104 - it is nobody's to bind to here
        "localhost.example.com",
        "[::ffff:10.0.0.7]",
        "127.0.0.1.nip.io",
    )
    for host in hosts:
        said = refused(**ONE_WORKSPACE, **{name: f"http://{host}/v1"})
        assert said.startswith(f"{name.upper()}: must begin with https://"), host
        assert "\n" not in said
        assert refused(**ONE_WORKSPACE, **{name: f"HTTP://{host}/v1"}) == said
        assert refused(**ONE_WORKSPACE, **{name: f"https://{host}/v1"}) == ""
    for here in ("127.0.0.1:3000", "localhost:1", "[::1]:80", "127.9.9.9"):
        assert refused(**ONE_WORKSPACE, **{name: f"http://{here}/v1"}) == ""


async def test_f5_a_backup_holds_no_token_in_clear_and_is_its_owners_alone(harness: BotHarness) -> None:
    from storage.backup import back_up

    backup = harness.folder / "backup.db"
    back_up(harness.folder / "buildbell.db", backup)
    content = backup.read_bytes()
    assert len(content) > 10_000
    for secret in (ANNA_TOKEN, BEN_TOKEN, TOKEN, BOT_TOKEN, APP_TOKEN, SECRET_KEY):
        assert secret.encode() not in content
    assert backup.stat().st_mode & 0o077 == 0
