"""The audit log's anchor: whatever is done to the database shows in it, and it goes on through everything legitimate."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from bot.settings import DataSettings, describe_errors
from domain.audit_log import AuditEntry, ChainBroken, Event, PersonalFields
from domain.provider import Provider
from services.jobs.audit_anchor import AnchorNotWritable, AnchorWriter, use_anchor
from storage.audit_anchor_lines import AddressProblem, AnchorAddress, read_anchor
from storage.database import Database
from storage.encryption import SecretBox
from storage.retention import prune
from tests.storage.full_database import NEW, OLD, secret_box
from tests.support.bot_harness import bot_harness
from tests.support.factories import NOON
from tests.support.forked_process import run_forked
from tests.support.repositories import make_repositories

ONE, TWO = "T0ONE", "T0TWO"
CHAINS = "audit_is_not_changed", "audit_is_not_cut", "audit_register_stays"


@dataclass
class Place:
    """A database in a folder of its own, and its anchor in another one."""

    folder: Path
    key: str = OLD
    anchored: bool = True

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

    async def bot(self, *teams: str, carrying: bool = True, days: int = 0) -> None:
        """A bot runs for a while, in which somebody does something in each of these workspaces."""
        self.anchor.parent.mkdir(exist_ok=True)
        database = await Database.open(self.path)
        keys = SecretBox(self.key.split(","))
        storage = make_repositories(database, keys)
        writer = AnchorWriter(database, self.address, clock=lambda: NOON)
        if self.anchored:
            await writer.check()
        await use_anchor(database, keys, self.address if self.anchored else None, lambda: NOON)
        for number, team in enumerate(teams):
            entry = AuditEntry(
                event=Event.DONE, act="abort", personal=PersonalFields(person="U0ANNA"), app="a"
            )
            await storage.of(team).audit_log.append(entry, NOON + timedelta(days=days, minutes=number))
        if carrying:
            await writer.write_waiting()
        await database.close()

    async def typed(self, *arguments: str, key: str | None = None) -> tuple[int, str]:
        settings = {"AUDIT_ANCHOR": str(self.anchor)} if self.anchored else {}
        return await run_forked(
            *arguments,
            DATABASE_URL=f"sqlite:///{self.path}",
            BUILDBELL_SECRET_KEY=self.key if key is None else key,
            **settings,
        )

    async def verify(self, *arguments: str) -> tuple[int, str]:
        return await self.typed("audit", "--verify", *arguments)

    def copy(self, name: str) -> Path:
        """A copy of the whole database, as anybody makes who can read its folder."""
        with (
            closing(sqlite3.connect(self.path)) as source,
            closing(sqlite3.connect(self.folder / name)) as target,
        ):
            source.backup(target)
        return self.folder / name

    def by_force(self, *statements: str) -> None:
        """What somebody with a shell can do, who hides that the triggers were in the way."""
        with closing(sqlite3.connect(self.path)) as connection:
            triggers = dict(
                connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            )
            for name in triggers:
                connection.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                connection.execute(statement)
            for sql in triggers.values():
                connection.execute(sql)
            connection.commit()

    def put_rows_back(self, copy: Path, *tables: str) -> None:
        """Put a table's rows back as they were when the copy was made."""
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("ATTACH ? AS old", [str(copy)])
            for table in tables:
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of tables
                connection.execute(f"INSERT INTO {table} SELECT * FROM old.{table}")  # noqa: S608
            connection.commit()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_what_nobody_touched_is_well_and_compared_with_the_anchor(place: Place) -> None:
    await place.bot(ONE, ONE, TWO)
    await place.bot(TWO)
    code, said = await place.verify()
    assert code == 0, said
    assert f"{ONE}: ok: 2 entries" in said
    assert f"{TWO}: ok: 2 entries" in said
    assert "Compared with the anchor: 5 lines" in said
    assert [json.loads(line)["event"] for line in place.lines] == ["begun", *["entry"] * 4]
    assert place.anchor.stat().st_mode & 0o777 == 0o600
    assert "U0ANNA" not in place.anchor.read_text()


