"""The audit log: only ever added to, and whatever is done to it by other means shows."""

from __future__ import annotations

import json
import sqlite3
from datetime import timedelta

import pytest
import sqlite_utils
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.audit_log import ERASED, AuditEntry, ChainBroken, Event, PersonalFields, link, verify
from storage.audit_log import (
    append,
    erase_person,
    prune_audit,
    records_of,
    reseal_chains,
    seal_chains,
    verify_chain,
)
from storage.encryption import SecretBox
from storage.migrations import migrations
from storage.repositories import Repositories
from storage.retention import prune
from tests.support.factories import NOON

VAULT = SecretBox(["a-key-of-the-tests-that-is-long-enough"])
OTHER = SecretBox(["another-key-that-is-long-enough-as-well"])
COLUMNS = ("seq", "at", "body", "personal", "salt", "previous", "hash")
LENGTH = 6


def an_entry(number: int, person: str = "U0ANNA", answer: str = "") -> AuditEntry:
    return AuditEntry(
        event=Event.DONE,
        act="abort",
        personal=PersonalFields(person=person, reason=f"reason {number}"),
        channel="C1",
        app="a1",
        about={"build": f"b{number}"},
        answer=answer,
    )


def a_chain(vault: SecretBox | None = VAULT, length: int = LENGTH) -> sqlite_utils.Database:
    db = sqlite_utils.Database(memory=True)
    migrations.apply(db)
    for number in range(1, length + 1):
        append(db, "T1", vault, an_entry(number, f"U0PERSON{number}"), NOON + timedelta(days=number))
    return db


def bypass_triggers(db: sqlite_utils.Database) -> sqlite_utils.Database:
    """As somebody with a shell on the machine can: without the triggers."""
    db.execute("DROP TRIGGER audit_is_not_changed")
    db.execute("DROP TRIGGER audit_is_not_cut")
    return db


def rows_of(db: sqlite_utils.Database) -> list[tuple[object, ...]]:
    return db.execute("SELECT * FROM audit ORDER BY seq").fetchall()


def holds(db: sqlite_utils.Database, vault: SecretBox | None = VAULT) -> bool:
    try:
        verify_chain(db, "T1", vault, None)
    except ChainBroken:
        return False
    return True


def test_a_chain_that_nobody_touched_holds_and_says_its_end() -> None:
    db = a_chain()
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
def test_any_change_of_any_column_shows(seq: int, column: str, value: object) -> None:
    db = bypass_triggers(a_chain())
    before = rows_of(db)
    try:
        db.execute(f"UPDATE audit SET {column} = ? WHERE team_id = 'T1' AND seq = ?", [value, seq])  # noqa: S608
    except sqlite3.IntegrityError:
        assume(False)  # the schema itself does not take it
    assume(rows_of(db) != before)
    assert not holds(db, None)


@given(st.integers(1, LENGTH), st.sampled_from(COLUMNS[1:]), st.integers(0, 500), st.integers(0, 6))
def test_any_changed_bit_shows(seq: int, column: str, place: int, bit: int) -> None:
    db = bypass_triggers(a_chain())
    [[text]] = db.execute(f"SELECT {column} FROM audit WHERE seq = ?", [seq]).fetchall()  # noqa: S608
    assume(text)
    place %= len(text)
    changed = text[:place] + chr(ord(text[place]) ^ (1 << bit)) + text[place + 1 :]
    db.execute(f"UPDATE audit SET {column} = ? WHERE seq = ?", [changed, seq])  # noqa: S608
    assert not holds(db, None)


@pytest.mark.parametrize("at", ["2026-11-22T12:00:00+00:00", "2026-11-22T13:00:00.000000+01:00", "noon"])
def test_the_same_time_in_other_words_is_a_change_too(at: str) -> None:
    db = bypass_triggers(a_chain())
    db.execute("UPDATE audit SET at = ? WHERE seq = 1", [at])
    assert not holds(db, None)


@given(st.sets(st.integers(1, LENGTH), min_size=1))
def test_any_deletion_shows_at_the_beginning_and_the_end_too(gone: set[int]) -> None:
    db = bypass_triggers(a_chain())
    for seq in gone:
        db.execute("DELETE FROM audit WHERE seq = ?", [seq])
    assert not holds(db, None)


@given(st.permutations(range(1, LENGTH + 1)))
def test_any_other_order_shows(order: list[int]) -> None:
    assume(order != sorted(order))
    db = bypass_triggers(a_chain())
    rows = rows_of(db)
    db.execute("DELETE FROM audit")
    for row, seq in zip(rows, order, strict=True):
        db.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [row[0], seq, *row[2:]])
    assert not holds(db, None)


