"""The append-only audit log: what was done and what was refused in each workspace."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from domain.audit_chain import AuditEntry, AuditRecord, ChainBroken, Event, PersonalFields, link, verify
from domain.build import FrozenModel
from storage.audit_anchor_lines import AnchorEvent
from storage.audit_register import (
    AnchorRecord,
    ChainEnds,
    RegisterChange,
    change_register,
    ends_of,
    reseal_register,
    start_chain,
    write_ends,
)
from storage.connection import Connection, escape_like
from storage.database import WorkspaceDatabase
from storage.encryption import SecretBox
from storage.timestamps import from_text, to_text

_FIELDS = "seq, at, body, personal, salt, previous, hash"


class Verdict(FrozenModel):
    """A valid chain: its number of entries and its end. `sealed`: both ends are sealed with the key."""

    entries: int
    last_seq: int
    last_hash: str
    sealed: bool


# Higher than any number of an entry.
_AFTER_ALL = 2**62


class AuditLog:
    """The hash chain of one workspace. With a key both ends are sealed, so that nobody else can forge a chain."""

    def __init__(self, database: WorkspaceDatabase, team: str, vault: SecretBox | None) -> None:
        self._database = database
        self._team = team
        self._vault = vault

    async def append(self, entry: AuditEntry, at: datetime) -> AuditRecord:
        """Append an entry."""
        return await self._database.write(lambda db: append(db, self._team, self._vault, entry, at))

    async def latest(
        self, most: int, *, channel: str | None = None, app: str | None = None, acts: Sequence[str] = ()
    ) -> list[AuditRecord]:
        """Return the newest entries, newest first: all, or those of a channel, an app or some actions."""
        wanted: dict[str, Sequence[str]] = {"act": acts}
        wanted |= {"channel": [channel]} if channel is not None else {}
        wanted |= {"app": [app]} if app is not None else {}
        wanted = {name: values for name, values in wanted.items() if values}
        return await self._database.read(lambda db: _latest(db, self._team, wanted, most))

    async def verify(self, expected: str | None = None) -> Verdict:
        """Verify that the chain is unchanged. Raises ChainBroken.

        `expected` is an end that was noted elsewhere: it must be the hash of one of the entries.
        """
        return await self._database.read(lambda db: verify_chain(db, self._team, self._vault, expected))


def _latest(db: Connection, team: str, wanted: Mapping[str, Sequence[str]], most: int) -> list[AuditRecord]:
    """Return the newest entries with one of the wanted values in each of these fields."""
    # The entry's JSON is searched as text first, which finds a few entries too many: another field may have its words.
    patterns = {
        name: [
            f"%{json.dumps(name)}: {escape_like(json.dumps(value, ensure_ascii=False))}%" for value in values
        ]
        for name, values in wanted.items()
    }
    like = [" OR ".join(["body LIKE ? ESCAPE '\\'"] * len(values)) for values in patterns.values()]
    query = (
        f"SELECT {_FIELDS} FROM audit WHERE team_id = ? AND seq < ?{''.join(f' AND ({each})' for each in like)}"
        " ORDER BY seq DESC LIMIT ?"
    )
    found: list[AuditRecord] = []
    before = _AFTER_ALL
    while len(found) < most:
        arguments = [team, before, *chain.from_iterable(patterns.values()), most]
        records = [_read_record(row) for row in db.execute(query, arguments).fetchall()]
        found += [
            record
            for record in records
            if all(json.loads(record.body).get(name) in values for name, values in wanted.items())
        ]
        if len(records) < most:
            break
        before = records[-1].seq
    return found[:most]


def append(
    db: Connection, team: str, vault: SecretBox | None, entry: AuditEntry, at: datetime
) -> AuditRecord:
    """Append an entry to a workspace's chain; for use inside a transaction.

    The transaction should end soon after: until then, no other workspace can append an entry, because all chains are
    in one register. Raises ChainBroken if the chain or the register of all chains is missing: then nothing can be
    logged.
    """
    db.lock("audit")
    end = ends_of(db, team) or start_chain(db, vault, team, at)
    new = link(
        entry, seq=end.last_seq + 1, at=at.astimezone(UTC), previous=end.last_hash, salt=secrets.token_hex(16)
    )
    longer = replace(end, last_seq=new.seq, last_hash=new.hash)
    line = AnchorRecord(AnchorEvent.ENTRY, team, new.seq, new.hash)
    _update_register(db, vault, team, end, longer, line, at)
    db.execute(
        f"INSERT INTO audit (team_id, {_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [team, new.seq, to_text(new.at), new.body, new.personal, new.salt, new.previous, new.hash],
    )
    # A forged end is not sealed, so that the forgery stays visible.
    if vault is not None and (end.is_sealed(vault, team) or (end.last_seq == 0 and end.seal is None)):
        longer = longer.sealed(vault, team)
    write_ends(db, team, longer)
    return new


def start_chain_if_missing(db: Connection, vault: SecretBox | None, team: str, at: datetime) -> None:
    """Start the chain of a workspace before it stores data for the first time; for use inside a transaction.

    So every workspace with data has a chain, and a missing chain is noticed.
    """
    if ends_of(db, team) is not None:
        return
    db.lock("audit")
    # A workspace that must have had a chain gets no new one; the next append says why.
    if ends_of(db, team) is None:
        with suppress(ChainBroken):
            start_chain(db, vault, team, at)


def erase_person(db: Connection, team: str, vault: SecretBox | None, person: str, at: datetime) -> int:
    """Erase a user and their texts from all entries, and log that; for use inside a transaction.

    Returns the number of entries. Raises ChainBroken if the chain's end is sealed and this vault can't continue it.
    """
    db.lock("audit")
    seqs = [record.seq for record in records_about(db, team, person)]
    for seq in seqs:
        db.execute("UPDATE audit SET personal = NULL, salt = NULL WHERE team_id = ? AND seq = ?", [team, seq])
    if seqs:
        end = ends_of(db, team) or ChainEnds()
        if end.seal is not None:
            if vault is None:
                raise ChainBroken("its end is sealed; to add an entry, set BUILDBELL_SECRET_KEY")
            end.check_seal(vault, team)
        about = {"entries": " ".join(map(str, seqs))}
        entry = AuditEntry(
            event=Event.ERASED, act="erase_user", personal=PersonalFields(person="operator"), about=about
        )
        append(db, team, vault, entry, at)
    return len(seqs)


def records_about(db: Connection, team: str, person: str) -> Iterator[AuditRecord]:
    """Yield the entries by or about a user; for use on the database's thread."""
    where = "team_id = ? AND LOWER(personal) LIKE ?"
    arguments = [team, f"%{person.lower()}%"]
    for row in db.execute(f"SELECT {_FIELDS} FROM audit WHERE {where} ORDER BY seq", arguments):
        if (record := _read_record(row)).names(person):
            yield record


