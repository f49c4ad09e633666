"""The operator's commands, as they are typed: what they say, and how they end."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from bot.vault import Vault
from storage import Database
from tests.operating.forking import forked
from tests.operating.test_process import WHOLE, buildbell
from tests.storage.holding import (
    ANNA,
    BEN,
    NEW,
    OLD,
    SLACK_TOKEN,
    TEAM,
    TOKEN,
    a_full_database,
    everything,
    without_audit,
)
from tests.storage.test_migrations import first_version
from tests.town import Town


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    await a_full_database(tmp_path / "b.db")
    return tmp_path / "b.db"


async def typed(path: Path, *arguments: str, key: str = OLD) -> tuple[int, str]:
    """The command with nothing set but where the database is and its key; a problem is one line without a secret."""
    code, said = await forked(
        *arguments, DATABASE_URL=f"sqlite:///{path}", **({"BUILDBELL_SECRET_KEY": key} if key else {})
    )
    assert "Traceback" not in said
    for secret in (TOKEN, SLACK_TOKEN, OLD, NEW):
        assert secret not in said
    if said.startswith("buildbell: "):
        assert code in (1, 2)
        assert said.count("\n") == 1
    return code, said


async def test_a_new_key_is_one_that_the_settings_take_and_never_the_same() -> None:
    (code, one), (_, other) = await asyncio.gather(buildbell("new-key"), forked("new-key"))
    assert code == 0
    assert Vault([one.strip(), other.strip()]).key_name == Vault([one.strip()]).key_name
    assert one != other


async def test_keys_are_changed_beside_a_running_bot(path: Path) -> None:
    bot = await Database.open(path)
    code, said = await typed(path, "rotate-key", key=f"{NEW},{OLD}")
    assert code == 0
    assert "4 accounts, 1 installation, 4 proposals, 4 sign-ins, 2 audit ends, 1 audit register" in said
    assert "those of 4 open proposals" in said
    code, said = await typed(path, "rotate-key", key=f"{NEW},{OLD}")
    assert (code, "Nothing is left to do" in said) == (0, True)
    code, said = await typed(path, "rotate-key", key=OLD)
    assert code == 1
    assert "nothing was changed" in said
    assert f"accounts: of {ANNA} in {TEAM} at bitrise: it was sealed with another key" in said
    assert "installations: of workspace" in said
    assert (await typed(path, "rotate-key", key=""))[0] == 2
    await bot.close()


async def test_the_audit_log_is_verified_exported_and_sealed(path: Path) -> None:
    code, said = await typed(path, "audit", "--verify")
    assert code == 0
    first, _, outside = said.splitlines()
    assert outside.startswith("Nothing outside the database vouches for it")
    assert first.startswith(f"{TEAM}: well: 2 entries, the last is 2 with hash ")
    assert first.endswith("; its end is sealed.")
    noted = first.split("hash ")[1].split(";")[0]
    assert (await typed(path, "audit", "--team", TEAM, "--expect", noted))[0] == 0
    assert (await typed(path, "audit", "--expect", noted))[0] == 2
    code, said = await typed(path, "audit", "--team", TEAM, "--expect", "0" * 64)
    assert (code, "noted before is none of its entries" in said) == (1, True)
    assert "its seal was not checked" in (await typed(path, "audit", key=""))[1]
    assert (await typed(path, "audit", "--team", "T9"))[0] == 2
    assert (await typed(path, "audit", "--export", "--seal"))[0] == 2

    code, said = await typed(path, "audit", "--export")
    lines = [json.loads(line) for line in said.splitlines()]
    assert [(one["team"], one["seq"]) for one in lines] == [(TEAM, 1), (TEAM, 2), ("T2", 1), ("T2", 2)]
    assert lines[1]["hash"] == noted
    assert {one["person"] for one in lines} == {ANNA, BEN}

    change(path, "UPDATE audit_chains SET seal = NULL WHERE team_id = 'T2'")
    code, said = await typed(path, "audit")
    assert (code, "T2: not well: its end has no seal" in said) == (1, True)
    assert (await typed(path, "audit", "--seal")) == (0, "Sealed: 1 audit end.\n")
    assert (await typed(path, "audit", "--seal")) == (0, "Every end has its seal already.\n")

    change(
        path,
        "DROP TRIGGER audit_is_not_changed",
        "UPDATE audit SET body = '{}' WHERE team_id = 'T2' AND seq = 1",
    )
    code, said = await typed(path, "audit")
    assert code == 1
    assert f"{TEAM}: well" in said
    assert "T2: not well: entry 1 was changed." in said
    assert (await typed(path, "audit", "--seal"))[0] == 1


def change(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


async def test_a_person_is_handed_over_and_erased(path: Path) -> None:
    code, said = await typed(path, "export-user", TEAM, ANNA)
    assert code == 0
    assert json.loads(said)["tables"]["people"][0]["email"] == "anna-at-bitrise@example.com"
    before = everything(path)
    code, said = await typed(path, "erase-user", TEAM, ANNA)
    assert (code, "Say --yes" in said) == (2, True)
    assert everything(path) == before
    assert (await typed(path, "erase-user", TEAM, ANNA, "--yes", key=""))[0] == 1
    assert everything(path) == before

    code, said = await typed(path, "erase-user", TEAM, ANNA, "--yes")
    assert code == 0
    assert "accounts 1" in said
    assert "Erased from the audit log: 2 entries." in said
    code, said = await typed(path, "export-user", TEAM, ANNA)
    assert json.loads(said) == {"team": TEAM, "user": ANNA, "tables": {}, "audit": []}
    assert (await typed(path, "audit"))[0] == 0
    assert "Nothing was known of U0ANNA" in (await typed(path, "erase-user", TEAM, ANNA, "--yes"))[1]


async def test_what_is_no_id_is_said_so(path: Path) -> None:
    assert "Nothing was known of U_ANNA" in (await typed(path, "erase-user", "T_ACME", "U_ANNA", "--yes"))[1]
    wrong = [("t1", ANNA), (TEAM, "anna"), (TEAM, "%"), (TEAM, "<@U0ANNA>")]
    for code, said in await asyncio.gather(*(typed(path, "export-user", *one) for one in wrong)):
        assert code == 2
        assert "no id of Slack's" in said


async def test_a_backup_is_made_and_put_back_where_the_bot_is_stopped(path: Path) -> None:
    copy = path.with_name("copy.db")
    before = without_audit(path)
    bot = await Database.open(path)
    code, said = await typed(path, "backup", str(copy))
    assert code == 0
    assert "accounts 4" in said
    assert "SHA-256" in said
    code, said = await typed(path, "backup", str(copy))
    assert (code, "--force" in said) == (2, True)
    assert (await typed(path, "backup", str(copy), "--force"))[0] == 0
    code, said = await typed(path, "restore", str(copy), "--yes")
    assert (code, "in use by another Buildbell" in said) == (2, True)
    await bot.close()
    change(path, "DELETE FROM people")
    code, said = await typed(path, "restore", str(copy))
    assert (code, "Say --yes" in said) == (2, True)
    code, said = await typed(path, "restore", str(copy), "--yes")
    assert code == 0
    assert ".before-restore-" in said
    assert without_audit(path) == before
    copy.write_bytes(copy.read_bytes()[:5000])
    code, said = await typed(path, "restore", str(copy), "--yes")
    assert (code, "is damaged" in said) == (1, True)
    assert without_audit(path) == before


async def test_forgetting_what_is_owed_needs_bitrise_and_changes_nothing_without_it(path: Path) -> None:
    copy = path.with_name("copy.db")
    await typed(path, "backup", str(copy))
    before = everything(path)
    code, said = await typed(path, "restore", str(copy), "--forget-owed", "--yes")
    assert (code, "SLACK_BOT_TOKEN" in said) == (2, True)
    code, said = await forked(
        "restore",
        str(copy),
        "--forget-owed",
        "--yes",
        **WHOLE,
        DATABASE_URL=str(path),
        BUILDBELL_SECRET_KEY=OLD,
    )
    assert (code, said.count("\n")) == (1, 1)
    assert "Bitrise" in said
    assert everything(path) == before


EVERY: list[tuple[str, ...]] = [
    ("rotate-key",),
    ("audit",),
    ("export-user", TEAM, ANNA),
    ("erase-user", TEAM, ANNA, "--yes"),
    ("backup", "copy.db"),
]


async def test_no_command_makes_a_database_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    for code, said in await asyncio.gather(*(typed(path, *arguments) for arguments in EVERY)):
        assert (code, "there is no database at" in said) == (2, True)
    assert not [*tmp_path.glob("*")]  # noqa: ASYNC240


async def test_an_older_database_is_left_to_the_bot_but_can_be_backed_up(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    first_version(path)
    before = path.read_bytes()
    code, said = await typed(path, "export-user", TEAM, ANNA)
    assert (code, "Start the bot of this version once" in said) == (2, True)
    assert path.read_bytes() == before
    assert (await typed(path, "backup", str(tmp_path / "copy.db")))[0] == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"DATABASE_URL": "postgresql://x/y"}, "DATABASE_URL: must be an SQLite file"),
        ({"BUILDBELL_SECRET_KEY": "short"}, "BUILDBELL_SECRET_KEY: each key needs 32 characters"),
    ],
)
async def test_a_wrong_setting_is_one_clear_line(settings: dict[str, str], words: str) -> None:
    code, said = await forked("audit", **settings)
    assert (code, said.count("\n")) == (2, 1)
    assert words in said


async def test_somebody_erased_beside_a_running_bot_is_known_no_more(town: Town, tmp_path: Path) -> None:
    """The channel's subscription goes on for the others until the bot finds their account gone."""
    await town.connect("anna")
    await town.ask("/bitrise subscribe android", "subscribed")
    environment: dict[str, Any] = {name.upper(): value for name, value in town.settings().items()}
    code, said = await forked("erase-user", "T0SANDBOX", "U0ANNA", "--yes", **environment)
    assert code == 0, said
    await town.ask("/bitrise whoami", "have not linked an account")
    listed = await town.ask("/bitrise subscriptions", "(erased)", person="ben")
    assert "<@(erased)>" not in str(listed.blocks)
    code, said = await forked("audit", **environment)
    assert code == 0, said