async def test_a_cut_tail_with_the_old_end_put_back_shows(place: Place) -> None:
    await place.bot(ONE, ONE, ONE, TWO)
    copy = place.copy("old.db")
    await place.bot(ONE, ONE)
    place.by_force("DELETE FROM audit WHERE team_id = 'T0ONE' AND seq > 3")
    place.put_rows_back(copy, "audit_chains")
    code, said = await place.verify()
    assert code == 1
    assert f"{ONE}: failed: it goes from entry 1 to 3, but the register of all chains says 1 to 5." in said
    assert f"{ONE}: failed: its log ends with entry 3, but the anchor knows entry 5" in said
    assert f"{TWO}: ok" in said
    await place.bot(ONE)  # the bot that goes on hides nothing
    code, said = await place.verify()
    assert code == 1
    assert f"{ONE}: failed" in said


async def test_a_cut_tail_with_the_old_register_put_back_shows_in_the_anchor(place: Place) -> None:
    await place.bot(ONE, ONE, ONE)
    copy = place.copy("old.db")
    await place.bot(ONE, ONE)
    place.by_force("DELETE FROM audit WHERE seq > 3", "DELETE FROM audit_register")
    place.put_rows_back(copy, "audit_chains", "audit_register")
    place.anchored = False
    code, said = await place.verify()
    assert (code, "No copy outside the database" in said) == (0, True)
    place.anchored = True
    code, said = await place.verify()
    assert code == 1
    assert f"{ONE}: failed: its log ends with entry 3, but the anchor knows entry 5" in said
    assert "the anchor knows 2 later changes than the database" in said


@pytest.mark.parametrize("anchored", [True, False])
async def test_a_chain_that_was_deleted_shows_and_no_new_one_is_begun(place: Place, anchored: bool) -> None:
    place.anchored = anchored
    await place.bot(ONE, TWO)
    place.by_force(
        "DELETE FROM audit WHERE team_id = 'T0TWO'", "DELETE FROM audit_chains WHERE team_id = 'T0TWO'"
    )
    code, said = await place.verify()
    assert code == 1
    assert f"{TWO}: failed: its log is gone, of which the register of all chains knows 1 entries." in said
    assert f"{ONE}: ok" in said
    with pytest.raises(ChainBroken, match="its log is gone"):
        await place.bot(TWO)
    assert (await place.verify())[0] == 1


@pytest.mark.parametrize("anchored", [True, False])
async def test_nothing_was_written_down_yet_is_said_only_where_nothing_knows_better(
    place: Place, anchored: bool
) -> None:
    place.anchored = anchored
    await place.bot()
    assert "The audit log is empty." in (await place.verify())[1]
    await place.bot(ONE, TWO)
    place.by_force("DELETE FROM audit", "DELETE FROM audit_chains")
    code, said = await place.verify()
    assert code == 1
    assert "The audit log is empty" not in said
    assert said.count("its log is gone") >= 2
    place.by_force("DELETE FROM audit_register")
    code, said = await place.verify()
    assert code == 1
    assert "the register of all chains is gone" in said
    assert (f"{ONE}: failed: its log is gone, which the anchor knows up to entry 1" in said) is anchored
    with pytest.raises(ChainBroken, match="the register of all chains is gone"):
        await place.bot(ONE)
    assert (await place.verify())[0] == 1


async def test_a_chain_and_a_register_from_before_the_chain_do_not_fit_what_the_workspace_has(
    place: Place,
) -> None:
    place.anchored = False
    await place.bot()
    empty = place.copy("empty.db")
    database = await Database.open(place.path)
    accounts = make_repositories(database, secret_box()).of(ONE).accounts
    await accounts.connect("U1", Provider.BITRISE, SecretStr("t"), provider_user="x", name="x", at=NOON)
    await database.close()
    await place.bot(ONE)
    place.by_force("DELETE FROM audit", "DELETE FROM audit_chains", "DELETE FROM audit_register")
    place.put_rows_back(empty, "audit_register")
    code, said = await place.verify()
    assert code == 1
    assert f"{ONE}: failed: it has no log, though the workspace has accounts" in said
    with pytest.raises(ChainBroken, match="though the workspace has accounts"):
        await place.bot(ONE)


async def test_a_whole_older_database_shows_in_the_anchor_also_after_the_bot_went_on(place: Place) -> None:
    await place.bot(ONE, ONE, TWO)
    older = place.copy("older.db")
    await place.bot(ONE, TWO)
    shutil.copyfile(older, place.path)
    code, said = await place.verify()
    assert code == 1
    assert f"{ONE}: failed: its log ends with entry 2, but the anchor knows entry 3" in said
    assert f"{TWO}: failed: its log ends with entry 1, but the anchor knows entry 2" in said
    with structlog.testing.capture_logs() as logged:
        await place.bot(ONE, ONE, ONE)
    assert [one["event"] for one in logged if one["log_level"] == "error"] == ["audit.anchor_differs"]
    code, said = await place.verify()
    assert code == 1
    assert "an older database was put in place without `buildbell restore`" in said
    assert f"{ONE}: failed: known to the anchor, and put away: entry 3." in said
    assert f"{TWO}: failed: known to the anchor, and put away: entry 2." in said