def prune_audit(db: Connection, before: datetime, vault: SecretBox | None = None) -> int:
    """Delete older entries from the start of each chain; for use inside a transaction.

    A sealed chain is cut only with the key that can seal it again. One with a wrong seal is kept, so that it shows.
    """
    db.lock("audit")
    deleted = 0
    for team in teams_with_chains(db):
        query = "SELECT seq, hash FROM audit WHERE team_id = ? AND at < ? ORDER BY seq DESC LIMIT 1"
        if (last := db.execute(query, [team, to_text(before)]).fetchone()) is None:
            continue
        end = ends_of(db, team) or ChainEnds()
        if end.seal is not None and (vault is None or not end.is_sealed(vault, team)):
            continue
        cut = replace(end, first_seq=last[0] + 1, before_first=last[1])
        try:
            _update_register(db, vault, team, end, cut, None, before)
        except ChainBroken:
            continue  # the register of all chains is missing; nothing is deleted until an operator has investigated
        if vault is not None and end.seal is not None:
            cut = cut.sealed(vault, team)
        write_ends(db, team, cut)
        deleted += int(
            db.execute("DELETE FROM audit WHERE team_id = ? AND seq <= ?", [team, last[0]]).rowcount
        )
    return deleted


def wipe_audit(db: Connection, team: str, vault: SecretBox | None, at: datetime) -> None:
    """Delete a workspace's whole chain; for use inside a transaction."""
    db.lock("audit")
    if (end := ends_of(db, team)) is not None:
        line = AnchorRecord(AnchorEvent.LEFT, team, end.last_seq, end.last_hash)
        with suppress(ChainBroken):  # a missing register must not prevent a workspace from being removed
            change_register(db, vault, RegisterChange(chains={team: None}, anchor_records=[line]), at)
    db.execute("UPDATE audit_chains SET first_seq = last_seq + 1 WHERE team_id = ?", [team])
    db.execute("DELETE FROM audit WHERE team_id = ?", [team])
    db.execute("DELETE FROM audit_chains WHERE team_id = ?", [team])


