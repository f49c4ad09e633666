"""What was done and what was refused in one workspace: only ever added to."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import sqlite_utils

from domain.audit_log import AuditEntry, AuditRecord, ChainBroken, Event, PersonalFields, link, verify
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
from storage.database import WorkspaceDatabase
from storage.encryption import SecretBox
from storage.timestamps import from_text, to_text

_FIELDS = "seq, at, body, personal, salt, previous, hash"


class Verdict(FrozenModel):
    """A chain that holds: how many entries it has, and its end. `sealed`: both its ends are under the key's seal."""

    entries: int
    last_seq: int
    last_hash: str
    sealed: bool


class AuditLog:
    """One workspace's chain. With a key both its ends are sealed, so that nobody else can write another one."""

    def __init__(self, database: WorkspaceDatabase, team: str, vault: SecretBox | None) -> None:
        self._database = database
        self._team = team
        self._vault = vault

    async def append(self, entry: AuditEntry, at: datetime) -> AuditRecord:
        """Write an entry."""
        return await self._database.write(lambda db: append(db, self._team, self._vault, entry, at))

    async def latest(
        self, most: int, *, channel: str | None = None, app: str | None = None, acts: Sequence[str] = ()
    ) -> list[AuditRecord]:
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
        """Whether all of it stands as it was written. Raises ChainBroken.

        `expected` is an end that was noted elsewhere: it must be one of the entries' hashes.
        """
        return await self._database.read(lambda db: verify_chain(db, self._team, self._vault, expected))


def append(
    db: sqlite_utils.Database, team: str, vault: SecretBox | None, entry: AuditEntry, at: datetime
) -> AuditRecord:
    """Write an entry at the end of a workspace's chain; for use inside a transaction.

    Raises ChainBroken where the chain, or the register of all chains, is gone: then nothing can be written down.
    """
    end = ends_of(db, team) or start_chain(db, vault, team, at)
    new = link(
        entry, seq=end.last_seq + 1, at=at.astimezone(UTC), previous=end.last_hash, salt=secrets.token_hex(16)
    )
    longer = replace(end, last_seq=new.seq, last_hash=new.hash)
    line = AnchorRecord(AnchorEvent.ENTRY, team, new.seq, new.hash)
    _change(db, vault, team, end, longer, line, at)
    db.execute(
        f"INSERT INTO audit (team_id, {_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [team, new.seq, to_text(new.at), new.body, new.personal, new.salt, new.previous, new.hash],
    )
    # An end that was not ours is not sealed over: what was done to it goes on to show.
    if vault is not None and (end.is_sealed(vault, team) or (end.last_seq == 0 and end.seal is None)):
        longer = longer.sealed(vault, team)
    write_ends(db, team, longer)
    return new


def start_chain_if_missing(
    db: sqlite_utils.Database, vault: SecretBox | None, team: str, at: datetime
) -> bool:
    """Begin the chain of a workspace that tells the bot something for the first time; for use inside a transaction.

    So each workspace of which there is anything has a chain, and one that has none any more shows. Returns whether it
    was there before.
    """
    if ends_of(db, team) is not None:
        return True
    with suppress(ChainBroken):  # who must have had one begins no new one; what is written down next says why
        start_chain(db, vault, team, at)
    return False


def erase_person(
    db: sqlite_utils.Database, team: str, vault: SecretBox | None, person: str, at: datetime
) -> int:
    """Take a person, and what they wrote, out of all entries; that it was done is an entry itself. In a transaction.

    Returns how many entries it was. Raises ChainBroken where the chain's end is sealed and this vault can't go on from
    it.
    """
    theirs = [one.seq for one in records_about(db, team, person)]
    for seq in theirs:
        db.execute("UPDATE audit SET personal = NULL, salt = NULL WHERE team_id = ? AND seq = ?", [team, seq])
    if theirs:
        end = ends_of(db, team) or ChainEnds()
        if end.seal is not None:
            if vault is None:
                raise ChainBroken(
                    "its end is sealed, and there is no key (BUILDBELL_SECRET_KEY) to go on from it"
                )
            end.check_seal(vault, team)
        about = {"entries": " ".join(map(str, theirs))}
        entry = AuditEntry(
            event=Event.ERASED, act="erase_user", personal=PersonalFields(person="operator"), about=about
        )
        append(db, team, vault, entry, at)
    return len(theirs)


def records_about(db: sqlite_utils.Database, team: str, person: str) -> Iterator[AuditRecord]:
    """The entries that are a person's, or name them; for use where a database is at hand."""
    where = "team_id = ? AND personal LIKE ?"
    for row in db.execute(f"SELECT {_FIELDS} FROM audit WHERE {where} ORDER BY seq", [team, f"%{person}%"]):
        if (one := _link(row)).names(person):
            yield one


def prune_audit(db: sqlite_utils.Database, before: datetime, vault: SecretBox | None = None) -> int:
    """Forget the entries that are older, from the beginning of each chain on; for use inside a transaction.

    A chain under a seal is cut only by who can seal it anew: one whose seal does not fit goes on to show that.
    """
    forgotten = 0
    for team in teams_with_chains(db):
        query = "SELECT seq, hash FROM audit WHERE team_id = ? AND at < ? ORDER BY seq DESC LIMIT 1"
        if (last := db.execute(query, [team, to_text(before)]).fetchone()) is None:
            continue
        end = ends_of(db, team) or ChainEnds()
        if end.seal is not None and (vault is None or not end.is_sealed(vault, team)):
            continue
        cut = replace(end, first_seq=last[0] + 1, before_first=last[1])
        try:
            _change(db, vault, team, end, cut, None, before)
        except ChainBroken:
            continue  # the register of all chains is gone; nothing is forgotten until somebody has looked
        if vault is not None and end.seal is not None:
            cut = cut.sealed(vault, team)
        write_ends(db, team, cut)
        forgotten += int(
            db.execute("DELETE FROM audit WHERE team_id = ? AND seq <= ?", [team, last[0]]).rowcount
        )
    return forgotten