async def test_a_restore_is_said_by_the_operator_and_verifies_from_then_on(place: Place) -> None:
    await place.bot(ONE, ONE, TWO)
    backup = place.folder / "backup.db"
    assert (await place.typed("backup", str(backup)))[0] == 0
    await place.bot(ONE, TWO)
    code, said = await place.typed("restore", str(backup), "--yes", key="")
    assert (code, "needs BUILDBELL_SECRET_KEY" in said) == (2, True)
    code, said = await place.typed("restore", str(backup), "--yes")
    assert code == 0, said
    await place.bot(ONE)
    code, said = await place.verify()
    assert code == 0, said
    assert "Note: the operator restored a backup on " in said
    assert f"{ONE}: note: put away by the restore: entry 3." in said
    assert f"{TWO}: note: put away by the restore: entry 2." in said
    assert f"{ONE}: note: the operator restored a backup: " in said
    assert f"{ONE}: ok: 4 entries" in said
    # A second one from the same backup, and one from before there was an anchor.
    assert (await place.typed("restore", str(backup), "--yes"))[0] == 0
    await place.bot(TWO)
    code, said = await place.verify()
    assert code == 0, said


async def test_a_backup_from_before_there_was_an_anchor_can_be_restored(place: Place) -> None:
    place.anchored = False
    await place.bot(ONE)
    backup = place.folder / "backup.db"
    await place.typed("backup", str(backup))
    place.anchored = True
    await place.bot(ONE, ONE)
    code, said = await place.typed("restore", str(backup), "--yes")
    assert code == 0, said
    await place.bot(ONE)
    code, said = await place.verify()
    assert code == 0, said
    assert f"{ONE}: note: put away by the restore: entries 2 to 3." in said


async def test_a_log_that_was_found_cut_is_gone_on_with_at_the_operators_word_alone(place: Place) -> None:
    await place.bot(ONE, TWO)
    place.by_force("DELETE FROM audit", "DELETE FROM audit_chains", "DELETE FROM audit_register")
    backup = place.folder / "backup.db"
    assert (await place.typed("backup", str(backup)))[0] == 0
    assert (await place.typed("restore", str(backup), "--yes"))[0] == 0
    await place.bot(ONE)
    code, said = await place.verify()
    assert code == 0, said
    assert f"{TWO}: note: put away by the restore: entry 1." in said


async def test_a_restore_that_would_not_be_told_to_the_anchor_is_refused(place: Place) -> None:
    await place.bot(ONE)
    backup = place.folder / "backup.db"
    await place.typed("backup", str(backup))
    place.anchored = False
    code, said = await place.typed("restore", str(backup), "--yes")
    assert (code, "set AUDIT_ANCHOR as the bot has it" in said) == (2, True)
    await place.bot()  # the bot runs without one now, and that is meant
    code, said = await place.typed("restore", str(backup), "--yes")
    assert code == 0, said


async def test_lines_that_wait_when_a_restore_comes_are_written_before_it(place: Place) -> None:
    await place.bot(ONE)
    backup = place.folder / "backup.db"
    await place.typed("backup", str(backup))
    await place.bot(ONE, ONE, carrying=False)
    assert (await place.typed("restore", str(backup), "--yes"))[0] == 0
    await place.bot()
    code, said = await place.verify()
    assert code == 0, said
    assert f"{ONE}: note: put away by the restore: entries 2 to 3." in said


@pytest.mark.parametrize("trigger", CHAINS)
async def test_a_trigger_that_was_dropped_changed_or_put_in_shows(place: Place, trigger: str) -> None:
    await place.bot(ONE)
    for statement, words in (
        (f"DROP TRIGGER {trigger}", f"the trigger {trigger} was taken away"),
        (
            f"CREATE TRIGGER {trigger} BEFORE DELETE ON audit BEGIN SELECT 1; END",
            f"the trigger {trigger} was changed",
        ),
        (
            "CREATE TRIGGER more AFTER INSERT ON audit BEGIN DELETE FROM audit; END",
            "the trigger more was put in",
        ),
    ):
        with closing(sqlite3.connect(place.path)) as connection:
            connection.execute(statement)
        code, said = await place.verify()
        assert (code, words in said) == (1, True)


