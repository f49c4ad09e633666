"""Attackers with the database, a backup or the log of the bot (SECURITY.md, F), and outdated permissions (G)."""

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

from bot.settings import Settings
from bot.settings_errors import describe_errors
from sandbox.bitrise.members import ANNA_TOKEN, BEN_TOKEN, TOKEN
from sandbox.slack.server import APP_TOKEN, BOT_TOKEN
from tests.services.features.test_access_rules import RELEASE_TEAM, governed
from tests.support.bot_harness import SECRET_KEY, BotHarness, bot_harness
from tests.support.forked_process import run_forked


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    async with governed(tmp_path) as opened:
        yield opened


async def test_f1_no_stored_file_contains_a_token_in_plain_text(harness: BotHarness) -> None:
    await harness.ask("/bitrise trigger android branch:main", "anna started")
    await harness.stop_bot()
    stored = harness.stored_bytes()
    for secret in (ANNA_TOKEN, BEN_TOKEN, TOKEN, BOT_TOKEN, APP_TOKEN, SECRET_KEY):
        assert secret.encode() not in stored


async def test_f2_a_row_copied_over_another_gives_nobody_the_rights_of_its_owner(
    harness: BotHarness,
) -> None:
    await harness.stop_bot()
    await harness.execute(
        "UPDATE accounts SET sealed = (SELECT sealed FROM accounts WHERE user_id = 'U0ANNA') WHERE user_id = 'U0BEN'"
    )
    await harness.start_bot()
    await harness.ask(
        "/bitrise trigger web branch:main", "Your stored token can't be decrypted", person="ben"
    )
    assert harness.bitrise.state.builds == []


async def test_f3_changes_of_the_audit_log_are_found_without_an_outside_copy(harness: BotHarness) -> None:
    await harness.ask("/bitrise trigger android branch:main", "anna started")
    with pytest.raises(sqlite3.DatabaseError, match="only added to"):
        await harness.execute("DELETE FROM audit WHERE seq = 2")
    with pytest.raises(sqlite3.DatabaseError, match="only added to"):
        await harness.execute("UPDATE audit SET body = '{}'")
    assert (await verify_audit_log(harness))[0] == 0
    earlier_copy = copy_database(harness)
    await harness.ask("/bitrise trigger android branch:main", "anna started")
    await harness.stop_bot()
    current_copy = copy_database(harness)
    for expected, *statements in (
        ("entry 1 was changed", "UPDATE audit SET body = replace(body, 'act', 'act ') WHERE seq = 1"),
        ("entry 2 is missing", "DELETE FROM audit WHERE seq = 2"),
        ("it should end with entry", "DELETE FROM audit WHERE seq = (SELECT MAX(seq) FROM audit)"),
        (
            "but the register of all chains says 1 to",
            "DELETE FROM audit WHERE seq > (SELECT last_seq FROM old.audit_chains)",
            "DELETE FROM audit_chains",
            "INSERT INTO audit_chains SELECT * FROM old.audit_chains",
        ),
        ("its log is missing", "DELETE FROM audit", "DELETE FROM audit_chains"),
        (
            "but the workspace has accounts",
            "DELETE FROM audit",
            "DELETE FROM audit_chains",
            "UPDATE audit_register SET chains = '{}', seal = NULL",
        ),
        ("the register of all chains is missing", "DELETE FROM audit_register"),
        ("the trigger audit_is_not_cut was removed", "DROP TRIGGER audit_is_not_cut"),
    ):
        replace_database(harness, current_copy)
        execute_without_triggers(harness, *statements, old=earlier_copy)
        code, output = await verify_audit_log(harness)
        assert (code, expected in output) == (1, True), output
    # A deleted log is not started again: no action runs that could not be logged.
    replace_database(harness, current_copy)
    execute_without_triggers(harness, "DELETE FROM audit", "DELETE FROM audit_chains")
    builds = len(harness.bitrise.state.builds)
    await harness.start_bot()
    await harness.ask("/bitrise trigger android branch:main", "audit log was changed from outside")
    assert len(harness.bitrise.state.builds) == builds
    assert (await verify_audit_log(harness))[0] == 1


