"""What was done and what was refused in one workspace: only ever added to."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
    """A chain that holds: how many entries it has, and its end. `sealed`: both its ends are under the key's seal."""

    entries: int
    last_seq: int
    last_hash: str
    sealed: bool


class Audit:
    """One workspace's chain. With a key both its ends are sealed, so that nobody else can write another one."""

    def __init__(self, database: OfWorkspace, team: str, vault: Vault | None) -> None:
        self._database = database
        self._team = team
        self._vault = vault

    async def append(self, entry: Entry, at: datetime) -> Link:
        """Write an entry."""
        return await self._database.write(lambda db: append(db, self._team, self._vault, entry, at))

    async def latest(
        self, most: int, *, channel: str | None = None, app: str | None = None, acts: Sequence[str] = ()
    ) -> list[Link]:
        """The newest entries, newest first: all, or those of a channel, an app, or some acts."""
        where, given = "team_id = ?", [self._team]
        if acts:
            where = f"{where} AND json_extract(body, '$.act') IN ({', '.join('?' * len(acts))})"
            given = [*given, *acts]
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
    end = _end_of(db, team)
    new = link(
        entry, seq=end.last_seq + 1, at=at.astimezone(UTC), previous=end.last_hash, salt=secrets.token_hex(16)
    )
    db.execute(
        f"INSERT INTO audit (team_id, {_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [team, new.seq, to_text(new.at), new.body, new.personal, new.salt, new.previous, new.hash],
    )
    longer = replace(end, last_seq=new.seq, last_hash=new.hash)
    # An end that was not ours is not sealed over: what was done to it goes on to show.
    if vault is not None and (end.last_seq == 0 or _is_sealed(vault, team, end)):
        longer = _sealed(vault, team, longer)
    _end_at(db, team, longer)
    return new


def erase_person(db: sqlite_utils.Database, team: str, vault: Vault | None, person: str, at: datetime) -> int:
    """Take a person, and what they wrote, out of all entries; that it was done is an entry itself. In a transaction.

    Returns how many entries it was. Raises Tampered where the chain's end is sealed and this vault can't go on from it.
    """
    theirs = [one.seq for one in links_about(db, team, person)]
    for seq in theirs:
        db.execute("UPDATE audit SET personal = NULL, salt = NULL WHERE team_id = ? AND seq = ?", [team, seq])
    if theirs:
        end = _end_of(db, team)
        if end.seal is not None:
            if vault is None:
                raise Tampered(
                    "its end is sealed, and there is no key (BUILDBELL_SECRET_KEY) to go on from it"
                )
            _check_seal(vault, team, end)
        about = {"entries": " ".join(map(str, theirs))}
        entry = Entry(event=Event.ERASED, act="erase_user", personal=Personal(person="operator"), about=about)
        append(db, team, vault, entry, at)
    return len(theirs)


def links_about(db: sqlite_utils.Database, team: str, person: str) -> Iterator[Link]:
    """The entries that are a person's, or name them; for use where a database is at hand."""
    where = "team_id = ? AND personal LIKE ?"
    for row in db.execute(f"SELECT {_FIELDS} FROM audit WHERE {where} ORDER BY seq", [team, f"%{person}%"]):
        if (one := _link(row)).names(person):
            yield one


def prune_audit(db: sqlite_utils.Database, before: datetime, vault: Vault | None = None) -> int:
    """Forget the entries that are older, from the beginning of each chain on; for use inside a transaction.

    A chain under a seal is cut only by who can seal it anew: one whose seal does not fit goes on to show that.
    """
    forgotten = 0
    for team in teams_with_chains(db):
        query = "SELECT seq, hash FROM audit WHERE team_id = ? AND at < ? ORDER BY seq DESC LIMIT 1"
        if (last := db.execute(query, [team, to_text(before)]).fetchone()) is None:
            continue
        end = _end_of(db, team)
        if end.seal is not None and (vault is None or not _is_sealed(vault, team, end)):
            continue
        cut = replace(end, first_seq=last[0] + 1, before_first=last[1])
        if vault is not None and end.seal is not None:
            cut = _sealed(vault, team, cut)
        _end_at(db, team, cut)
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
    """Seal the ends that have no seal, being from before there was a key; for use inside a transaction.

    Every chain must hold, and every seal that is there must fit. Returns how many were sealed. Raises Tampered.
    """
    sealed = 0
    for team in teams_with_chains(db):
        end = _end_of(db, team)
        verify_chain(db, team, vault if end.seal is not None else None, None)
        if end.seal is None:
            _end_at(db, team, _sealed(vault, team, end))
            sealed += 1
    return sealed