def seal_chains(db: Connection, vault: SecretBox) -> int:
    """Seal the ends that have no seal because they were written before there was a key; for use inside a transaction.

    Every chain and every existing seal, including the register's, must be valid. Returns how many were sealed. Raises
    ChainBroken.
    """
    db.lock("audit")
    sealed = 0
    for team in teams_with_chains(db):
        end = ends_of(db, team) or ChainEnds()
        verify_chain(db, team, vault if end.seal is not None else None, None)
        if end.seal is None:
            write_ends(db, team, end.sealed(vault, team))
            sealed += 1
    reseal_register(db, vault)
    return sealed


def reseal_chains(db: Connection, vault: SecretBox) -> int:
    """Seal the ends that are sealed with an older key with the current one; for use inside a transaction.

    Returns how many there were. Raises ChainBroken for an end that does not match its seal.
    """
    sealed = 0
    for team in teams_with_chains(db):
        end = ends_of(db, team) or ChainEnds()
        if end.seal is None:
            continue
        try:
            end.check_seal(vault, team)
        except ChainBroken as problem:
            raise ChainBroken(f"audit log of workspace {team}: {problem}") from problem
        if not vault.is_current(end.seal):
            write_ends(db, team, end.sealed(vault, team))
            sealed += 1
    return sealed


def teams_with_chains(db: Connection) -> list[str]:
    """Return the workspaces that have an audit log; for use on the database's thread."""
    query = "SELECT team_id FROM audit_chains UNION SELECT team_id FROM audit ORDER BY 1"
    return [team for (team,) in db.execute(query)]


def verify_chain(db: Connection, team: str, vault: SecretBox | None, expected: str | None) -> Verdict:
    """Verify that a workspace's chain is unchanged; for use on the database's thread. Raises ChainBroken."""
    end = ends_of(db, team) or ChainEnds()
    progress = {"count": 0, "expected": expected in (None, end.before_first)}

    def counted() -> Iterator[AuditRecord]:
        for record in records_of(db, team):
            progress["count"] += 1
            progress["expected"] |= record.hash == expected
            yield record

    found = verify(counted(), first=end.first_seq, before=end.before_first)
    if found != (end.last_seq, end.last_hash):
        raise ChainBroken(f"it should end with entry {end.last_seq}, but ends with {found[0]}")
    if not progress["expected"]:
        gone = f"; entries before {end.first_seq} were deleted (AUDIT_DAYS)" if end.first_seq > 1 else ""
        raise ChainBroken(f"no entry has the expected hash{gone}")
    if vault is not None and (end.last_seq or end.seal is not None):
        end.check_seal(vault, team)
    return Verdict(
        entries=progress["count"],
        last_seq=end.last_seq,
        last_hash=end.last_hash,
        sealed=vault is not None and bool(end.seal),
    )


def records_of(db: Connection, team: str) -> Iterator[AuditRecord]:
    """Yield all entries of a workspace in order; for use on the database's thread. Raises ChainBroken."""
    for row in db.execute(f"SELECT {_FIELDS} FROM audit WHERE team_id = ? ORDER BY seq", [team]):
        yield _read_record(row)


def _update_register(
    db: Connection,
    vault: SecretBox | None,
    team: str,
    before: ChainEnds,
    after: ChainEnds,
    line: AnchorRecord | None,
    at: datetime,
) -> None:
    """Update the register after a change of a chain. Raises ChainBroken if the register is missing."""
    anchor_records = [line] if line is not None else []
    change = RegisterChange(chains={team: after}, known={team: before.values}, anchor_records=anchor_records)
    change_register(db, vault, change, at)


def _read_record(row: Any) -> AuditRecord:
    seq, at, body, personal, salt, previous, hash_ = row
    try:
        record = AuditRecord(
            seq=seq, at=from_text(at), body=body, personal=personal, salt=salt, previous=previous, hash=hash_
        )
    except (TypeError, ValueError) as error:
        raise ChainBroken(f"entry {seq} was changed") from error
    # SQLite stores values of any type: another type, or the same time written differently, is a change too.
    stored = [seq, body, personal, salt, previous, hash_]
    if to_text(record.at) != at or [record.seq, *_texts(record)] != stored:
        raise ChainBroken(f"entry {seq} was changed")
    return record


def _texts(record: AuditRecord) -> list[str | None]:
    return [record.body, record.personal, record.salt, record.previous, record.hash]