async def test_f7_the_anchor_reveals_an_older_database(tmp_path: Path) -> None:
    anchor = tmp_path / "elsewhere" / "anchor.jsonl"
    anchor.parent.mkdir()
    (tmp_path / "bot").mkdir()
    async with governed(tmp_path / "bot", audit_anchor=str(anchor)) as harness:
        await harness.ask("/bitrise trigger android branch:main", "anna started")
        older_copy = copy_database(harness)
        await harness.ask("/bitrise trigger android branch:main", "anna started")
        await harness.stop_bot()
        code, output = await verify_audit_log(harness)
        assert (code, "Compared with the anchor" in output) == (0, True), output
        replace_database(harness, older_copy)
        code, output = await verify_audit_log(harness)
        assert code == 1
        assert "T0SANDBOX: failed: its log ends with entry" in output
        await harness.start_bot()
        await harness.ask("/bitrise trigger android branch:main", "anna started")
        await harness.stop_bot()
        code, output = await verify_audit_log(harness)
        assert code == 1
        assert "the database was replaced by an older one without `buildbell restore`" in output
        # After an operator's restore the log is valid again, and records the restore.
        backup = tmp_path / "backup.db"
        for arguments in (["backup", str(backup)], ["restore", str(backup), "--yes"]):
            code, output = await run_operator_command(harness, *arguments)
            assert code == 0, output
        await harness.start_bot()
        await harness.ask("/bitrise trigger android branch:main", "anna started")
        await harness.stop_bot()
        code, output = await verify_audit_log(harness)
        assert (code, "the operator restored a backup" in output) == (0, True), output


async def test_f8_erased_people_and_removed_accounts_are_in_no_file_and_no_backup(
    harness: BotHarness, tmp_path: Path
) -> None:
    await harness.ask("/bitrise me name:canary-name mention:on", "canary-name", person="anna")
    rows = await harness.rows("SELECT sealed FROM accounts ORDER BY user_id")
    anna, ben = (str(sealed).encode() for (sealed,) in rows)
    email = str((await harness.rows("SELECT email FROM people WHERE user_id = 'U0ANNA'"))[0][0]).encode()
    assert all(canary in harness.stored_bytes() for canary in (anna, ben, b"canary-name", email))
    await harness.disconnect("ben")
    assert ben not in harness.stored_bytes()
    assert anna in harness.stored_bytes()
    code, output = await run_operator_command(harness, "erase-user", "T0SANDBOX", "U0ANNA", "--yes")
    assert code == 0, output
    await harness.ask("/bitrise help", "Commands", person="ben")  # the bot still responds
    backup = harness.folder / "backup.db"
    assert (await run_operator_command(harness, "backup", str(backup)))[0] == 0
    for canary in (anna, ben, b"canary-name", email):
        assert canary not in harness.stored_bytes()


async def test_f9_other_users_of_the_machine_can_not_read_the_bots_files(tmp_path: Path) -> None:
    umask_before = os.umask(0o022)
    try:
        anchor = tmp_path / "elsewhere" / "anchor.jsonl"
        anchor.parent.mkdir()
        folder = tmp_path / "data"
        database = f"sqlite:///{folder / 'buildbell.db'}"
        async with bot_harness(tmp_path, database_url=database, audit_anchor=str(anchor)) as harness:
            await harness.ask("/bitrise trigger android branch:main", "anna started")
            files = [folder, anchor, *folder.iterdir()]
            assert {"buildbell.db", "buildbell.db-wal", "buildbell.db-shm", "buildbell.db.lock"} <= {
                file.name for file in files
            }
            assert {file.name: file.stat().st_mode & 0o077 for file in files} == {
                file.name: 0 for file in files
            }
            await harness.stop_bot()
            for file in files:
                if file.exists():
                    file.chmod(0o755 if file.is_dir() else 0o644)
            await harness.start_bot()
            assert {
                file.name: file.stat().st_mode & 0o077 for file in (folder, anchor, *folder.iterdir())
            } == {file.name: 0 for file in (folder, anchor, *folder.iterdir())}
    finally:
        os.umask(umask_before)