def wipe_audit(db: sqlite_utils.Database, team: str, vault: SecretBox | None, at: datetime) -> None:
    """Forget a workspace's whole chain; for use inside a transaction."""
    if (end := ends_of(db, team)) is not None:
        line = AnchorRecord(AnchorEvent.LEFT, team, end.last_seq, end.last_hash)
        with suppress(ChainBroken):  # whoever leaves need not stay because of a register that is gone
            change_register(db, vault, RegisterChange(chains={team: None}, happenings=[line]), at)
    db.execute("UPDATE audit_chains SET first_seq = last_seq + 1 WHERE team_id = ?", [team])
    db.execute("DELETE FROM audit WHERE team_id = ?", [team])
    db.execute("DELETE FROM audit_chains WHERE team_id = ?", [team])


def seal_chains(db: sqlite_utils.Database, vault: SecretBox) -> int:
    """Seal the ends that have no seal, being from before there was a key; for use inside a transaction.

    Every chain must hold, and every seal that is there must fit, that of the register of all chains included. Returns
    how many were sealed. Raises ChainBroken.
    """
    sealed = 0
    for team in teams_with_chains(db):
        end = ends_of(db, team) or ChainEnds()
        verify_chain(db, team, vault if end.seal is not None else None, None)
        if end.seal is None:
            write_ends(db, team, end.sealed(vault, team))
            sealed += 1
    reseal_register(db, vault)
    return sealed


def reseal_chains(db: sqlite_utils.Database, vault: SecretBox) -> int:
    """Seal the ends that are under another key than the first with that one; for use inside a transaction.

    Returns how many it were. Raises ChainBroken for an end that is not the one that was sealed.
    """
    sealed = 0
    for team in teams_with_chains(db):
        end = ends_of(db, team) or ChainEnds()
        if end.seal is None:
            continue
        try:
            end.check_seal(vault, team)
        except ChainBroken as problem:
            raise ChainBroken(f"audit of workspace {team}: {problem}") from problem
        if not vault.is_current(end.seal):
            write_ends(db, team, end.sealed(vault, team))
            sealed += 1
    return sealed


def teams_with_chains(db: sqlite_utils.Database) -> list[str]:
    """The workspaces of which anything was written down; for use where a database is at hand."""
    query = "SELECT team_id FROM audit_chains UNION SELECT team_id FROM audit ORDER BY 1"
    return [team for (team,) in db.execute(query)]


def verify_chain(
    db: sqlite_utils.Database, team: str, vault: SecretBox | None, expected: str | None
) -> Verdict:
    """Whether a workspace's chain stands as it was written; for use where a database is at hand. Raises ChainBroken."""
    end = ends_of(db, team) or ChainEnds()
    seen = {"count": 0, "expected": expected in (None, end.before_first)}

    def counted() -> Iterator[AuditRecord]:
        for one in records_of(db, team):
            seen["count"] += 1
            seen["expected"] |= one.hash == expected
            yield one

    found = verify(counted(), first=end.first_seq, before=end.before_first)
    if found != (end.last_seq, end.last_hash):
        raise ChainBroken(f"it should end with entry {end.last_seq}, but ends with {found[0]}")
    if not seen["expected"]:
        gone = (
            f"; those before entry {end.first_seq} were forgotten (AUDIT_DAYS)" if end.first_seq > 1 else ""
        )
        raise ChainBroken(f"the end that was noted before is none of its entries{gone}")
    if vault is not None and (end.last_seq or end.seal is not None):
        end.check_seal(vault, team)
    return Verdict(
        entries=seen["count"],
        last_seq=end.last_seq,
        last_hash=end.last_hash,
        sealed=vault is not None and bool(end.seal),
    )


def records_of(db: sqlite_utils.Database, team: str) -> Iterator[AuditRecord]:
    """All entries of a workspace, in order; for use where a database is at hand. Raises ChainBroken."""
    for row in db.execute(f"SELECT {_FIELDS} FROM audit WHERE team_id = ? ORDER BY seq", [team]):
        yield _link(row)


def _change(
    db: sqlite_utils.Database,
    vault: SecretBox | None,
    team: str,
    before: ChainEnds,
    after: ChainEnds,
    line: AnchorRecord | None,
    at: datetime,
) -> None:
    """Let the register follow a chain. Raises ChainBroken where the register is gone."""
    happenings = [line] if line is not None else []
    change = RegisterChange(chains={team: after}, known={team: before.places}, happenings=happenings)
    change_register(db, vault, change, at)


def _link(row: Any) -> AuditRecord:
    seq, at, body, personal, salt, previous, hash_ = row
    try:
        link_ = AuditRecord(
            seq=seq, at=from_text(at), body=body, personal=personal, salt=salt, previous=previous, hash=hash_
        )
    except (TypeError, ValueError) as error:
        raise ChainBroken(f"entry {seq} was changed") from error
    # SQLite keeps whatever it is given: another kind of value, or the same time in other words, is a change too.
    if to_text(link_.at) != at or [link_.seq, *_texts(link_)] != [seq, body, personal, salt, previous, hash_]:
        raise ChainBroken(f"entry {seq} was changed")
    return link_


def _texts(one: AuditRecord) -> list[str | None]:
    return [one.body, one.personal, one.salt, one.previous, one.hash]