@given(st.integers(1, LENGTH), st.integers(1, LENGTH + 1))
def test_an_entry_that_was_put_in_shows(copied: int, at: int) -> None:
    db = bypass_triggers(a_chain())
    rows = rows_of(db)
    rows.insert(at - 1, rows[copied - 1])
    db.execute("DELETE FROM audit")
    for seq, row in enumerate(rows, start=1):
        db.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [row[0], seq, *row[2:]])
    assert not holds(db, None)


def rewrite(db: sqlite_utils.Database, first: int, last: int, *, seal: str | bool | None = True) -> None:
    """What the best forger without the key can do: a chain of its own, with both its ends in the right place."""
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
def test_a_chain_cut_at_either_end_by_somebody_without_the_key_shows(first: int, last: int) -> None:
    assume(first <= last and (first, last) != (1, LENGTH))
    db = bypass_triggers(a_chain())
    rewrite(db, first, last)
    assert holds(db, None)  # the chain itself can't tell
    assert not holds(db)
    rewrite(db, first, last, seal=None)
    assert not holds(db)
    rewrite(db, first, last, seal=OTHER.encrypt("1  6 x", "audit", "T1"))
    assert not holds(db)


def test_the_seal_of_another_workspace_does_not_fit() -> None:
    db = bypass_triggers(a_chain())
    append(db, "T2", VAULT, an_entry(1), NOON)
    [[seal]] = db.execute("SELECT seal FROM audit_chains WHERE team_id = 'T2'").fetchall()
    db.execute("UPDATE audit_chains SET seal = ? WHERE team_id = 'T1'", [seal])
    assert not holds(db)


def test_what_is_added_to_a_chain_that_was_forged_does_not_hide_it() -> None:
    db = bypass_triggers(a_chain())
    rewrite(db, 1, 3)
    append(db, "T1", VAULT, an_entry(4), NOON)
    assert not holds(db)


def test_entries_without_their_chain_are_missed() -> None:
    db = bypass_triggers(a_chain())
    db.execute("DELETE FROM audit_chains")
    assert not holds(db)


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
        "INSERT OR REPLACE INTO audit SELECT team_id, seq, at, 'x', personal, salt, previous, hash FROM audit",
    ],
)
def test_the_database_itself_refuses_to_change_or_cut_it(forbidden: str) -> None:
    db = a_chain()
    before = rows_of(db)
    with pytest.raises(sqlite3.IntegrityError, match="only added to"):
        db.execute(forbidden)
    assert rows_of(db) == before


def test_erasing_a_person_leaves_the_chain_whole_and_says_that_it_was_done() -> None:
    db = a_chain()
    append(db, "T1", VAULT, an_entry(7, "U0BEN", answer="agreed by <@U0PERSON2>, who was asked"), NOON)
    asked = PersonalFields(person="U0BEN", reason="for <@u0person2>", agreed_by="U0CARLA")
    append(db, "T1", VAULT, AuditEntry(event=Event.AGREED, act="start", personal=asked), NOON)
    append(db, "T1", VAULT, an_entry(9, "U0PERSON22"), NOON)
    assert erase_person(db, "T1", VAULT, "U0PERSON2", NOON) == 3
    found = verify_chain(db, "T1", VAULT, None)
    assert found.entries == LENGTH + 4
    links = list(records_of(db, "T1"))
    assert [one.seq for one in links if one.entry.personal.person == ERASED] == [2, 7, 8]
    assert links[-1].entry.about == {"entries": "2 7 8"}
    assert "U0PERSON2" not in {
        word for row in rows_of(db) for word in json.dumps(row).replace('\\"', " ").split()
    }
    assert erase_person(db, "T1", VAULT, "U0PERSON2", NOON) == 0


@pytest.mark.parametrize("carla", ["U0CARLA", "U_CARLA", "U_carla", "W0C.ARLA", "U1"])
def test_what_is_hashed_names_nobody(carla: str) -> None:
    db = a_chain(length=0)
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
    assert holds(db)


@given(
    st.integers(1, LENGTH),
    st.sampled_from(["personal = NULL, salt = NULL", "personal = NULL", "salt = NULL"]),
)
def test_blanking_a_person_by_hand_shows(seq: int, blank: str) -> None:
    db = bypass_triggers(a_chain())
    db.execute(f"UPDATE audit SET {blank} WHERE seq = ?", [seq])  # noqa: S608
    assert not holds(db, None)


def test_nobody_can_be_put_where_somebody_was_erased() -> None:
    db = bypass_triggers(a_chain())
    erase_person(db, "T1", VAULT, "U0PERSON2", NOON)
    assert holds(db)
    db.execute("UPDATE audit SET personal = ? WHERE seq = 2", ['{"person":"U0INNOCENT"}'])
    assert not holds(db, None)