async def test_f10_removed_changed_or_forged_lines_of_the_anchor_are_found(tmp_path: Path) -> None:
    anchor = tmp_path / "elsewhere" / "anchor.jsonl"
    anchor.parent.mkdir()
    (tmp_path / "bot").mkdir()
    async with governed(tmp_path / "bot", audit_anchor=str(anchor)) as harness:
        for _ in range(3):
            await harness.ask("/bitrise trigger android branch:main", "anna started")
        await harness.stop_bot()
        lines = anchor.read_text().splitlines(keepends=True)
        forged_line = lines[-1].replace(f'"anchor":{len(lines)}', f'"anchor":{len(lines) + 1}')
        for forged in (
            lines[:-1],
            [*lines[:2], *lines[3:]],
            lines[1:],
            [*lines, forged_line],
            [],
            [*lines[:-1], lines[-1].replace('"entry"', '"state"')],
        ):
            anchor.write_text("".join(forged))
            assert (await verify_audit_log(harness))[0] == 1
        # A forged line that is right otherwise has a wrong signature.
        next_line = forged_line.replace(
            json.loads(forged_line)["previous"], hashlib.sha256(lines[-1].strip().encode()).hexdigest()
        )
        anchor.write_text("".join([*lines, next_line]))
        code, output = await verify_audit_log(harness)
        assert (code, "its signature doesn't match" in output) == (1, True)
        anchor.write_text("".join(lines))
        assert (await verify_audit_log(harness))[0] == 0


async def run_operator_command(harness: BotHarness, *arguments: str) -> tuple[int, str]:
    """Run an operator's command with the bot's settings."""
    return await run_forked(*arguments, **{name.upper(): value for name, value in harness.settings().items()})


async def verify_audit_log(harness: BotHarness) -> tuple[int, str]:
    return await run_operator_command(harness, "audit", "--verify")


def copy_database(harness: BotHarness) -> Path:
    """Copy the database, as a person can who can read the folder or a backup."""
    copies = harness.folder / "copies"
    copies.mkdir(exist_ok=True)
    copy = copies / f"{len(list(copies.iterdir()))}.db"
    with (
        closing(sqlite3.connect(harness.folder / "buildbell.db")) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    return copy


def replace_database(harness: BotHarness, copy: Path) -> None:
    """Replace the database, as a person can who can write to the folder and knows no key."""
    for file in harness.folder.glob("buildbell.db-*"):
        file.unlink()
    # A new file instead of overwriting the old one: SQLite knows that one by its inode while any part of this process
    # still has it open.
    temporary = harness.folder / "put-in-place.db"
    shutil.copyfile(copy, temporary)
    temporary.replace(harness.folder / "buildbell.db")


def execute_without_triggers(harness: BotHarness, *statements: str, old: Path | None = None) -> None:
    """Drop all triggers, execute the statements, and create the triggers again, except those that a statement drops."""
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


async def test_f4_the_bots_own_log_contains_no_token(
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
    output = "".join(capfd.readouterr())
    assert "audit" in output
    for secret in (BEN_TOKEN, ANNA_TOKEN, TOKEN, BOT_TOKEN, APP_TOKEN, SECRET_KEY):
        assert secret not in output


async def test_g1_permissions_lost_at_bitrise_are_lost_here_at_once(harness: BotHarness) -> None:
    harness.bitrise.set_role("ben-okafor", harness.bitrise.android, None)
    await harness.ask("/bitrise trigger android branch:main", "No app named", person="ben")
    harness.bitrise.revoke(BEN_TOKEN)
    await harness.ask("/bitrise trigger ios branch:main", "rejected your token", person="ben")
    assert harness.bitrise.state.builds == []


async def test_g2_a_person_who_leaves_a_user_group_loses_its_permissions(tmp_path: Path) -> None:
    async with governed(tmp_path, RELEASE_TEAM) as harness:
        harness.slack.workspace.groups["S0RELEASE"].users.clear()
        await harness.ask("/bitrise trigger android branch:main", "Only Anna Berg", person="ben")
        assert harness.bitrise.state.builds == []


async def test_g3_the_token_of_a_person_who_leaves_the_workspace_is_deleted(harness: BotHarness) -> None:
    harness.users.deactivate("ben")
    await harness.wait_for_commands("user_change")
    assert await harness.rows("SELECT user_id FROM accounts") == [("U0ANNA",)]


async def test_g4_a_channel_gets_only_notifications_that_the_subscriber_may_see(tmp_path: Path) -> None:
    async with bot_harness(
        tmp_path, seconds={"access_check_seconds": 0.2}, service_token_acts="0"
    ) as harness:
        await harness.connect("ben")
        await harness.ask("/bitrise subscribe ios", "subscribed", person="ben")
        harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, None)
        await harness.wait_for_message("can't see the app at Bitrise any more", person=None)
        harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios))
        await harness.wait_for_poll()
        assert harness.messages_with("Sample iOS #1") == []


