"""What was done and what was refused in one workspace: only ever added to."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import sqlite_utils

from bot.audit import Entry, Event, Link, Personal, Tampered, link, verify
from bot.build import Frozen
from bot.vault import CannotOpen, Vault
from storage.database import OfWorkspace
from storage.times import from_text, to_text

_FIELDS = "seq, at, body, personal, salt, previous, hash"


class Verdict(Frozen):
    """A chain that holds: how many entries it has, and its end. `sealed`: the end is under the key's seal."""

    entries: int
    last_seq: int
    last_hash: str
    sealed: bool


class Audit:
    """One workspace's chain. With a key its end is sealed, so that nobody else can write another one."""

    def __init__(self, database: OfWorkspace, team: str, vault: Vault | None) -> None:
        self._database = database
        self._team = team
        self._vault = vault

    async def append(self, entry: Entry, at: datetime) -> Link:
        """Write an entry."""
        return await self._database.write(lambda db: append(db, self._team, self._vault, entry, at))

    async def latest(self, most: int, *, channel: str | None = None, app: str | None = None) -> list[Link]:
        """The newest entries, newest first: all, or those of a channel or an app."""
        where, given = "team_id = ?", [self._team]
        for name, value in (("channel", channel), ("app", app)):
            if value is not None:
                where, given = f"{where} AND json_extract(body, '$.{name}') = ?", [*given, value]
        query = f"SELECT {_FIELDS} FROM audit WHERE {where} ORDER BY seq DESC LIMIT ?"
        return await self._database.read(lambda db: [_link(row) for row in db.execute(query, [*given, most])])

    async def verify(self, expected: str | None = None) -> Verdict:
        """Whether all of it stands as it was written. Raises Tampered.

        `expected` is an end that was noted elsewhere: it must be one of the entries' hashes.
        """
        return await self._database.read(lambda db: verify_chain(db, self._team, self._vault, expected))


def append(db: sqlite_utils.Database, team: str, vault: Vault | None, entry: Entry, at: datetime) -> Link:
    """Write an entry at the end of a workspace's chain; for use inside a transaction."""
    db.execute("INSERT OR IGNORE INTO audit_chains (team_id) VALUES (?)", [team])
    seq, previous, seal = db.execute(
        "SELECT last_seq, last_hash, seal FROM audit_chains WHERE team_id = ?", [team]
    ).fetchone()
    new = link(entry, seq=seq + 1, at=at.astimezone(UTC), previous=previous, salt=secrets.token_hex(16))
    db.execute(
        f"INSERT INTO audit (team_id, {_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [team, new.seq, to_text(new.at), new.body, new.personal, new.salt, new.previous, new.hash],
    )
    # An end that was not ours is not sealed over: what was done to it goes on to show.
    if vault is not None and (seq == 0 or _is_sealed(vault, team, seq, previous, seal)):
        seal = _seal(vault, team, new.seq, new.hash)
    _end_at(db, team, new.seq, new.hash, seal)
    return new


def erase_person(db: sqlite_utils.Database, team: str, vault: Vault | None, person: str, at: datetime) -> int:
    """Take a person, and what they wrote, out of all entries; that it was done is an entry itself. In a transaction.

    Returns how many entries it was.
    """
    query = "SELECT seq, personal FROM audit WHERE team_id = ? AND personal IS NOT NULL"
    theirs = [
        seq
        for seq, personal in db.execute(query, [team])
        if person in (found := json.loads(personal)).values() or found.get("person") == person
    ]
    for seq in theirs:
        db.execute("UPDATE audit SET personal = NULL, salt = NULL WHERE team_id = ? AND seq = ?", [team, seq])
    if theirs:
        about = {"entries": " ".join(map(str, theirs))}
        entry = Entry(event=Event.ERASED, act="erase_user", personal=Personal(person="operator"), about=about)
        append(db, team, vault, entry, at)
    return len(theirs)


def prune_audit(db: sqlite_utils.Database, before: datetime) -> int:
    """Forget the entries that are older, from the beginning of each chain on; for use inside a transaction."""
    forgotten = 0
    for (team,) in db.execute("SELECT team_id FROM audit_chains").fetchall():
        query = "SELECT seq, hash FROM audit WHERE team_id = ? AND at < ? ORDER BY seq DESC LIMIT 1"
        if (last := db.execute(query, [team, to_text(before)]).fetchone()) is None:
            continue
        db.execute(
            "UPDATE audit_chains SET first_seq = ?, before_first = ? WHERE team_id = ?",
            [last[0] + 1, last[1], team],
        )
        forgotten += int(
            db.execute("DELETE FROM audit WHERE team_id = ? AND seq <= ?", [team, last[0]]).rowcount
        )
    return forgotten