def test_a_sealed_chain_is_not_gone_on_with_by_somebody_without_its_key() -> None:
    for vault in (None, OTHER):
        db = a_chain()
        with pytest.raises(ChainBroken, match=r"sealed|opened"):
            erase_person(db, "T1", vault, "U0PERSON2", NOON)


def test_what_is_old_is_forgotten_from_the_beginning_and_the_rest_holds() -> None:
    db = a_chain()
    noted = [one.hash for one in records_of(db, "T1")]
    assert prune_audit(db, NOON + timedelta(days=3, hours=1), VAULT) == 3
    assert verify_chain(db, "T1", VAULT, None).entries == LENGTH - 3
    for still_there in noted[2:]:
        assert verify_chain(db, "T1", VAULT, still_there).last_seq == LENGTH
    with pytest.raises(ChainBroken, match="those before entry 4 were forgotten"):
        verify_chain(db, "T1", VAULT, noted[0])
    append(db, "T1", VAULT, an_entry(7), NOON + timedelta(days=7))
    assert holds(db)
    assert prune_audit(db, NOON + timedelta(days=30), VAULT) == LENGTH - 2
    assert verify_chain(db, "T1", VAULT, None).entries == 0
    append(db, "T1", VAULT, an_entry(8), NOON + timedelta(days=31))
    assert verify_chain(db, "T1", VAULT, None).last_seq == 8


def test_a_hash_that_was_never_there_is_not_excused_by_what_was_forgotten() -> None:
    db = a_chain()
    with pytest.raises(ChainBroken, match=r"none of its entries$"):
        verify_chain(db, "T1", VAULT, "0" * 64)


def test_forgetting_heals_no_forged_chain_and_leaves_one_whose_key_is_not_there() -> None:
    forged = bypass_triggers(a_chain())
    rewrite(forged, 1, 5)
    assert prune_audit(forged, NOON + timedelta(days=3, hours=1), VAULT) == 0
    assert not holds(forged)
    for vault in (None, OTHER):
        db = a_chain()
        assert prune_audit(db, NOON + timedelta(days=3, hours=1), vault) == 0
        assert holds(db)
    unsealed = a_chain(None)
    assert prune_audit(unsealed, NOON + timedelta(days=3, hours=1), VAULT) == 3
    assert holds(unsealed, None)


async def test_the_housekeeping_forgets_what_is_older_than_the_audit_log_is_kept(
    repositories: Repositories,
) -> None:
    for days in (1, 2, 3):
        await repositories.database.write(
            lambda db, days=days: append(db, "T1", VAULT, an_entry(days), NOON + timedelta(days=days))  # type: ignore[misc]
        )
    before = NOON + timedelta(days=2, hours=1)
    assert await prune(repositories.database, before=NOON, audit_before=before, vault=VAULT) == 2
    found = await repositories.database.read(lambda db: verify_chain(db, "T1", VAULT, None))
    assert (found.entries, found.last_seq) == (1, 3)


def test_chains_from_before_there_was_a_key_are_sealed_once() -> None:
    db = a_chain(None)
    with pytest.raises(ChainBroken, match="audit --seal"):
        verify_chain(db, "T1", VAULT, None)
    assert seal_chains(db, VAULT) == 1
    assert holds(db)
    assert seal_chains(db, VAULT) == 0


def test_a_chain_that_does_not_hold_is_not_sealed() -> None:
    db = bypass_triggers(a_chain(None))
    db.execute("UPDATE audit SET body = '{}' WHERE seq = 2")
    with pytest.raises(ChainBroken, match="entry 2"):
        seal_chains(db, VAULT)
    forged = bypass_triggers(a_chain())
    rewrite(forged, 1, 3)
    for work in (seal_chains, reseal_chains):
        with pytest.raises(ChainBroken):
            work(forged, VAULT)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5), st.data())
def test_links_of_whatever_words_are_verified_without_a_database(
    words: list[str], data: st.DataObject
) -> None:
    links, previous = [], ""
    for seq, word in enumerate(words, start=1):
        entry = AuditEntry(
            event=Event.REFUSED, act=word, personal=PersonalFields(person="U1", reason=word), answer=word
        )
        links.append(link(entry, seq=seq, at=NOON, previous=previous, salt=str(seq)))
        previous = links[-1].hash
    assert verify(links, first=1, before="") == (len(words), previous)
    assert [one.entry.answer for one in links] == words
    place = data.draw(st.integers(0, len(links) - 1))
    links[place] = links[place].model_copy(update={"at": NOON + timedelta(microseconds=1)})
    with pytest.raises(ChainBroken, match=f"entry {place + 1} was changed"):
        verify(links, first=1, before="")