def reseal_chains(db: sqlite_utils.Database, vault: Vault) -> int:
    """Seal the ends that are under another key than the first with that one; for use inside a transaction.

    Returns how many it were. Raises Tampered for an end that is not the one that was sealed.
    """
    sealed = 0
    for team in teams_with_chains(db):
        end = _end_of(db, team)
        if end.seal is None:
            continue
        try:
            _check_seal(vault, team, end)
        except Tampered as problem:
            raise Tampered(f"audit of workspace {team}: {problem}") from problem
        if not vault.is_current(end.seal):
            _end_at(db, team, _sealed(vault, team, end))
            sealed += 1
    return sealed


def teams_with_chains(db: sqlite_utils.Database) -> list[str]:
    """The workspaces of which anything was written down; for use where a database is at hand."""
    query = "SELECT team_id FROM audit_chains UNION SELECT team_id FROM audit ORDER BY 1"
    return [team for (team,) in db.execute(query)]


def verify_chain(db: sqlite_utils.Database, team: str, vault: Vault | None, expected: str | None) -> Verdict:
    """Whether a workspace's chain stands as it was written; for use where a database is at hand. Raises Tampered."""
    end = _end_of(db, team)
    seen = {"count": 0, "expected": expected in (None, end.before_first)}

    def counted() -> Iterator[Link]:
        for one in links_of(db, team):
            seen["count"] += 1
            seen["expected"] |= one.hash == expected
            yield one

    found = verify(counted(), first=end.first_seq, before=end.before_first)
    if found != (end.last_seq, end.last_hash):
        raise Tampered(f"it should end with entry {end.last_seq}, but ends with {found[0]}")
    if not seen["expected"]:
        gone = (
            f"; those before entry {end.first_seq} were forgotten (AUDIT_DAYS)" if end.first_seq > 1 else ""
        )
        raise Tampered(f"the end that was noted before is none of its entries{gone}")
    if vault is not None and end.last_seq:
        _check_seal(vault, team, end)
    return Verdict(
        entries=seen["count"],
        last_seq=end.last_seq,
        last_hash=end.last_hash,
        sealed=vault is not None and bool(end.seal),
    )


def links_of(db: sqlite_utils.Database, team: str) -> Iterator[Link]:
    """All entries of a workspace, in order; for use where a database is at hand. Raises Tampered."""
    for row in db.execute(f"SELECT {_FIELDS} FROM audit WHERE team_id = ? ORDER BY seq", [team]):
        yield _link(row)


@dataclass(frozen=True)
class _End:
    """Both ends of what is kept of a chain: its first entry with the hash before it, its last one with its own."""

    first_seq: int = 1
    before_first: str = ""
    last_seq: int = 0
    last_hash: str = ""
    seal: str | None = None

    @property
    def sealed_text(self) -> str:
        """What the seal is over: a chain that was cut at its beginning shows as well as one cut at its end."""
        return f"{self.first_seq} {self.before_first} {self.last_seq} {self.last_hash}"


def _end_of(db: sqlite_utils.Database, team: str) -> _End:
    query = "SELECT first_seq, before_first, last_seq, last_hash, seal FROM audit_chains WHERE team_id = ?"
    row = db.execute(query, [team]).fetchone()
    return _End() if row is None else _End(*row)


def _end_at(db: sqlite_utils.Database, team: str, end: _End) -> None:
    db.execute(
        "UPDATE audit_chains SET first_seq = ?, before_first = ?, last_seq = ?, last_hash = ?, seal = ?"
        " WHERE team_id = ?",
        [end.first_seq, end.before_first, end.last_seq, end.last_hash, end.seal, team],
    )


def _check_seal(vault: Vault, team: str, end: _End) -> None:
    if end.seal is None:
        raise Tampered(
            "its end has no seal; `buildbell audit --seal` seals what is from before there was a key"
        )
    try:
        sealed = vault.open(end.seal, "audit", team)
    except CannotOpen as error:
        raise Tampered(f"the seal at its end can't be opened: {error}") from error
    if sealed != end.sealed_text:
        raise Tampered("its ends are not those that were sealed")


def _is_sealed(vault: Vault, team: str, end: _End) -> bool:
    try:
        _check_seal(vault, team, end)
    except Tampered:
        return False
    return True


def _sealed(vault: Vault, team: str, end: _End) -> _End:
    return replace(end, seal=vault.seal(end.sealed_text, "audit", team))


def _link(row: Any) -> Link:
    seq, at, body, personal, salt, previous, hash_ = row
    try:
        link_ = Link(
            seq=seq, at=from_text(at), body=body, personal=personal, salt=salt, previous=previous, hash=hash_
        )
    except (TypeError, ValueError) as error:
        raise Tampered(f"entry {seq} was changed") from error
    # SQLite keeps whatever it is given: another kind of value, or the same time in other words, is a change too.
    if to_text(link_.at) != at or [link_.seq, *_texts(link_)] != [seq, body, personal, salt, previous, hash_]:
        raise Tampered(f"entry {seq} was changed")
    return link_


def _texts(one: Link) -> list[str | None]:
    return [one.body, one.personal, one.salt, one.previous, one.hash]
