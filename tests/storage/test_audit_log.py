"""The audit log is append-only, and any other change is detected."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
import sqlite_utils
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.audit_chain import ERASED, AuditEntry, ChainBroken, Event, PersonalFields, link, verify
from storage.audit_log import (
    append,
    erase_person,
    prune_audit,
    records_of,
    reseal_chains,
    seal_chains,
    verify_chain,
)
from storage.connection import Connection
from storage.database_url import is_postgres
from storage.encryption import SecretBox
from storage.migrations import migrations
from storage.repositories import Repositories
from storage.retention import prune
from storage.sqlite_database import SqliteConnection
from tests.support.factories import NOON
from tests.support.schema import connect_directly

VAULT = SecretBox(["a-key-of-the-tests-that-is-long-enough"])
OTHER = SecretBox(["another-key-that-is-long-enough-as-well"])
COLUMNS = ("seq", "at", "body", "personal", "salt", "previous", "hash")
LENGTH = 6


def make_entry(number: int, person: str = "U0ANNA", answer: str = "") -> AuditEntry:
    return AuditEntry(
        event=Event.DONE,
        act="abort",
        personal=PersonalFields(person=person, reason=f"reason {number}"),
        channel="C1",
        app="a1",
        about={"build": f"b{number}"},
        answer=answer,
    )


def fill_chain(db: Connection, vault: SecretBox | None = VAULT, length: int = LENGTH) -> None:
    for number in range(1, length + 1):
        append(db, "T1", vault, make_entry(number, f"U0PERSON{number}"), NOON + timedelta(days=number))


def make_chain(vault: SecretBox | None = VAULT, length: int = LENGTH) -> SqliteConnection:
    db = SqliteConnection(sqlite_utils.Database(memory=True))
    migrations.apply(db.db)
    fill_chain(db, vault, length)
    return db


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    """Return a connection to a new database of either kind."""
    if is_postgres(database_url):
        with connect_directly(database_url) as connection:
            yield connection
    else:
        yield make_chain(length=0)


def bypass_triggers(db: SqliteConnection) -> SqliteConnection:
    """Drop the triggers, as an attacker with a shell can."""
    db.execute("DROP TRIGGER audit_is_not_changed")
    db.execute("DROP TRIGGER audit_is_not_cut")
    return db


def rows_of(db: Connection) -> list[tuple[object, ...]]:
    return db.execute("SELECT * FROM audit ORDER BY seq").fetchall()


def is_valid(db: Connection, vault: SecretBox | None = VAULT) -> bool:
    try:
        verify_chain(db, "T1", vault, None)
    except ChainBroken:
        return False
    return True


def test_an_unchanged_chain_is_valid_and_reports_its_end(db: Connection) -> None:
    fill_chain(db)
    found = verify_chain(db, "T1", VAULT, None)
    assert (found.entries, found.last_seq, found.sealed) == (LENGTH, LENGTH, True)
    *_, last = records_of(db, "T1")
    assert found.last_hash == last.hash
    assert next(records_of(db, "T1")).entry.personal.person == "U0PERSON1"


@given(
    st.integers(1, LENGTH),
    st.sampled_from(COLUMNS),
    st.none() | st.integers(-5, 40) | st.text(max_size=20) | st.binary(max_size=4),
)
def test_any_change_of_any_column_is_detected(seq: int, column: str, value: object) -> None:
    db = bypass_triggers(make_chain())
    before = rows_of(db)
    try:
        db.execute(f"UPDATE audit SET {column} = ? WHERE team_id = 'T1' AND seq = ?", [value, seq])  # noqa: S608
    except sqlite3.IntegrityError:
        assume(False)  # refused by the schema
    assume(rows_of(db) != before)
    assert not is_valid(db, None)


@given(st.integers(1, LENGTH), st.sampled_from(COLUMNS[1:]), st.integers(0, 500), st.integers(0, 6))
def test_any_changed_bit_is_detected(seq: int, column: str, place: int, bit: int) -> None:
    db = bypass_triggers(make_chain())
    [[text]] = db.execute(f"SELECT {column} FROM audit WHERE seq = ?", [seq]).fetchall()  # noqa: S608
    assume(text)
    place %= len(text)
    changed = text[:place] + chr(ord(text[place]) ^ (1 << bit)) + text[place + 1 :]
    db.execute(f"UPDATE audit SET {column} = ? WHERE seq = ?", [changed, seq])  # noqa: S608
    assert not is_valid(db, None)


@pytest.mark.parametrize("at", ["2026-11-22T12:00:00+00:00", "2026-11-22T13:00:00.000000+01:00", "noon"])
def test_the_same_time_in_another_format_is_a_change(at: str) -> None:
    db = bypass_triggers(make_chain())
    db.execute("UPDATE audit SET at = ? WHERE seq = 1", [at])
    assert not is_valid(db, None)


@given(st.sets(st.integers(1, LENGTH), min_size=1))
def test_any_deletion_is_detected_even_at_the_ends(gone: set[int]) -> None:
    db = bypass_triggers(make_chain())
    for seq in gone:
        db.execute("DELETE FROM audit WHERE seq = ?", [seq])
    assert not is_valid(db, None)


@given(st.permutations(range(1, LENGTH + 1)))
def test_any_other_order_is_detected(order: list[int]) -> None:
    assume(order != sorted(order))
    db = bypass_triggers(make_chain())
    rows = rows_of(db)
    db.execute("DELETE FROM audit")
    for row, seq in zip(rows, order, strict=True):
        db.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [row[0], seq, *row[2:]])
    assert not is_valid(db, None)


@given(st.integers(1, LENGTH), st.integers(1, LENGTH + 1))
def test_an_inserted_entry_is_detected(copied: int, at: int) -> None:
    db = bypass_triggers(make_chain())
    rows = rows_of(db)
    rows.insert(at - 1, rows[copied - 1])
    db.execute("DELETE FROM audit")
    for seq, row in enumerate(rows, start=1):
        db.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [row[0], seq, *row[2:]])
    assert not is_valid(db, None)


def rewrite(db: SqliteConnection, first: int, last: int, *, seal: str | bool | None = True) -> None:
    """Forge the best chain that is possible without the key: a consistent chain with both ends rewritten."""
    rows = [row for row in rows_of(db) if first <= int(str(row[1])) <= last]
    before = str(rows[0][6]) if rows else ""
    db.execute("DELETE FROM audit WHERE seq < ? OR seq > ?", [first, last])
    db.execute(
        "UPDATE audit_chains SET first_seq = ?, before_first = ?, last_seq = ?, last_hash = ?",
        [first, before, last, rows[-1][7] if rows else ""],
    )
    if seal is not True:
        db.execute("UPDATE audit_chains SET seal = ?", [seal])


@given(st.integers(1, LENGTH), st.integers(1, LENGTH))
def test_a_chain_cut_at_either_end_without_the_key_is_detected(first: int, last: int) -> None:
    assume(first <= last and (first, last) != (1, LENGTH))
    db = bypass_triggers(make_chain())
    rewrite(db, first, last)
    assert is_valid(db, None)  # not detectable without the seal
    assert not is_valid(db)
    rewrite(db, first, last, seal=None)
    assert not is_valid(db)
    rewrite(db, first, last, seal=OTHER.encrypt("1  6 x", "audit", "T1"))
    assert not is_valid(db)


def test_the_seal_of_another_workspace_is_invalid() -> None:
    db = bypass_triggers(make_chain())
    append(db, "T2", VAULT, make_entry(1), NOON)
    [[seal]] = db.execute("SELECT seal FROM audit_chains WHERE team_id = 'T2'").fetchall()
    db.execute("UPDATE audit_chains SET seal = ? WHERE team_id = 'T1'", [seal])
    assert not is_valid(db)


def test_new_entries_do_not_hide_a_forged_chain() -> None:
    db = bypass_triggers(make_chain())
    rewrite(db, 1, 3)
    append(db, "T1", VAULT, make_entry(4), NOON)
    assert not is_valid(db)


def test_entries_without_a_chain_are_detected() -> None:
    db = bypass_triggers(make_chain())
    db.execute("DELETE FROM audit_chains")
    assert not is_valid(db)


@pytest.mark.parametrize(
    "forbidden",
    [
        "UPDATE audit SET body = '{}'",
        "UPDATE audit SET at = '2020'",
        "UPDATE audit SET seq = seq + 100",
        "UPDATE audit SET hash = 'x'",
        "UPDATE audit SET previous = 'x'",
        "UPDATE audit SET team_id = 'T2'",
        "UPDATE audit SET personal = '{}'",
        "UPDATE audit SET personal = NULL",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE seq = 6",
        "INSERT INTO audit SELECT * FROM audit WHERE seq = 1 ON CONFLICT (team_id, seq) DO UPDATE SET body = 'x'",
    ],
)
def test_the_database_refuses_to_change_or_cut_the_log(forbidden: str, db: Connection) -> None:
    fill_chain(db)
    before = rows_of(db)
    db.execute("SAVEPOINT before")
    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.RaiseException), match="only added to"):
        db.execute(forbidden)
    db.execute("ROLLBACK TO SAVEPOINT before")
    assert rows_of(db) == before


def test_a_file_refuses_to_replace_an_entry() -> None:
    db = make_chain()
    columns = "team_id, seq, at, 'x', personal, salt, previous, hash"
    with pytest.raises(sqlite3.IntegrityError, match="only added to"):
        db.execute(f"INSERT OR REPLACE INTO audit SELECT {columns} FROM audit")  # noqa: S608


def test_erasing_a_user_keeps_the_chain_valid_and_is_logged(db: Connection) -> None:
    fill_chain(db)
    append(db, "T1", VAULT, make_entry(7, "U0BEN", answer="agreed by <@U0PERSON2>, who was asked"), NOON)
    asked = PersonalFields(person="U0BEN", reason="for <@u0person2>", agreed_by="U0CARLA")
    append(db, "T1", VAULT, AuditEntry(event=Event.AGREED, act="start", personal=asked), NOON)
    append(db, "T1", VAULT, make_entry(9, "U0PERSON22"), NOON)
    assert erase_person(db, "T1", VAULT, "U0PERSON2", NOON) == 3
    found = verify_chain(db, "T1", VAULT, None)
    assert found.entries == LENGTH + 4
    records = list(records_of(db, "T1"))
    assert [record.seq for record in records if record.entry.personal.person == ERASED] == [2, 7, 8]
    assert records[-1].entry.about == {"entries": "2 7 8"}
    assert "U0PERSON2" not in {
        word for row in rows_of(db) for word in json.dumps(row).replace('\\"', " ").split()
    }
    assert erase_person(db, "T1", VAULT, "U0PERSON2", NOON) == 0


@pytest.mark.parametrize("carla", ["U0CARLA", "U_CARLA", "U_carla", "W0C.ARLA", "U1"])
def test_the_hashed_body_identifies_no_user(carla: str) -> None:
    db = make_chain(length=0)
    rule = f'{{"kind":"allow","who":{{"people":["{carla}"]}}}}'
    entry = AuditEntry(
        event=Event.PROPOSED,
        act="policy_add",
        personal=PersonalFields(person="U0ANNA"),
        channel="U0ANNA",
        about={"rule": rule, "name": "anna-at-bitrise", "label": "#7"},
        answer=f"Only <@{carla}> may.",
    )
    made = append(db, "T1", VAULT, entry, NOON)
    for word in ("U0ANNA", carla, "anna-at-bitrise"):
        assert word not in made.body
    assert made.entry == entry
    assert made.as_json()["about"] == entry.about
    assert made.as_json()["channel"] == "U0ANNA"
    assert erase_person(db, "T1", VAULT, carla, NOON) == 1
    assert carla not in str(rows_of(db))
    assert is_valid(db)


@given(
    st.integers(1, LENGTH),
    st.sampled_from(["personal = NULL, salt = NULL", "personal = NULL", "salt = NULL"]),
)
def test_blanking_a_user_manually_is_detected(seq: int, blank: str) -> None:
    db = bypass_triggers(make_chain())
    db.execute(f"UPDATE audit SET {blank} WHERE seq = ?", [seq])  # noqa: S608
    assert not is_valid(db, None)


def test_an_erased_user_cannot_be_replaced_with_another_one() -> None:
    db = bypass_triggers(make_chain())
    erase_person(db, "T1", VAULT, "U0PERSON2", NOON)
    assert is_valid(db)
    db.execute("UPDATE audit SET personal = ? WHERE seq = 2", ['{"person":"U0INNOCENT"}'])
    assert not is_valid(db, None)


def test_a_sealed_chain_cannot_be_continued_without_its_key() -> None:
    for vault in (None, OTHER):
        db = make_chain()
        with pytest.raises(ChainBroken, match=r"sealed|opened"):
            erase_person(db, "T1", vault, "U0PERSON2", NOON)


def test_old_entries_are_pruned_from_the_start_and_the_rest_is_valid(db: Connection) -> None:
    fill_chain(db)
    hashes = [record.hash for record in records_of(db, "T1")]
    assert prune_audit(db, NOON + timedelta(days=3, hours=1), VAULT) == 3
    assert verify_chain(db, "T1", VAULT, None).entries == LENGTH - 3
    for remaining in hashes[2:]:
        assert verify_chain(db, "T1", VAULT, remaining).last_seq == LENGTH
    with pytest.raises(ChainBroken, match="entries before 4 were deleted"):
        verify_chain(db, "T1", VAULT, hashes[0])
    append(db, "T1", VAULT, make_entry(7), NOON + timedelta(days=7))
    assert is_valid(db)
    assert prune_audit(db, NOON + timedelta(days=30), VAULT) == LENGTH - 2
    assert verify_chain(db, "T1", VAULT, None).entries == 0
    append(db, "T1", VAULT, make_entry(8), NOON + timedelta(days=31))
    assert verify_chain(db, "T1", VAULT, None).last_seq == 8


def test_an_unknown_hash_is_not_explained_by_pruning() -> None:
    db = make_chain()
    with pytest.raises(ChainBroken, match=r"no entry has the expected hash$"):
        verify_chain(db, "T1", VAULT, "0" * 64)


def test_pruning_skips_forged_chains_and_chains_of_an_unknown_key() -> None:
    forged = bypass_triggers(make_chain())
    rewrite(forged, 1, 5)
    assert prune_audit(forged, NOON + timedelta(days=3, hours=1), VAULT) == 0
    assert not is_valid(forged)
    for vault in (None, OTHER):
        db = make_chain()
        assert prune_audit(db, NOON + timedelta(days=3, hours=1), vault) == 0
        assert is_valid(db)
    unsealed = make_chain(None)
    assert prune_audit(unsealed, NOON + timedelta(days=3, hours=1), VAULT) == 3
    assert is_valid(unsealed, None)


async def test_retention_prunes_the_audit_log(
    repositories: Repositories,
) -> None:
    for days in (1, 2, 3):
        await repositories.database.write(
            lambda db, days=days: append(db, "T1", VAULT, make_entry(days), NOON + timedelta(days=days))  # type: ignore[misc]
        )
    before = NOON + timedelta(days=2, hours=1)
    assert await prune(repositories.database, before=NOON, audit_before=before, vault=VAULT) == 2
    found = await repositories.database.read(lambda db: verify_chain(db, "T1", VAULT, None))
    assert (found.entries, found.last_seq) == (1, 3)


def test_chains_older_than_the_key_are_sealed_once(db: Connection) -> None:
    fill_chain(db, None)
    with pytest.raises(ChainBroken, match="audit --seal"):
        verify_chain(db, "T1", VAULT, None)
    assert seal_chains(db, VAULT) == 1
    assert is_valid(db)
    assert seal_chains(db, VAULT) == 0


def test_an_invalid_chain_is_not_sealed() -> None:
    db = bypass_triggers(make_chain(None))
    db.execute("UPDATE audit SET body = '{}' WHERE seq = 2")
    with pytest.raises(ChainBroken, match="entry 2"):
        seal_chains(db, VAULT)
    forged = bypass_triggers(make_chain())
    rewrite(forged, 1, 3)
    for work in (seal_chains, reseal_chains):
        with pytest.raises(ChainBroken):
            work(forged, VAULT)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5), st.data())
def test_entries_with_any_text_are_verified_without_a_database(texts: list[str], data: st.DataObject) -> None:
    records, previous = [], ""
    for seq, text in enumerate(texts, start=1):
        entry = AuditEntry(
            event=Event.REFUSED, act=text, personal=PersonalFields(person="U1", reason=text), answer=text
        )
        records.append(link(entry, seq=seq, at=NOON, previous=previous, salt=str(seq)))
        previous = records[-1].hash
    assert verify(records, first=1, before="") == (len(texts), previous)
    assert [record.entry.answer for record in records] == texts
    place = data.draw(st.integers(0, len(records) - 1))
    records[place] = records[place].model_copy(update={"at": NOON + timedelta(microseconds=1)})
    with pytest.raises(ChainBroken, match=f"entry {place + 1} was changed"):
        verify(records, first=1, before="")