def wipe_audit(db: sqlite_utils.Database, team: str) -> None:
    """Forget a workspace's whole chain; for use inside a transaction."""
    db.execute("UPDATE audit_chains SET first_seq = last_seq + 1 WHERE team_id = ?", [team])
    db.execute("DELETE FROM audit WHERE team_id = ?", [team])
    db.execute("DELETE FROM audit_chains WHERE team_id = ?", [team])


def seal_chains(db: sqlite_utils.Database, vault: Vault) -> int:
    """Seal every chain's end with the key of now; for use inside a transaction. Raises Tampered.

    An end without a seal is from before there was a key; one with a seal must fit it.
    """
    ends = db.execute("SELECT team_id, last_seq, last_hash, seal FROM audit_chains").fetchall()
    for team, seq, last_hash, seal in ends:
        verify_chain(db, team, vault if seal is not None else None, None)
        _end_at(db, team, seq, last_hash, _seal(vault, team, seq, last_hash))
    return len(ends)


def verify_chain(db: sqlite_utils.Database, team: str, vault: Vault | None, expected: str | None) -> Verdict:
    """Whether a workspace's chain stands as it was written; for use where a database is at hand. Raises Tampered."""
    chain = db.execute(
        "SELECT first_seq, before_first, last_seq, last_hash, seal FROM audit_chains WHERE team_id = ?",
        [team],
    ).fetchone()
    first, before, last_seq, last_hash, seal = chain or (1, "", 0, "", None)
    seen = {"count": 0, "expected": expected in (None, before)}

    def counted() -> Iterator[Link]:
        for one in links_of(db, team):
            seen["count"] += 1
            seen["expected"] |= one.hash == expected
            yield one

    end = verify(counted(), first=first, before=before)
    if end != (last_seq, last_hash):
        raise Tampered(f"it should end with entry {last_seq}, but ends with {end[0]}")
    if not seen["expected"]:
        raise Tampered("the end that was noted before is none of its entries")
    if vault is not None and last_seq:
        _check_seal(vault, team, last_seq, last_hash, seal)
    return Verdict(
        entries=seen["count"], last_seq=last_seq, last_hash=last_hash, sealed=vault is not None and bool(seal)
    )


def links_of(db: sqlite_utils.Database, team: str) -> Iterator[Link]:
    """All entries of a workspace, in order; for use where a database is at hand."""
    for row in db.execute(f"SELECT {_FIELDS} FROM audit WHERE team_id = ? ORDER BY seq", [team]):
        yield _link(row)


def _check_seal(vault: Vault, team: str, seq: int, last_hash: str, seal: str | None) -> None:
    if seal is None:
        raise Tampered(
            "its end has no seal; `buildbell audit --seal` seals what is from before there was a key"
        )
    try:
        sealed = vault.open(seal, "audit", team)
    except CannotOpen as error:
        raise Tampered(f"the seal at its end can't be opened: {error}") from error
    if sealed != f"{seq} {last_hash}":
        raise Tampered("its end is not the one that was sealed")


def _is_sealed(vault: Vault, team: str, seq: int, last_hash: str, seal: str | None) -> bool:
    try:
        _check_seal(vault, team, seq, last_hash, seal)
    except Tampered:
        return False
    return True


def _seal(vault: Vault, team: str, seq: int, last_hash: str) -> str:
    return vault.seal(f"{seq} {last_hash}", "audit", team)


def _end_at(db: sqlite_utils.Database, team: str, seq: int, last_hash: str, seal: str | None) -> None:
    db.execute(
        "UPDATE audit_chains SET last_seq = ?, last_hash = ?, seal = ? WHERE team_id = ?",
        [seq, last_hash, seal, team],
    )


def _link(row: Any) -> Link:
    seq, at, body, personal, salt, previous, hash_ = row
    return Link(
        seq=seq, at=from_text(at), body=body, personal=personal, salt=salt, previous=previous, hash=hash_
    )
