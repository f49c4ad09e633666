"""The operator's commands: their output and exit codes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from storage.database_url import is_postgres, open_database
from storage.encryption import SecretBox
from storage.sqlite_database import SqliteDatabase
from tests.bot.test_process import WHOLE, buildbell
from tests.compatibility.recorded_release import write_database
from tests.storage.full_database import (
    ANNA,
    BEN,
    NEW,
    OLD,
    SLACK_TOKEN,
    TEAM,
    TOKEN,
    create_full_database,
    dump_rows,
    without_audit,
)
from tests.storage.test_migrations import first_version
from tests.support.bot_harness import BotHarness
from tests.support.forked_process import run_forked
from tests.support.schema import connect_directly


@pytest.fixture
async def url(database_url: str) -> str:
    await create_full_database(database_url)
    return database_url


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    await create_full_database(tmp_path / "b.db")
    return tmp_path / "b.db"


async def run_command(url: str | Path, *arguments: str, key: str = OLD) -> tuple[int, str]:
    """Run a command with only the database and its key set; an error must be one line without a secret."""
    code, output = await run_forked(
        *arguments, DATABASE_URL=str(url), **({"BUILDBELL_SECRET_KEY": key} if key else {})
    )
    assert "Traceback" not in output
    for secret in (TOKEN, SLACK_TOKEN, OLD, NEW):
        assert secret not in output
    if output.startswith("buildbell: "):
        assert code in (1, 2)
        assert output.count("\n") == 1
    return code, output


async def test_a_new_key_is_valid_and_different_each_time() -> None:
    (code, first), (_, second) = await asyncio.gather(buildbell("new-key"), run_forked("new-key"))
    assert code == 0
    assert SecretBox([first.strip(), second.strip()]).key_name == SecretBox([first.strip()]).key_name
    assert first != second


async def test_keys_are_rotated_while_the_bot_runs(url: str) -> None:
    bot = await open_database(url)
    code, output = await run_command(url, "rotate-key", key=f"{NEW},{OLD}")
    assert code == 0
    assert (
        "4 accounts, 1 installation, 4 pending actions, 4 sign-ins, 2 audit ends, 1 audit register" in output
    )
    assert "the buttons of 4 pending actions" in output
    assert ("VACUUM FULL rewrites the tables" in output) == is_postgres(url)
    code, output = await run_command(url, "rotate-key", key=f"{NEW},{OLD}")
    assert (code, output.startswith("Nothing left to do")) == (0, True)
    code, output = await run_command(url, "rotate-key", key=OLD)
    assert code == 1
    assert "nothing was changed" in output
    assert f"accounts: of {ANNA} in {TEAM} at bitrise: it was sealed with another key" in output
    assert "installations: of workspace" in output
    assert (await run_command(url, "rotate-key", key=""))[0] == 2
    await bot.close()


async def test_the_audit_log_is_verified_exported_and_sealed(url: str) -> None:
    code, output = await run_command(url, "audit", "--verify")
    assert code == 0
    first, _, outside = output.splitlines()
    assert outside.startswith("No copy outside the database")
    assert first.startswith(f"{TEAM}: ok: 2 entries, the last is 2 with hash ")
    assert first.endswith("; its end is sealed.")
    last_hash = first.split("hash ")[1].split(";")[0]
    assert (await run_command(url, "audit", "--team", TEAM, "--expect", last_hash))[0] == 0
    assert (await run_command(url, "audit", "--expect", last_hash))[0] == 2
    code, output = await run_command(url, "audit", "--team", TEAM, "--expect", "0" * 64)
    assert (code, "no entry has the expected hash" in output) == (1, True)
    assert "its seal was not checked" in (await run_command(url, "audit", key=""))[1]
    assert (await run_command(url, "audit", "--team", "T9"))[0] == 2
    assert (await run_command(url, "audit", "--export", "--seal"))[0] == 2

    code, output = await run_command(url, "audit", "--export")
    lines = [json.loads(line) for line in output.splitlines()]
    assert [(line["team"], line["seq"]) for line in lines] == [(TEAM, 1), (TEAM, 2), ("T2", 1), ("T2", 2)]
    assert lines[1]["hash"] == last_hash
    assert {line["person"] for line in lines} == {ANNA, BEN}

    change_database(url, "UPDATE audit_chains SET seal = NULL WHERE team_id = 'T2'")
    code, output = await run_command(url, "audit")
    assert (code, "T2: failed: its end has no seal" in output) == (1, True)
    assert (await run_command(url, "audit", "--seal")) == (0, "Sealed: 1 audit end.\n")
    assert (await run_command(url, "audit", "--seal")) == (0, "Everything is sealed already.\n")

    change_database(
        url,
        "DROP TRIGGER audit_is_not_changed" + (" ON audit" if is_postgres(url) else ""),
        "UPDATE audit SET body = '{}' WHERE team_id = 'T2' AND seq = 1",
    )
    code, output = await run_command(url, "audit")
    assert code == 1
    assert f"{TEAM}: ok" in output
    assert "T2: failed: entry 1 was changed." in output
    assert "All workspaces: failed: the trigger audit_is_not_changed was removed." in output
    assert (await run_command(url, "audit", "--seal"))[0] == 1


def change_database(url: str | Path, *statements: str) -> None:
    with connect_directly(str(url)) as db:
        for statement in statements:
            db.execute(statement)


async def test_a_persons_data_is_exported_and_erased(url: str) -> None:
    code, output = await run_command(url, "export-user", TEAM, ANNA)
    assert code == 0
    assert json.loads(output)["tables"]["people"][0]["email"] == "anna-at-bitrise@example.com"
    before = dump_rows(url)
    code, output = await run_command(url, "erase-user", TEAM, ANNA)
    assert (code, "Add --yes" in output) == (2, True)
    assert dump_rows(url) == before
    assert (await run_command(url, "erase-user", TEAM, ANNA, "--yes", key=""))[0] == 1
    assert dump_rows(url) == before

    code, output = await run_command(url, "erase-user", TEAM, ANNA, "--yes")
    assert code == 0
    assert "accounts 1" in output
    assert "Erased from the audit log: 2 entries." in output
    code, output = await run_command(url, "export-user", TEAM, ANNA)
    assert json.loads(output) == {"team": TEAM, "user": ANNA, "tables": {}, "audit": []}
    assert (await run_command(url, "audit"))[0] == 0
    assert "No data about U0ANNA" in (await run_command(url, "erase-user", TEAM, ANNA, "--yes"))[1]


async def test_an_invalid_id_is_reported(url: str) -> None:
    assert "No data about U_ANNA" in (await run_command(url, "erase-user", "T_ACME", "U_ANNA", "--yes"))[1]
    invalid_ids = [("t1", ANNA), (TEAM, "anna"), (TEAM, "%"), (TEAM, "<@U0ANNA>")]
    for code, output in await asyncio.gather(*(run_command(url, "export-user", *ids) for ids in invalid_ids)):
        assert code == 2
        assert "not a Slack ID" in output


async def test_a_backup_is_made_and_restored_while_the_bot_is_stopped(path: Path) -> None:
    copy = path.with_name("copy.db")
    before = without_audit(path)
    bot = await SqliteDatabase.open(path)
    code, output = await run_command(path, "backup", str(copy))
    assert code == 0
    assert "accounts 4" in output
    assert "SHA-256" in output
    code, output = await run_command(path, "backup", str(copy))
    assert (code, "--force" in output) == (2, True)
    assert (await run_command(path, "backup", str(copy), "--force"))[0] == 0
    code, output = await run_command(path, "restore", str(copy), "--yes")
    assert (code, "in use by another Buildbell" in output) == (2, True)
    await bot.close()
    change_database(path, "DELETE FROM people")
    code, output = await run_command(path, "restore", str(copy))
    assert (code, "Add --yes" in output) == (2, True)
    code, output = await run_command(path, "restore", str(copy), "--yes")
    assert code == 0
    assert ".before-restore-" in output
    assert without_audit(path) == before
    copy.write_bytes(copy.read_bytes()[:5000])
    code, output = await run_command(path, "restore", str(copy), "--yes")
    assert (code, "is damaged" in output) == (1, True)
    assert without_audit(path) == before


async def test_forgetting_pending_notifications_needs_bitrise_and_changes_nothing_without_it(
    path: Path,
) -> None:
    copy = path.with_name("copy.db")
    await run_command(path, "backup", str(copy))
    before = dump_rows(path)
    code, output = await run_command(path, "restore", str(copy), "--forget-owed", "--yes")
    assert (code, "SLACK_BOT_TOKEN" in output) == (2, True)
    code, output = await run_forked(
        "restore",
        str(copy),
        "--forget-owed",
        "--yes",
        **WHOLE,
        DATABASE_URL=str(path),
        BUILDBELL_SECRET_KEY=OLD,
    )
    assert (code, output.count("\n")) == (1, 1)
    assert "Bitrise" in output
    assert dump_rows(path) == before


async def test_a_new_process_reads_the_apps_of_every_provider(tmp_path: Path) -> None:
    # The recorded database has watched apps of each. No module of a provider is imported before the program itself.
    copy = tmp_path / "copy.db"
    write_database(copy)
    code, output = await buildbell(
        "restore", str(copy), "--forget-owed", "--yes", **WHOLE, DATABASE_URL=str(tmp_path / "b.db")
    )
    assert (code, output.count("\n")) == (1, 1), output
    assert "Bitrise" in output


COMMANDS: list[tuple[str, ...]] = [
    ("rotate-key",),
    ("audit",),
    ("export-user", TEAM, ANNA),
    ("erase-user", TEAM, ANNA, "--yes"),
    ("backup", "copy.db"),
]


async def test_no_command_creates_a_missing_database(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    for code, output in await asyncio.gather(*(run_command(path, *arguments) for arguments in COMMANDS)):
        assert (code, "there is no database at" in output) == (2, True)
    assert not [*tmp_path.glob("*")]  # noqa: ASYNC240


async def test_an_older_database_is_only_migrated_by_the_bot_but_can_be_backed_up(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    first_version(path)
    before = path.read_bytes()
    code, output = await run_command(path, "export-user", TEAM, ANNA)
    assert (code, "Start the bot of this version once" in output) == (2, True)
    assert path.read_bytes() == before
    assert (await run_command(path, "backup", str(tmp_path / "copy.db")))[0] == 0


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"DATABASE_URL": "mysql://x/y"}, "DATABASE_URL: must be an SQLite file"),
        ({"BUILDBELL_SECRET_KEY": "short"}, "BUILDBELL_SECRET_KEY: each key needs 32 characters"),
    ],
)
async def test_a_wrong_setting_is_reported_in_one_line(settings: dict[str, str], expected: str) -> None:
    code, output = await run_forked("audit", **settings)
    assert (code, output.count("\n")) == (2, 1)
    assert expected in output


async def test_a_person_erased_while_the_bot_runs_is_unknown_at_once(
    harness: BotHarness, tmp_path: Path
) -> None:
    """The channel's subscription remains until the bot finds that their account is gone."""
    await harness.connect("anna")
    await harness.ask("/bitrise subscribe android", "subscribed")
    environment: dict[str, Any] = {name.upper(): value for name, value in harness.settings().items()}
    code, output = await run_forked("erase-user", "T0SANDBOX", "U0ANNA", "--yes", **environment)
    assert code == 0, output
    await harness.ask("/bitrise whoami", "You have no connected Bitrise account")
    listed = await harness.ask("/bitrise subscriptions", "(erased)", person="ben")
    assert "<@(erased)>" not in str(listed.blocks)
    code, output = await run_forked("audit", **environment)
    assert code == 0, output
