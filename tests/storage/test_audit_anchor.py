"""The audit log's anchor: it detects any change of the database, and continues after every legitimate operation."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from bot.data_settings import DataSettings
from bot.settings_errors import describe_errors
from domain.audit_chain import AuditEntry, ChainBroken, Event, PersonalFields
from providers.bitrise.provider import BITRISE
from services.jobs.audit_anchor import AnchorNotWritable, AnchorWriter, use_anchor
from storage.audit_anchor_lines import AddressProblem, AnchorAddress, read_anchor
from storage.database_url import is_postgres, open_database
from storage.encryption import SecretBox
from storage.retention import prune
from storage.sqlite_database import SqliteDatabase
from tests.storage.full_database import NEW, OLD, rows_of, secret_box
from tests.support.bot_harness import bot_harness
from tests.support.factories import NOON
from tests.support.forked_process import run_forked
from tests.support.repositories import make_repositories
from tests.support.schema import connect_directly

ONE, TWO = "T0ONE", "T0TWO"
PROTECTED = "audit", "audit_register"
CHAINS = "audit_is_not_changed", "audit_is_not_cut", "audit_register_stays"


@dataclass
class AnchorScenario:
    """A database and its anchor in separate folders; the database may be on a server."""

    folder: Path
    key: str = OLD
    anchored: bool = True
    server_url: str = ""

    @property
    def url(self) -> str:
        return self.server_url or f"sqlite:///{self.path}"

    @property
    def path(self) -> Path:
        return self.folder / "data" / "b.db"

    @property
    def anchor(self) -> Path:
        return self.folder / "elsewhere" / "anchor.jsonl"

    @property
    def address(self) -> AnchorAddress:
        return AnchorAddress.parse(str(self.anchor))

    @property
    def lines(self) -> list[str]:
        return self.anchor.read_text().splitlines()

    async def run_bot(self, *teams: str, send_lines: bool = True, days: int = 0) -> None:
        """Run a bot, and append an audit entry in each of these workspaces."""
        self.anchor.parent.mkdir(exist_ok=True)
        async with AsyncExitStack() as stack:
            database = await open_database(self.url)
            stack.push_async_callback(database.close)
            keys = SecretBox(self.key.split(","))
            storage = make_repositories(database, keys)
            writer = AnchorWriter(database, self.address, clock=lambda: NOON)
            if self.anchored:
                await writer.check()
            await use_anchor(database, keys, self.address if self.anchored else None, lambda: NOON)
            for number, team in enumerate(teams):
                database.mark_present(team)
                entry = AuditEntry(
                    event=Event.DONE, act="abort", personal=PersonalFields(person="U0ANNA"), app="a"
                )
                await storage.of(team).audit_log.append(entry, NOON + timedelta(days=days, minutes=number))
            if send_lines:
                await writer.write_waiting()

    async def run_command(self, *arguments: str, key: str | None = None) -> tuple[int, str]:
        settings = {"AUDIT_ANCHOR": str(self.anchor)} if self.anchored else {}
        return await run_forked(
            *arguments,
            DATABASE_URL=self.url,
            BUILDBELL_SECRET_KEY=self.key if key is None else key,
            **settings,
        )

    async def verify(self, *arguments: str) -> tuple[int, str]:
        return await self.run_command("audit", "--verify", *arguments)

    def copy(self, name: str) -> Path:
        """Copy the whole database, as anybody with access to its folder can."""
        with (
            closing(sqlite3.connect(self.path)) as source,
            closing(sqlite3.connect(self.folder / name)) as target,
        ):
            source.backup(target)
        return self.folder / name

    def tamper(self, *statements: str) -> None:
        """Run statements without the triggers and restore these, as an attacker with a shell can."""
        with connect_directly(self.url) as db:
            if self.server_url:
                without = [f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in PROTECTED]
                restored = [f"ALTER TABLE {table} ENABLE TRIGGER USER" for table in PROTECTED]
            else:
                query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
                triggers = dict(db.execute(query).fetchall())
                without, restored = [f"DROP TRIGGER {name}" for name in triggers], [*triggers.values()]
            for statement in (*without, *statements, *restored):
                db.execute(statement)

    def remember_rows(self, *tables: str) -> dict[str, list[dict[str, Any]]]:
        with connect_directly(self.url) as db:
            return {table: rows_of(db, table) for table in tables}

    def restore_rows(self, before: Mapping[str, list[dict[str, Any]]]) -> None:
        with connect_directly(self.url) as db:
            for table, rows in before.items():
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - names of tables
                for row in rows:
                    marks = ", ".join("?" * len(row))
                    statement = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})"  # noqa: S608
                    db.execute(statement, list(row.values()))


@pytest.fixture
def scenario(tmp_path: Path) -> AnchorScenario:
    return AnchorScenario(tmp_path)


@pytest.fixture
def scenario_on_both(tmp_path: Path, database_url: str) -> AnchorScenario:
    return AnchorScenario(tmp_path, server_url=database_url if is_postgres(database_url) else "")


async def test_an_unchanged_log_is_valid_and_compared_with_the_anchor(
    scenario_on_both: AnchorScenario,
) -> None:
    await scenario_on_both.run_bot(ONE, ONE, TWO)
    await scenario_on_both.run_bot(TWO)
    code, output = await scenario_on_both.verify()
    assert code == 0, output
    assert f"{ONE}: ok: 2 entries" in output
    assert f"{TWO}: ok: 2 entries" in output
    assert "Compared with the anchor: 5 lines" in output
    assert [json.loads(line)["event"] for line in scenario_on_both.lines] == ["begun", *["entry"] * 4]
    assert scenario_on_both.anchor.stat().st_mode & 0o777 == 0o600
    assert "U0ANNA" not in scenario_on_both.anchor.read_text()


async def test_a_cut_end_is_detected_although_the_old_chain_end_was_restored(
    scenario_on_both: AnchorScenario,
) -> None:
    await scenario_on_both.run_bot(ONE, ONE, ONE, TWO)
    before = scenario_on_both.remember_rows("audit_chains")
    await scenario_on_both.run_bot(ONE, ONE)
    scenario_on_both.tamper("DELETE FROM audit WHERE team_id = 'T0ONE' AND seq > 3")
    scenario_on_both.restore_rows(before)
    code, output = await scenario_on_both.verify()
    assert code == 1
    assert f"{ONE}: failed: it goes from entry 1 to 3, but the register of all chains says 1 to 5." in output
    assert f"{ONE}: failed: its log ends with entry 3, but the anchor has entry 5" in output
    assert f"{TWO}: ok" in output
    await scenario_on_both.run_bot(ONE)  # running the bot again hides nothing
    code, output = await scenario_on_both.verify()
    assert code == 1
    assert f"{ONE}: failed" in output


async def test_a_cut_end_is_detected_by_the_anchor_although_the_old_register_was_restored(
    scenario_on_both: AnchorScenario,
) -> None:
    await scenario_on_both.run_bot(ONE, ONE, ONE)
    before = scenario_on_both.remember_rows("audit_chains", "audit_register")
    await scenario_on_both.run_bot(ONE, ONE)
    scenario_on_both.tamper("DELETE FROM audit WHERE seq > 3", "DELETE FROM audit_register")
    scenario_on_both.restore_rows(before)
    scenario_on_both.anchored = False
    code, output = await scenario_on_both.verify()
    assert (code, "No copy outside the database" in output) == (0, True)
    scenario_on_both.anchored = True
    code, output = await scenario_on_both.verify()
    assert code == 1
    assert f"{ONE}: failed: its log ends with entry 3, but the anchor has entry 5" in output
    assert "the anchor has 2 later changes than the database" in output


@pytest.mark.parametrize("anchored", [True, False])
async def test_a_deleted_chain_is_detected_and_no_new_one_is_started(
    scenario: AnchorScenario, anchored: bool
) -> None:
    scenario.anchored = anchored
    await scenario.run_bot(ONE, TWO)
    scenario.tamper(
        "DELETE FROM audit WHERE team_id = 'T0TWO'", "DELETE FROM audit_chains WHERE team_id = 'T0TWO'"
    )
    code, output = await scenario.verify()
    assert code == 1
    assert f"{TWO}: failed: its log is missing; the register of all chains has it up to entry 1." in output
    assert f"{ONE}: ok" in output
    with pytest.raises(ChainBroken, match="its log is missing"):
        await scenario.run_bot(TWO)
    assert (await scenario.verify())[0] == 1


@pytest.mark.parametrize("anchored", [True, False])
async def test_an_emptied_log_is_not_reported_as_empty(scenario: AnchorScenario, anchored: bool) -> None:
    scenario.anchored = anchored
    await scenario.run_bot()
    assert "The audit log is empty." in (await scenario.verify())[1]
    await scenario.run_bot(ONE, TWO)
    scenario.tamper("DELETE FROM audit", "DELETE FROM audit_chains")
    code, output = await scenario.verify()
    assert code == 1
    assert "The audit log is empty" not in output
    assert output.count("its log is missing") >= 2
    scenario.tamper("DELETE FROM audit_register")
    code, output = await scenario.verify()
    assert code == 1
    assert "the register of all chains is missing" in output
    assert (f"{ONE}: failed: its log is missing; the anchor has it up to entry 1" in output) is anchored
    with pytest.raises(ChainBroken, match="the register of all chains is missing"):
        await scenario.run_bot(ONE)
    assert (await scenario.verify())[0] == 1


async def test_a_register_from_before_the_chain_does_not_match_the_workspaces_data(
    scenario_on_both: AnchorScenario,
) -> None:
    scenario_on_both.anchored = False
    await scenario_on_both.run_bot()
    empty = scenario_on_both.remember_rows("audit_register")
    database = await open_database(scenario_on_both.url)
    accounts = make_repositories(database, secret_box()).of(ONE).accounts
    await accounts.connect("U1", BITRISE, SecretStr("t"), provider_user="x", name="x", at=NOON)
    await database.close()
    await scenario_on_both.run_bot(ONE)
    scenario_on_both.tamper("DELETE FROM audit", "DELETE FROM audit_chains", "DELETE FROM audit_register")
    scenario_on_both.restore_rows(empty)
    code, output = await scenario_on_both.verify()
    assert code == 1
    assert f"{ONE}: failed: it has no log, but the workspace has accounts" in output
    with pytest.raises(ChainBroken, match="but the workspace has accounts"):
        await scenario_on_both.run_bot(ONE)


async def test_an_older_database_is_detected_by_the_anchor_even_after_the_bot_has_run(
    scenario: AnchorScenario,
) -> None:
    await scenario.run_bot(ONE, ONE, TWO)
    older = scenario.copy("older.db")
    await scenario.run_bot(ONE, TWO)
    shutil.copyfile(older, scenario.path)
    code, output = await scenario.verify()
    assert code == 1
    assert f"{ONE}: failed: its log ends with entry 2, but the anchor has entry 3" in output
    assert f"{TWO}: failed: its log ends with entry 1, but the anchor has entry 2" in output
    with structlog.testing.capture_logs() as logged:
        await scenario.run_bot(ONE, ONE, ONE)
    assert [event["event"] for event in logged if event["log_level"] == "error"] == ["audit.anchor_differs"]
    code, output = await scenario.verify()
    assert code == 1
    assert "the database was replaced by an older one without `buildbell restore`" in output
    assert f"{ONE}: failed: in the anchor, but discarded: entry 3." in output
    assert f"{TWO}: failed: in the anchor, but discarded: entry 2." in output


async def test_a_restore_by_the_operator_is_noted_and_the_log_is_valid_afterwards(
    scenario: AnchorScenario,
) -> None:
    await scenario.run_bot(ONE, ONE, TWO)
    backup = scenario.folder / "backup.db"
    assert (await scenario.run_command("backup", str(backup)))[0] == 0
    await scenario.run_bot(ONE, TWO)
    code, output = await scenario.run_command("restore", str(backup), "--yes", key="")
    assert (code, "needs BUILDBELL_SECRET_KEY" in output) == (2, True)
    code, output = await scenario.run_command("restore", str(backup), "--yes")
    assert code == 0, output
    await scenario.run_bot(ONE)
    code, output = await scenario.verify()
    assert code == 0, output
    assert "Note: the operator restored a backup on " in output
    assert f"{ONE}: note: discarded by the restore: entry 3." in output
    assert f"{TWO}: note: discarded by the restore: entry 2." in output
    assert f"{ONE}: note: the operator restored a backup: " in output
    assert f"{ONE}: ok: 4 entries" in output
    # The same backup can be restored again.
    assert (await scenario.run_command("restore", str(backup), "--yes"))[0] == 0
    await scenario.run_bot(TWO)
    code, output = await scenario.verify()
    assert code == 0, output


async def test_a_backup_from_before_there_was_an_anchor_can_be_restored(scenario: AnchorScenario) -> None:
    scenario.anchored = False
    await scenario.run_bot(ONE)
    backup = scenario.folder / "backup.db"
    await scenario.run_command("backup", str(backup))
    scenario.anchored = True
    await scenario.run_bot(ONE, ONE)
    code, output = await scenario.run_command("restore", str(backup), "--yes")
    assert code == 0, output
    await scenario.run_bot(ONE)
    code, output = await scenario.verify()
    assert code == 0, output
    assert f"{ONE}: note: discarded by the restore: entries 2 to 3." in output


async def test_a_cut_log_continues_only_after_a_restore_by_the_operator(scenario: AnchorScenario) -> None:
    await scenario.run_bot(ONE, TWO)
    scenario.tamper("DELETE FROM audit", "DELETE FROM audit_chains", "DELETE FROM audit_register")
    backup = scenario.folder / "backup.db"
    assert (await scenario.run_command("backup", str(backup)))[0] == 0
    assert (await scenario.run_command("restore", str(backup), "--yes"))[0] == 0
    await scenario.run_bot(ONE)
    code, output = await scenario.verify()
    assert code == 0, output
    assert f"{TWO}: note: discarded by the restore: entry 1." in output


async def test_a_restore_without_the_anchor_is_refused(scenario: AnchorScenario) -> None:
    await scenario.run_bot(ONE)
    backup = scenario.folder / "backup.db"
    await scenario.run_command("backup", str(backup))
    scenario.anchored = False
    code, output = await scenario.run_command("restore", str(backup), "--yes")
    assert (code, "set AUDIT_ANCHOR to the same value as for the bot" in output) == (2, True)
    await scenario.run_bot()  # from now on there is intentionally no anchor
    code, output = await scenario.run_command("restore", str(backup), "--yes")
    assert code == 0, output


async def test_lines_that_wait_during_a_restore_are_written_before_it(scenario: AnchorScenario) -> None:
    await scenario.run_bot(ONE)
    backup = scenario.folder / "backup.db"
    await scenario.run_command("backup", str(backup))
    await scenario.run_bot(ONE, ONE, send_lines=False)
    assert (await scenario.run_command("restore", str(backup), "--yes"))[0] == 0
    await scenario.run_bot()
    code, output = await scenario.verify()
    assert code == 0, output
    assert f"{ONE}: note: discarded by the restore: entries 2 to 3." in output


@pytest.mark.parametrize("trigger", CHAINS)
async def test_a_dropped_changed_or_added_trigger_is_detected(scenario: AnchorScenario, trigger: str) -> None:
    await scenario.run_bot(ONE)
    for statement, message in (
        (f"DROP TRIGGER {trigger}", f"the trigger {trigger} was removed"),
        (
            f"CREATE TRIGGER {trigger} BEFORE DELETE ON audit BEGIN SELECT 1; END",
            f"the trigger {trigger} was changed",
        ),
        (
            "CREATE TRIGGER more AFTER INSERT ON audit BEGIN DELETE FROM audit; END",
            "the trigger more was added",
        ),
    ):
        with closing(sqlite3.connect(scenario.path)) as connection:
            connection.execute(statement)
        code, output = await scenario.verify()
        assert (code, message in output) == (1, True)


async def test_the_log_stays_valid_after_an_erasure_and_an_uninstallation(
    scenario_on_both: AnchorScenario,
) -> None:
    await scenario_on_both.run_bot(ONE, TWO)
    assert (await scenario_on_both.run_command("erase-user", ONE, "U0ANNA", "--yes"))[0] == 0
    code, output = await scenario_on_both.verify()
    assert (code, "1 line is waiting for the anchor" in output) == (0, True)
    database = await open_database(scenario_on_both.url)
    storage = make_repositories(database, secret_box())
    await storage.wipe(TWO)
    await prune(database, before=NOON, audit_before=NOON + timedelta(seconds=1), vault=secret_box())
    await database.close()
    await scenario_on_both.run_bot(ONE)
    code, output = await scenario_on_both.verify()
    assert code == 0, output
    assert f"{ONE}: ok: 2 entries" in output  # the first entry was pruned
    assert TWO not in output
    await scenario_on_both.run_bot(TWO)  # a workspace that comes back gets a new chain
    code, output = await scenario_on_both.verify()
    assert code == 0, output
    assert f"{TWO}: ok: 1 entry" in output


async def test_after_a_key_rotation_the_old_key_is_not_needed(scenario_on_both: AnchorScenario) -> None:
    await scenario_on_both.run_bot(ONE, TWO)
    scenario_on_both.key = f"{NEW},{OLD}"
    assert (await scenario_on_both.run_command("rotate-key"))[0] == 0
    scenario_on_both.key = NEW
    code, output = await scenario_on_both.verify()
    assert code == 1
    assert "is signed with another key" in output  # until the line of the new key is written
    await scenario_on_both.run_bot(ONE)
    code, output = await scenario_on_both.verify()
    assert code == 0, output
    forged = scenario_on_both.lines
    forged[1] = forged[1].replace('"seq":1', '"seq":2')
    scenario_on_both.anchor.write_text("\n".join(forged) + "\n")
    assert (await scenario_on_both.verify())[0] == 1


async def test_an_update_creates_the_register_and_starts_the_anchor(scenario: AnchorScenario) -> None:
    await scenario.run_bot(ONE, TWO)
    with closing(sqlite3.connect(scenario.path)) as connection:
        # A database of the previous version: no register, and chain ends sealed without one.
        connection.execute("DROP TABLE audit_register")
        connection.execute("DROP TABLE audit_anchor_lines")
        connection.execute("DELETE FROM _sqlite_migrations WHERE name = 'm011_audit_register'")
        for team, first, before, last, hash_ in connection.execute(
            "SELECT team_id, first_seq, before_first, last_seq, last_hash FROM audit_chains"
        ).fetchall():
            seal = secret_box().encrypt(f"{first} {before} {last} {hash_}", "audit", team)
            connection.execute("UPDATE audit_chains SET seal = ? WHERE team_id = ?", [seal, team])
        connection.execute("INSERT INTO people (team_id, user_id) VALUES ('T0THREE', 'U1')")
        connection.execute(
            "INSERT INTO policies (team_id, body, set_by, set_at) VALUES ('T0THREE', '{}', 'U1', '2026')"
        )
        connection.commit()
    scenario.anchor.unlink()
    await scenario.run_bot("T0THREE", ONE)
    code, output = await scenario.verify()
    assert code == 0, output
    for team in (ONE, TWO, "T0THREE"):
        assert f"{team}: ok" in output
    # A register that had a seal can't pass as one from an update.
    scenario.tamper("UPDATE audit_register SET seal = NULL")
    assert (await scenario.verify())[0] == 1
    await scenario.run_bot(ONE)
    code, output = await scenario.verify()
    assert (code, "the register of all chains has no seal" in output) == (1, True)


def forge_lines(change: Callable[[list[str]], list[str]]) -> Callable[[AnchorScenario], None]:
    def work(scenario: AnchorScenario) -> None:
        scenario.anchor.write_text("".join(f"{line}\n" for line in change(scenario.lines)))

    return work


def with_next_number(line: str) -> str:
    content = json.loads(line)
    return json.dumps(content | {"anchor": content["anchor"] + 1}, separators=(",", ":"))


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        (forge_lines(lambda lines: lines[:-1]), "are missing, and aren't waiting to be written"),
        (forge_lines(lambda lines: lines[1:]), "the anchor begins in the middle, with line 2"),
        (forge_lines(lambda lines: [*lines[:2], *lines[3:]]), "doesn't follow the line before it"),
        (forge_lines(lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]]), "doesn't follow"),
        (forge_lines(lambda lines: [*lines, with_next_number(lines[-1])]), "its signature doesn't match"),
        (forge_lines(lambda lines: [*lines, "hello", lines[-1]]), "isn't valid"),
        (forge_lines(lambda lines: [*lines[:-1], lines[-1].replace('"seq":2', '"seq":3')]), "doesn't match"),
        (forge_lines(lambda _: []), "are missing"),
    ],
)
async def test_a_changed_anchor_is_detected(
    scenario: AnchorScenario, forge: Callable[[AnchorScenario], None], message: str
) -> None:
    await scenario.run_bot(ONE, TWO, TWO, ONE)
    forge(scenario)
    code, output = await scenario.verify()
    assert code == 1
    assert message in output


@given(st.integers(0, 5), st.integers(0, 400), st.integers(0, 6))
def test_any_changed_bit_of_the_anchor_is_detected(number: int, at: int, bit: int) -> None:
    lines = list(LINES)
    index = at % len(lines[number])
    changed = chr(ord(lines[number][index]) ^ (1 << bit))
    lines[number] = lines[number][:index] + changed + lines[number][index + 1 :]
    found = read_anchor([f"{line}\n" for line in lines], secret_box(), alone=True)
    whole = read_anchor([f"{line}\n" for line in LINES], secret_box(), alone=True)
    assert whole.problems == []
    assert found.problems or (found.number, found.digest) != (whole.number, whole.digest)


async def _make_lines(folder: Path) -> list[str]:
    scenario = AnchorScenario(folder)
    scenario.path.parent.mkdir()
    await scenario.run_bot(ONE, TWO, ONE, TWO, ONE)
    return scenario.lines


@pytest.fixture(scope="module", autouse=True)
def _lines(tmp_path_factory: pytest.TempPathFactory) -> None:
    global LINES  # noqa: PLW0603 - made once for hypothesis
    LINES = asyncio.run(_make_lines(tmp_path_factory.mktemp("lines")))


LINES: list[str] = []


async def test_an_unavailable_anchor_blocks_nothing_and_catches_up_in_order(scenario: AnchorScenario) -> None:
    await scenario.run_bot(ONE)
    moved_away = scenario.anchor.parent.with_name("away")
    scenario.anchor.parent.rename(moved_away)
    database = await SqliteDatabase.open(scenario.path)
    writer = AnchorWriter(database, scenario.address, clock=lambda: NOON)
    with pytest.raises(AnchorNotWritable, match=r"AUDIT_ANCHOR: .* can't be written \(No such file"):
        await writer.check()
    storage = make_repositories(database, secret_box())
    with structlog.testing.capture_logs() as logged:
        for _ in range(3):
            entry = AuditEntry(event=Event.DONE, act="abort", personal=PersonalFields(person="U0ANNA"))
            await storage.of(ONE).audit_log.append(entry, NOON)
            await writer.write_waiting()
    assert [(event["event"], event["waiting"]) for event in logged] == [("audit.anchor_not_written", 1)]
    assert (await writer.waiting(), writer.state) == (3, "No such file or directory")
    moved_away.rename(scenario.anchor.parent)
    code, output = await scenario.verify()
    assert (code, "3 lines are waiting for the anchor" in output) == (0, True)
    with structlog.testing.capture_logs() as logged:
        await writer.write_waiting()
    assert [event["event"] for event in logged] == ["audit.anchor_caught_up"]
    assert (await writer.waiting(), writer.state) == (0, "well")
    await database.close()
    code, output = await scenario.verify()
    assert code == 0, output
    assert [json.loads(line).get("seq") for line in scenario.lines] == [None, 1, 2, 3, 4]


async def test_an_anchor_that_is_no_regular_file_is_refused_and_not_changed(scenario: AnchorScenario) -> None:
    scenario.anchor.parent.mkdir()
    os.mkfifo(scenario.anchor, 0o644)
    database = await SqliteDatabase.open(scenario.path)
    with pytest.raises(AnchorNotWritable, match="it isn't a regular file"):
        await AnchorWriter(database, scenario.address, clock=lambda: NOON).check()
    await database.close()
    assert scenario.anchor.stat().st_mode & 0o777 == 0o644


async def test_readiness_and_metrics_show_the_state_of_the_anchor(tmp_path: Path) -> None:
    anchor = tmp_path / "elsewhere" / "anchor.jsonl"
    anchor.parent.mkdir()
    (tmp_path / "bot").mkdir()
    async with (
        bot_harness(tmp_path / "bot", audit_anchor=str(anchor)) as town,
        aiohttp.ClientSession() as http,
    ):

        async def wait_for_state(state: str, waiting: int) -> None:
            for _ in range(300):
                if await read_state() == (state, waiting, waiting):
                    return
                await asyncio.sleep(0.1)
            raise TimeoutError(f"it never was {state}, with {waiting} waiting")

        async def read_state() -> tuple[str, int, int]:
            """Return the state as in /readyz, and the number of waiting lines as in /readyz and /metrics."""
            url = f"http://127.0.0.1:{town.bot.port}"
            async with http.get(f"{url}/readyz") as ready, http.get(f"{url}/metrics") as metrics:
                parts = await ready.json()
                assert ready.status == 200
                page = await metrics.text()
            [waiting] = re.findall(r"^buildbell_audit_anchor_waiting (\S+)$", page, re.MULTILINE)
            return parts["audit_anchor"], parts["audit_anchor_waiting"], int(float(waiting))

        await town.ask("/bitrise trigger android branch:main", "anna started")
        await wait_for_state("well", 0)
        anchor.parent.rename(tmp_path / "away")
        await town.ask("/bitrise trigger android branch:main", "anna started")
        await wait_for_state("No such file or directory", 2)
        (tmp_path / "away").rename(anchor.parent)
        await town.stop_bot()
        assert len(anchor.read_text().splitlines()) == 5
        anchor.write_text("".join(anchor.read_text().splitlines(keepends=True)[:-1]))
        await town.start_bot()
        assert (await read_state())[0] == "differs from the database"


async def test_deleted_waiting_lines_are_detected(scenario: AnchorScenario) -> None:
    await scenario.run_bot(ONE)
    await scenario.run_bot(ONE, send_lines=False)
    scenario.tamper("DELETE FROM audit_anchor_lines")
    code, output = await scenario.verify()
    assert code == 1
    assert f"{ONE}: failed: entries after 1 aren't in the anchor" in output
    await scenario.run_bot(ONE)
    code, output = await scenario.verify()
    assert (code, "doesn't follow the line before it" in output) == (1, True)


@pytest.mark.parametrize("rest", [0, 1, 100, -1])
async def test_a_line_cut_off_by_a_kill_is_written_again(scenario: AnchorScenario, rest: int) -> None:
    await scenario.run_bot(ONE, ONE)
    await scenario.run_bot(ONE, send_lines=False)
    with closing(sqlite3.connect(scenario.path)) as connection:
        [[line]] = connection.execute("SELECT line FROM audit_anchor_lines").fetchall()
    with scenario.anchor.open("a") as file:
        file.write(line[:rest])
    code, output = await scenario.verify()
    assert code == 0, output
    await scenario.run_bot()
    code, output = await scenario.verify()
    assert code == 0, output
    assert scenario.lines[-1] == line


@pytest.mark.parametrize("rest", ["", "\0" * 300])
@pytest.mark.parametrize("restarted", [True, False])
async def test_lines_cut_off_by_a_full_disk_or_power_failure_are_written_again(
    scenario: AnchorScenario, restarted: bool, rest: str
) -> None:
    await scenario.run_bot(ONE)
    await scenario.run_bot(ONE, ONE, ONE, send_lines=False)
    with closing(sqlite3.connect(scenario.path)) as connection:
        waiting = [line for (line,) in connection.execute("SELECT line FROM audit_anchor_lines ORDER BY id")]
    with scenario.anchor.open("a") as file:
        file.write(f"{waiting[0]}\n{waiting[1][:70]}{rest}")
    assert (await scenario.verify())[0] == 0
    with structlog.testing.capture_logs() as logged:
        if restarted:
            await scenario.run_bot()
        else:
            database = await SqliteDatabase.open(scenario.path)
            await AnchorWriter(database, scenario.address, clock=lambda: NOON).write_waiting()
            await database.close()
    assert logged == []
    code, output = await scenario.verify()
    assert code == 0, output
    await scenario.run_bot(ONE)
    code, output = await scenario.verify()
    assert code == 0, output
    assert f"{ONE}: ok: 5 entries" in output


async def test_an_incomplete_line_that_is_never_completed_is_detected(scenario: AnchorScenario) -> None:
    await scenario.run_bot(ONE)
    with scenario.anchor.open("a") as file:
        file.write('{"anchor":3,"event":"left"')
    await scenario.run_bot(ONE, ONE)
    code, output = await scenario.verify()
    assert (code, "line 3 of the anchor isn't valid" in output) == (1, True)


async def test_a_kill_between_writing_a_line_and_noting_it_writes_nothing_twice(
    scenario: AnchorScenario,
) -> None:
    await scenario.run_bot(ONE)
    await scenario.run_bot(ONE, ONE, send_lines=False)
    with closing(sqlite3.connect(scenario.path)) as connection:
        waiting = [line for (line,) in connection.execute("SELECT line FROM audit_anchor_lines ORDER BY id")]
    with scenario.anchor.open("a") as file:
        file.write(f"{waiting[0]}\n")
    assert (await scenario.verify())[0] == 0
    await scenario.run_bot()
    assert scenario.lines[-2:] == waiting
    assert len(set(scenario.lines)) == len(scenario.lines)
    assert (await scenario.verify())[0] == 0


async def test_a_new_anchor_starts_with_the_state_of_all_chains(scenario: AnchorScenario) -> None:
    await scenario.run_bot(ONE, TWO)
    older = scenario.lines
    moved = AnchorScenario(scenario.folder)
    scenario.anchor.rename(scenario.folder / "anchor.1")
    scenario.anchored = False
    await scenario.run_bot()
    moved.anchored = True
    await moved.run_bot(ONE)
    assert [json.loads(line)["event"] for line in moved.lines] == ["begun", "state", "state", "entry"]
    code, output = await moved.verify()
    assert code == 0, output
    assert "earlier lines are elsewhere" in output
    code, output = await moved.verify(
        "--anchor", str(scenario.folder / "anchor.1"), "--anchor", str(moved.anchor)
    )
    assert code == 0, output
    assert f"Compared with the anchor: {len(older) + 4} lines" in output
    code, output = await moved.verify("--anchor", str(scenario.folder / "anchor.1"))
    assert code == 1


async def test_a_syslog_receives_the_lines_and_its_file_can_be_verified(scenario: AnchorScenario) -> None:
    """Over a local socket, UDP and TCP. The daemon writes a prefix before each line."""
    await scenario.run_bot(ONE)
    scenario.anchor.unlink()
    for kind in ("unix", "udp", "tcp"):
        received: list[bytes] = []
        daemon = SyslogDaemon(kind, scenario.folder / "log", received)
        async with daemon as address:
            database = await SqliteDatabase.open(scenario.path)
            writer = AnchorWriter(database, AnchorAddress.parse(address), clock=lambda: NOON)
            await writer.check()
            await use_anchor(database, secret_box(), AnchorAddress.parse(address), lambda: NOON)
            entry = AuditEntry(event=Event.DONE, act="abort", personal=PersonalFields(person="U0ANNA"))
            await make_repositories(database, secret_box()).of(ONE).audit_log.append(entry, NOON)
            await writer.write_waiting()
            await database.close()
            async with asyncio.timeout(30):
                while sum(content.count(b'{"anchor":') for content in received) < 3:
                    await daemon.has_message.wait()
                    daemon.has_message.clear()
        messages = (
            b"".join(content if content.endswith(b"\n") else content + b"\n" for content in received)
            .decode()
            .splitlines()
        )
        assert all(line.startswith("<110>") for line in messages)
        written = scenario.folder / f"syslog-{kind}"
        written.write_text(
            "".join(f"Nov 21 12:00:00 host {line[5:]}\nNov 21 12:00:00 host cron: x\n" for line in messages)
        )
        settings = {"AUDIT_ANCHOR": address, "BUILDBELL_SECRET_KEY": OLD, "DATABASE_URL": str(scenario.path)}
        code, output = await run_forked("audit", **settings)
        assert (code, "a syslog, which can't be read from here" in output) == (0, True)
        code, output = await run_forked("audit", "--anchor", str(written), **settings)
        assert code == 0, output
        assert "Compared with the anchor: 3 lines" in output
        written.write_text("".join(written.read_text().splitlines(keepends=True)[:-2]))
        assert (await run_forked("audit", "--anchor", str(written), **settings))[0] == 1


class SyslogDaemon:
    """A simulated syslog daemon; `has_message` is set with each message."""

    def __init__(self, kind: str, path: Path, received: list[bytes]) -> None:
        self.kind, self.path, self.received = kind, path, received
        self.has_message = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> str:
        loop = asyncio.get_running_loop()
        if self.kind == "tcp":
            self.socket = socket.create_server(("127.0.0.1", 0))
        elif self.kind == "udp":
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind(("127.0.0.1", 0))
        else:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.socket.bind(str(self.path))
        self.socket.setblocking(False)
        self.tasks.append(loop.create_task(self.receive()))
        if self.kind == "unix":
            return f"syslog://{self.path}"
        return f"syslog+{self.kind}://127.0.0.1:{self.socket.getsockname()[1]}"

    async def receive(self) -> None:
        loop = asyncio.get_running_loop()
        if self.kind != "tcp":
            while True:
                self.store(await loop.sock_recv(self.socket, 65536))
        connection, _ = await loop.sock_accept(self.socket)
        with connection:
            while content := await loop.sock_recv(connection, 65536):
                self.store(content)

    def store(self, content: bytes) -> None:
        self.received.append(content)
        self.has_message.set()

    async def __aexit__(self, *_: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.socket.close()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("/mnt/a/b.jsonl", "file"),
        ("file:///mnt/a/b.jsonl", "file"),
        ("syslog:///dev/log", "unix"),
        ("syslog+udp://logs.example", "udp"),
        ("syslog+tcp://[::1]:6514", "tcp"),
    ],
)
def test_an_address_can_be_formatted_and_parsed_again(text: str, kind: str) -> None:
    address = AnchorAddress.parse(text)
    assert address.kind == kind
    assert AnchorAddress.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "anchor.jsonl",
        "./a",
        "/mnt/a/",
        "file://a",
        "syslog://host",
        "syslog://",
        "syslog+udp://",
        "syslog+udp://host:0x",
        "syslog+udp://host:99999",
        "syslog+tcp://user@host",
        "syslog+tcp://host/path",
        "https://host/",
    ],
)
def test_an_invalid_address_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(AddressProblem, match="must"):
        AnchorAddress.parse(text)
    with pytest.raises(ValidationError) as problem:
        DataSettings(_env_file=None, audit_anchor=text, buildbell_secret_key=OLD)
    assert describe_errors(problem.value).startswith("AUDIT_ANCHOR: must ")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"AUDIT_ANCHOR": "/mnt/a"}, "AUDIT_ANCHOR also needs BUILDBELL_SECRET_KEY"),
        (
            {"AUDIT_ANCHOR": "/data/a", "DATABASE_URL": "sqlite:////data/b.db", "BUILDBELL_SECRET_KEY": OLD},
            "must be in another folder than the database",
        ),
    ],
)
async def test_an_anchor_that_proves_nothing_is_refused(settings: dict[str, str], message: str) -> None:
    code, output = await run_forked("audit", **settings)
    assert (code, output.count("\n")) == (2, 1)
    assert message in output