async def test_whoever_is_erased_and_whoever_leaves_go_on_verifying(place: Place) -> None:
    await place.bot(ONE, TWO)
    assert (await place.typed("erase-user", ONE, "U0ANNA", "--yes"))[0] == 0
    code, said = await place.verify()
    assert (code, "1 line waits for the anchor" in said) == (0, True)
    database = await Database.open(place.path)
    storage = make_repositories(database, secret_box())
    await storage.wipe(TWO)
    await prune(database, before=NOON, audit_before=NOON + timedelta(seconds=1), vault=secret_box())
    await database.close()
    await place.bot(ONE)
    code, said = await place.verify()
    assert code == 0, said
    assert f"{ONE}: ok: 2 entries" in said  # the first one was forgotten
    assert TWO not in said
    await place.bot(TWO)  # who comes back begins anew
    code, said = await place.verify()
    assert code == 0, said
    assert f"{TWO}: ok: 1 entry" in said


async def test_keys_are_changed_and_the_old_one_is_needed_no_more(place: Place) -> None:
    await place.bot(ONE, TWO)
    place.key = f"{NEW},{OLD}"
    assert (await place.typed("rotate-key"))[0] == 0
    place.key = NEW
    code, said = await place.verify()
    assert code == 1
    assert "is signed with another key" in said  # until the line of the new key is written
    await place.bot(ONE)
    code, said = await place.verify()
    assert code == 0, said
    forged = place.lines
    forged[1] = forged[1].replace('"seq":1', '"seq":2')
    place.anchor.write_text("\n".join(forged) + "\n")
    assert (await place.verify())[0] == 1


async def test_an_update_gives_the_database_its_register_and_begins_the_anchor(place: Place) -> None:
    await place.bot(ONE, TWO)
    with closing(sqlite3.connect(place.path)) as connection:
        # As the version before left it: no register, and ends sealed without one.
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
    place.anchor.unlink()
    await place.bot("T0THREE", ONE)
    code, said = await place.verify()
    assert code == 0, said
    for team in (ONE, TWO, "T0THREE"):
        assert f"{team}: ok" in said
    # What has its seal can't be passed off as one from before.
    place.by_force("UPDATE audit_register SET seal = NULL")
    assert (await place.verify())[0] == 1
    await place.bot(ONE)
    code, said = await place.verify()
    assert (code, "the register of all chains has no seal" in said) == (1, True)


def forged_by(change: Callable[[list[str]], list[str]]) -> Callable[[Place], None]:
    def work(place: Place) -> None:
        place.anchor.write_text("".join(f"{line}\n" for line in change(place.lines)))

    return work


def other_number(line: str) -> str:
    content = json.loads(line)
    return json.dumps(content | {"anchor": content["anchor"] + 1}, separators=(",", ":"))


@pytest.mark.parametrize(
    ("forge", "words"),
    [
        (forged_by(lambda lines: lines[:-1]), "are missing, and do not wait either"),
        (forged_by(lambda lines: lines[1:]), "the anchor begins with line 2, in the midst"),
        (forged_by(lambda lines: [*lines[:2], *lines[3:]]), "does not follow the one before it"),
        (forged_by(lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]]), "does not follow"),
        (forged_by(lambda lines: [*lines, other_number(lines[-1])]), "its signature does not fit"),
        (forged_by(lambda lines: [*lines, "hello", lines[-1]]), "can't be read"),
        (forged_by(lambda lines: [*lines[:-1], lines[-1].replace('"seq":2', '"seq":3')]), "does not fit"),
        (forged_by(lambda _: []), "are missing"),
    ],
)
async def test_an_anchor_that_was_changed_shows(
    place: Place, forge: Callable[[Place], None], words: str
) -> None:
    await place.bot(ONE, TWO, TWO, ONE)
    forge(place)
    code, said = await place.verify()
    assert code == 1
    assert words in said