async def test_i1_a_short_or_missing_key_is_refused() -> None:
    from storage.encryption import InvalidKey, SecretBox

    for keys in ([], ["secret"], ["a" * 40, "short"]):
        with pytest.raises(InvalidKey):
            SecretBox(keys)


async def test_i2_rules_that_can_not_be_read_or_stored_stop_the_start(tmp_path: Path) -> None:
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


def settings_error(**settings: str) -> str:
    """Return why the bot does not start with these settings; "" if it does."""
    try:
        Settings(_env_file=None, **settings)  # type: ignore[arg-type]
    except ValidationError as problem:
        return describe_errors(problem)
    return ""


def test_i3_a_bot_that_anyone_can_install_does_not_act_with_its_own_token() -> None:
    settings = {**MANY_WORKSPACES, "service_token_acts": "1"}
    output = settings_error(**settings)
    assert "SLACK_WORKSPACES" in output
    assert "SERVICE_TOKEN_ACTS=0" in output
    assert "\n" not in output
    for named in ("", " ", ","):
        assert settings_error(**settings, slack_workspaces=named) == output
    assert "everybody is not the ID" in settings_error(**settings, slack_workspaces="T0ACME,everybody")
    assert settings_error(**settings, slack_workspaces="T0ACME, E0GRID") == ""
    assert settings_error(**MANY_WORKSPACES) == ""
    assert settings_error(**ONE_WORKSPACE, service_token_acts="1") == ""
    assert "needs SLACK_CLIENT_ID" in settings_error(**ONE_WORKSPACE, slack_workspaces="T0ACME")


@pytest.mark.parametrize(
    "name", ["slack_api_url", "slack_authorize_url", "bitrise_api_url", "buildio_api_url", "public_url"]
)
def test_i4_a_url_that_would_send_tokens_unencrypted_stops_the_start(name: str) -> None:
    hosts = (
        "api.example.com",
        "10.0.0.7",
        "0.0.0.0",  # noqa: S104 - nothing binds to it here
        "localhost.example.com",
        "[::ffff:10.0.0.7]",
        "127.0.0.1.nip.io",
    )
    for host in hosts:
        output = settings_error(**ONE_WORKSPACE, **{name: f"http://{host}/v1"})
        assert output.startswith(f"{name.upper()}: must begin with https://"), host
        assert "\n" not in output
        assert settings_error(**ONE_WORKSPACE, **{name: f"HTTP://{host}/v1"}) == output
        assert settings_error(**ONE_WORKSPACE, **{name: f"https://{host}/v1"}) == ""
    for here in ("127.0.0.1:3000", "localhost:1", "[::1]:80", "127.9.9.9"):
        assert settings_error(**ONE_WORKSPACE, **{name: f"http://{here}/v1"}) == ""


async def test_f5_a_backup_contains_no_token_in_plain_text_and_only_its_owner_can_read_it(
    harness: BotHarness,
) -> None:
    from storage.backup import back_up

    backup = harness.folder / "backup.db"
    back_up(harness.folder / "buildbell.db", backup)
    content = backup.read_bytes()
    assert len(content) > 10_000
    for secret in (ANNA_TOKEN, BEN_TOKEN, TOKEN, BOT_TOKEN, APP_TOKEN, SECRET_KEY):
        assert secret.encode() not in content
    assert backup.stat().st_mode & 0o077 == 0