@given(st.integers(0, 5), st.integers(0, 400), st.integers(0, 6))
def test_any_changed_bit_of_the_anchor_shows(number: int, at: int, bit: int) -> None:
    lines = list(LINES)
    place = at % len(lines[number])
    changed = chr(ord(lines[number][place]) ^ (1 << bit))
    lines[number] = lines[number][:place] + changed + lines[number][place + 1 :]
    found = read_anchor([f"{line}\n" for line in lines], secret_box(), alone=True)
    whole = read_anchor([f"{line}\n" for line in LINES], secret_box(), alone=True)
    assert whole.problems == []
    assert found.problems or (found.number, found.digest) != (whole.number, whole.digest)


async def _made(folder: Path) -> list[str]:
    place = Place(folder)
    place.path.parent.mkdir()
    await place.bot(ONE, TWO, ONE, TWO, ONE)
    return place.lines


@pytest.fixture(scope="module", autouse=True)
def _lines(tmp_path_factory: pytest.TempPathFactory) -> None:
    global LINES  # noqa: PLW0603 - what hypothesis needs, made once
    LINES = asyncio.run(_made(tmp_path_factory.mktemp("lines")))


LINES: list[str] = []


async def test_an_anchor_that_is_away_holds_nobody_up_shows_and_catches_up_in_order(place: Place) -> None:
    await place.bot(ONE)
    away = place.anchor.parent.with_name("away")
    place.anchor.parent.rename(away)
    database = await Database.open(place.path)
    writer = AnchorWriter(database, place.address, clock=lambda: NOON)
    with pytest.raises(AnchorNotWritable, match=r"AUDIT_ANCHOR: .* can't be written \(No such file"):
        await writer.check()
    storage = make_repositories(database, secret_box())
    with structlog.testing.capture_logs() as logged:
        for _ in range(3):
            entry = AuditEntry(event=Event.DONE, act="abort", personal=PersonalFields(person="U0ANNA"))
            await storage.of(ONE).audit_log.append(entry, NOON)
            await writer.write_waiting()
    assert [(one["event"], one["waiting"]) for one in logged] == [("audit.anchor_not_written", 1)]
    assert (await writer.waiting(), writer.state) == (3, "No such file or directory")
    away.rename(place.anchor.parent)
    code, said = await place.verify()
    assert (code, "3 lines wait for the anchor" in said) == (0, True)
    with structlog.testing.capture_logs() as logged:
        await writer.write_waiting()
    assert [one["event"] for one in logged] == ["audit.anchor_caught_up"]
    assert (await writer.waiting(), writer.state) == (0, "well")
    await database.close()
    code, said = await place.verify()
    assert code == 0, said
    assert [json.loads(line).get("seq") for line in place.lines] == [None, 1, 2, 3, 4]


async def test_an_anchor_that_is_no_usual_file_is_refused_and_left_as_it_is(place: Place) -> None:
    place.anchor.parent.mkdir()
    os.mkfifo(place.anchor, 0o644)
    database = await Database.open(place.path)
    with pytest.raises(AnchorNotWritable, match="it is no usual file"):
        await AnchorWriter(database, place.address, clock=lambda: NOON).check()
    await database.close()
    assert place.anchor.stat().st_mode & 0o777 == 0o644


async def test_a_running_bot_says_how_its_anchor_fares(tmp_path: Path) -> None:
    anchor = tmp_path / "elsewhere" / "anchor.jsonl"
    anchor.parent.mkdir()
    (tmp_path / "bot").mkdir()
    async with (
        bot_harness(tmp_path / "bot", audit_anchor=str(anchor)) as town,
        aiohttp.ClientSession() as http,
    ):

        async def until(state: str, waiting: int) -> None:
            for _ in range(300):
                if await said() == (state, waiting, waiting):
                    return
                await asyncio.sleep(0.1)
            raise TimeoutError(f"it never was {state}, with {waiting} waiting")

        async def said() -> tuple[str, int, int]:
            """As /readyz says it, and the number as /metrics does, which is asked a moment later."""
            url = f"http://127.0.0.1:{town.bot.port}"
            async with http.get(f"{url}/readyz") as ready, http.get(f"{url}/metrics") as metrics:
                parts = await ready.json()
                assert ready.status == 200
                page = await metrics.text()
            [waiting] = re.findall(r"^buildbell_audit_anchor_waiting (\S+)$", page, re.MULTILINE)
            return parts["audit_anchor"], parts["audit_anchor_waiting"], int(float(waiting))

        await town.ask("/bitrise trigger android branch:main", "anna started")
        await until("well", 0)
        anchor.parent.rename(tmp_path / "away")
        await town.ask("/bitrise trigger android branch:main", "anna started")
        await until("No such file or directory", 2)
        (tmp_path / "away").rename(anchor.parent)
        await town.stop_bot()
        assert len(anchor.read_text().splitlines()) == 5
        anchor.write_text("".join(anchor.read_text().splitlines(keepends=True)[:-1]))
        await town.start_bot()
        assert (await said())[0] == "differs from the database"


async def test_lines_that_were_to_be_written_and_were_taken_away_are_missed(place: Place) -> None:
    await place.bot(ONE)
    await place.bot(ONE, carrying=False)
    place.by_force("DELETE FROM audit_anchor_lines")
    code, said = await place.verify()
    assert code == 1
    assert f"{ONE}: failed: entries after 1 have never come to the anchor" in said
    await place.bot(ONE)
    code, said = await place.verify()
    assert (code, "does not follow the one before it" in said) == (1, True)


@pytest.mark.parametrize("rest", [0, 1, 100, -1])
async def test_a_kill_in_the_midst_of_a_line_leaves_one_that_is_written_again(
    place: Place, rest: int
) -> None:
    await place.bot(ONE, ONE)
    await place.bot(ONE, carrying=False)
    with closing(sqlite3.connect(place.path)) as connection:
        [[line]] = connection.execute("SELECT line FROM audit_anchor_lines").fetchall()
    with place.anchor.open("a") as file:
        file.write(line[:rest])
    code, said = await place.verify()
    assert code == 0, said
    await place.bot()
    code, said = await place.verify()
    assert code == 0, said
    assert place.lines[-1] == line


@pytest.mark.parametrize("rest", ["", "\0" * 300])
@pytest.mark.parametrize("restarted", [True, False])
async def test_lines_of_which_a_full_disk_or_a_power_cut_left_some_and_a_half_are_written_again(
    place: Place, restarted: bool, rest: str
) -> None:
    await place.bot(ONE)
    await place.bot(ONE, ONE, ONE, carrying=False)
    with closing(sqlite3.connect(place.path)) as connection:
        waiting = [line for (line,) in connection.execute("SELECT line FROM audit_anchor_lines ORDER BY id")]
    with place.anchor.open("a") as file:
        file.write(f"{waiting[0]}\n{waiting[1][:70]}{rest}")
    assert (await place.verify())[0] == 0
    with structlog.testing.capture_logs() as logged:
        if restarted:
            await place.bot()
        else:
            database = await Database.open(place.path)
            await AnchorWriter(database, place.address, clock=lambda: NOON).write_waiting()
            await database.close()
    assert logged == []
    code, said = await place.verify()
    assert code == 0, said
    await place.bot(ONE)
    code, said = await place.verify()
    assert code == 0, said
    assert f"{ONE}: ok: 5 entries" in said


async def test_half_a_line_that_never_comes_whole_shows(place: Place) -> None:
    await place.bot(ONE)
    with place.anchor.open("a") as file:
        file.write('{"anchor":3,"event":"left"')
    await place.bot(ONE, ONE)
    code, said = await place.verify()
    assert (code, "line 3 of the anchor can't be read" in said) == (1, True)


async def test_a_kill_between_writing_and_noting_it_writes_nothing_twice(place: Place) -> None:
    await place.bot(ONE)
    await place.bot(ONE, ONE, carrying=False)
    with closing(sqlite3.connect(place.path)) as connection:
        waiting = [line for (line,) in connection.execute("SELECT line FROM audit_anchor_lines ORDER BY id")]
    with place.anchor.open("a") as file:
        file.write(f"{waiting[0]}\n")
    assert (await place.verify())[0] == 0
    await place.bot()
    assert place.lines[-2:] == waiting
    assert len(set(place.lines)) == len(place.lines)
    assert (await place.verify())[0] == 0


async def test_an_anchor_at_another_place_begins_with_how_everything_stands(place: Place) -> None:
    await place.bot(ONE, TWO)
    older = place.lines
    moved = Place(place.folder)
    place.anchor.rename(place.folder / "anchor.1")
    place.anchored = False
    await place.bot()
    moved.anchored = True
    await moved.bot(ONE)
    assert [json.loads(line)["event"] for line in moved.lines] == ["begun", "state", "state", "entry"]
    code, said = await moved.verify()
    assert code == 0, said
    assert "what was before is elsewhere" in said
    code, said = await moved.verify("--anchor", str(place.folder / "anchor.1"), "--anchor", str(moved.anchor))
    assert code == 0, said
    assert f"Compared with the anchor: {len(older) + 4} lines" in said
    code, said = await moved.verify("--anchor", str(place.folder / "anchor.1"))
    assert code == 1


async def test_a_syslog_gets_the_lines_and_what_it_wrote_is_read(place: Place) -> None:
    """Over a socket of the machine, by UDP and by TCP; the daemon puts its own words before each line."""
    await place.bot(ONE)
    place.anchor.unlink()
    for kind in ("unix", "udp", "tcp"):
        heard: list[bytes] = []
        daemon = Daemon(kind, place.folder / "log", heard)
        async with daemon as address:
            database = await Database.open(place.path)
            writer = AnchorWriter(database, AnchorAddress.parse(address), clock=lambda: NOON)
            await writer.check()
            await use_anchor(database, secret_box(), AnchorAddress.parse(address), lambda: NOON)
            entry = AuditEntry(event=Event.DONE, act="abort", personal=PersonalFields(person="U0ANNA"))
            await make_repositories(database, secret_box()).of(ONE).audit_log.append(entry, NOON)
            await writer.write_waiting()
            await database.close()
            async with asyncio.timeout(30):
                while sum(one.count(b'{"anchor":') for one in heard) < 3:
                    await daemon.news.wait()
                    daemon.news.clear()
        messages = (
            b"".join(one if one.endswith(b"\n") else one + b"\n" for one in heard).decode().splitlines()
        )
        assert all(one.startswith("<110>") for one in messages)
        written = place.folder / f"syslog-{kind}"
        written.write_text(
            "".join(f"Nov 21 12:00:00 host {one[5:]}\nNov 21 12:00:00 host cron: x\n" for one in messages)
        )
        settings = {"AUDIT_ANCHOR": address, "BUILDBELL_SECRET_KEY": OLD, "DATABASE_URL": str(place.path)}
        code, said = await run_forked("audit", **settings)
        assert (code, "a syslog, which can't be read from here" in said) == (0, True)
        code, said = await run_forked("audit", "--anchor", str(written), **settings)
        assert code == 0, said
        assert "Compared with the anchor: 3 lines" in said
        written.write_text("".join(written.read_text().splitlines(keepends=True)[:-2]))
        assert (await run_forked("audit", "--anchor", str(written), **settings))[0] == 1


class Daemon:
    """A syslog daemon that takes messages; `news` is set with each."""

    def __init__(self, kind: str, path: Path, heard: list[bytes]) -> None:
        self.kind, self.path, self.heard = kind, path, heard
        self.news = asyncio.Event()
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
        self.tasks.append(loop.create_task(self.take()))
        if self.kind == "unix":
            return f"syslog://{self.path}"
        return f"syslog+{self.kind}://127.0.0.1:{self.socket.getsockname()[1]}"

    async def take(self) -> None:
        loop = asyncio.get_running_loop()
        if self.kind != "tcp":
            while True:
                self.hear(await loop.sock_recv(self.socket, 65536))
        connection, _ = await loop.sock_accept(self.socket)
        with connection:
            while content := await loop.sock_recv(connection, 65536):
                self.hear(content)

    def hear(self, content: bytes) -> None:
        self.heard.append(content)
        self.news.set()

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
def test_an_address_is_read_and_said_alike(text: str, kind: str) -> None:
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
def test_an_address_that_nothing_can_be_written_to_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(AddressProblem, match="must"):
        AnchorAddress.parse(text)
    with pytest.raises(ValidationError) as problem:
        DataSettings(_env_file=None, audit_anchor=text, buildbell_secret_key=OLD)
    assert describe_errors(problem.value).startswith("AUDIT_ANCHOR: must ")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"AUDIT_ANCHOR": "/mnt/a"}, "AUDIT_ANCHOR also needs BUILDBELL_SECRET_KEY"),
        (
            {"AUDIT_ANCHOR": "/data/a", "DATABASE_URL": "sqlite:////data/b.db", "BUILDBELL_SECRET_KEY": OLD},
            "must be in another folder than the database",
        ),
    ],
)
async def test_an_anchor_that_vouches_for_nothing_is_refused(settings: dict[str, str], words: str) -> None:
    code, said = await run_forked("audit", **settings)
    assert (code, said.count("\n")) == (2, 1)
    assert words in said
