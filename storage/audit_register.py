"""The register: one sealed row over all chains of the audit log, so that no chain can vanish; and the anchor's lines.

For use on the database's thread; functions that write are for use inside a transaction.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from domain.audit_chain import ChainBroken
from storage.audit_anchor_lines import AnchorEvent, AnchorLine, digest_of, make_line
from storage.connection import Connection
from storage.encryption import DecryptionError, SecretBox
from storage.migrations import audit_triggers
from storage.timestamps import to_text

# More rows than a table has: not every database takes a negative limit for none.
MAX_ROWS = 2**62
# Prefix of the sealed text of a chain since there is a register. With such chains, a register needs a seal.
_REGISTERED = "registered"
# A workspace with rows in one of these tables has a chain, which was started before its first row.
_TABLES_REQUIRING_CHAIN = ("accounts", "policies", "proposals", "subscriptions")


@dataclass(frozen=True)
class ChainEnds:
    """Both ends of the stored part of a chain: the first entry with the hash before it, and the last with its own."""

    first_seq: int = 1
    before_first: str = ""
    last_seq: int = 0
    last_hash: str = ""
    seal: str | None = None

    @property
    def values(self) -> tuple[int, str, int, str]:
        """The ends without their seal, as the register stores them."""
        return self.first_seq, self.before_first, self.last_seq, self.last_hash

    @property
    def sealed_text(self) -> str:
        """The text that is sealed. It covers both ends, so that a cut at either end is detected."""
        return f"{_REGISTERED} {self._text}"

    @property
    def _text(self) -> str:
        return " ".join(map(str, self.values))

    def sealed(self, vault: SecretBox, team: str) -> ChainEnds:
        """Return a copy that is sealed with the first key."""
        return replace(self, seal=vault.encrypt(self.sealed_text, "audit", team))

    def check_seal(self, vault: SecretBox, team: str) -> bool:
        """Return whether the seal was made since there is a register. Raises ChainBroken if the seal is wrong."""
        if self.seal is None:
            raise ChainBroken(
                "its end has no seal; `buildbell audit --seal` seals entries that were written before a key was set"
            )
        try:
            sealed = vault.decrypt(self.seal, "audit", team)
        except DecryptionError as error:
            raise ChainBroken(f"the seal at its end can't be decrypted: {error}") from error
        if sealed not in (self.sealed_text, self._text):
            raise ChainBroken("its ends differ from the sealed ones")
        return sealed == self.sealed_text

    def is_sealed(self, vault: SecretBox, team: str) -> bool:
        """Return whether the seal is valid."""
        try:
            self.check_seal(vault, team)
        except ChainBroken:
            return False
        return True


def ends_of(db: Connection, team: str) -> ChainEnds | None:
    """Return the ends of a workspace's chain, or None."""
    query = "SELECT first_seq, before_first, last_seq, last_hash, seal FROM audit_chains WHERE team_id = ?"
    row = db.execute(query, [team]).fetchone()
    return None if row is None else ChainEnds(*row)


@dataclass(frozen=True)
class Register:
    """The register's row: the ends of each workspace's chain, the name of the anchor, and its last line."""

    chains: Mapping[str, tuple[int, str, int, str]]
    anchor: str = ""
    line_number: int = 0
    line_hash: str = ""
    seal: str | None = None

    @cached_property
    def chains_text(self) -> str:
        """The chains as they are stored."""
        return json.dumps(self.chains, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    @property
    def sealed_text(self) -> str:
        """The text that is sealed."""
        head = f"{self.anchor} {self.line_number} {self.line_hash}"
        return f"{head} {hashlib.sha256(self.chains_text.encode()).hexdigest()}"

    def check_seal(self, vault: SecretBox) -> None:
        """Raise ChainBroken unless the seal is valid."""
        if self.seal is None:
            raise ChainBroken(
                "the register of all chains has no seal;"
                " `buildbell audit --seal` seals it if it was written before a key was set"
            )
        try:
            sealed = vault.decrypt(self.seal, "audit register")
        except DecryptionError as error:
            raise ChainBroken(
                f"the seal of the register of all chains can't be decrypted: {error}"
            ) from error
        if sealed != self.sealed_text:
            raise ChainBroken("the register of all chains differs from the sealed one")


def read_register(db: Connection) -> Register:
    """Read the register. Raises ChainBroken if it is missing or can't be read."""
    query = "SELECT chains, anchor, line_number, line_hash, seal FROM audit_register WHERE id = 1"
    row = db.execute(query).fetchone()
    if row is None:
        raise ChainBroken("the register of all chains is missing")
    try:
        chains = {
            team: (first, before, last, hash_)
            for team, (first, before, last, hash_) in json.loads(row[0]).items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise ChainBroken("the register of all chains isn't valid") from error
    register = Register(chains, *row[1:])
    # The seal covers this exact text. Serializing it again would be slow with many workspaces.
    vars(register)["chains_text"] = row[0]
    return register


@dataclass(frozen=True)
class AnchorRecord:
    """An event that gets a line in the anchor."""

    event: AnchorEvent
    team: str | None = None
    seq: int | None = None
    hash: str | None = None
    chains: int | None = None
    over: str | None = None


@dataclass
class RegisterChange:
    """The changes of a transaction to the register. In `chains`, None stands for a deleted chain.

    `known` are the ends before the change. If the register has other ends, it is not updated, so that the difference
    stays visible.
    """

    chains: dict[str, ChainEnds | None] = field(default_factory=dict)
    known: Mapping[str, tuple[int, str, int, str]] = field(default_factory=dict)
    anchor_records: Sequence[AnchorRecord] = ()
    anchor: str | None = None


def change_register(db: Connection, vault: SecretBox | None, change: RegisterChange, at: datetime) -> None:
    """Change and seal the register, and write the lines for the anchor; called before the chains are changed.

    A register with a wrong seal is not sealed again, so that the forgery stays visible. Raises ChainBroken if it is
    missing.
    """
    before = read_register(db)
    may_seal = vault is not None and _is_ours(db, vault, before)
    chains = dict(before.chains)
    for team, ends in change.chains.items():
        if team in change.known and chains.get(team) != change.known[team]:
            continue
        if ends is None:
            chains.pop(team, None)
        else:
            chains[team] = ends.values
    after = replace(before, chains=chains, anchor=before.anchor if change.anchor is None else change.anchor)
    if after.anchor and vault is not None:
        after = _write_lines(db, vault, after, change.anchor_records, at)
    _write_register(db, after, vault if may_seal else None)


def reseal_register(db: Connection, vault: SecretBox) -> bool:
    """Seal the register with the first key if it has no seal or one of an older key. Returns whether it was needed.

    Raises ChainBroken if the register does not match its seal or the chains.
    """
    register = read_register(db)
    if register.seal is not None:
        register.check_seal(vault)
        if vault.is_current(register.seal):
            return False
    elif register.chains != _chains_in(db):
        raise ChainBroken("the register of all chains has no seal, and differs from them")
    _write_register(db, register, vault)
    return True


def record_key_change(db: Connection, vault: SecretBox, at: datetime) -> None:
    """Add a line to the anchor that is signed with the new key and so covers the lines under older keys."""
    change_register(db, vault, RegisterChange(anchor_records=[AnchorRecord(AnchorEvent.KEY)]), at)


def set_anchor(db: Connection, vault: SecretBox | None, anchor: str, at: datetime) -> None:
    """Switch to the anchor of this name, or to none (""). A new anchor starts with a statement."""
    db.lock("audit")
    register = read_register(db)
    if register.anchor == anchor:
        return
    db.execute("DELETE FROM audit_anchor_lines")
    records = statement(AnchorEvent.BEGUN, register) if anchor else []
    change_register(db, vault, RegisterChange(anchor=anchor, anchor_records=records), at)


def statement(event: AnchorEvent, register: Register, over: str | None = None) -> list[AnchorRecord]:
    """Return the state of all chains, as lines for the anchor."""
    states = [
        AnchorRecord(AnchorEvent.STATE, team, last, hash_)
        for team, (_, _, last, hash_) in sorted(register.chains.items())
    ]
    return [AnchorRecord(event, chains=len(states), over=over), *states]


def waiting_lines(db: Connection, most: int = MAX_ROWS) -> list[tuple[int, str]]:
    """Return the lines that wait to be sent with their row IDs, in order."""
    return [
        (number, line)
        for number, line in db.execute("SELECT id, line FROM audit_anchor_lines ORDER BY id LIMIT ?", [most])
    ]


def count_waiting(db: Connection) -> int:
    """Return how many lines wait to be sent."""
    return int(db.execute("SELECT COUNT(*) FROM audit_anchor_lines").fetchone()[0])


def delete_sent_lines(db: Connection, number: int) -> None:
    """Delete the waiting lines up to this row ID: they were sent."""
    db.execute("DELETE FROM audit_anchor_lines WHERE id <= ?", [number])


def replace_waiting_lines(db: Connection, lines: Sequence[str]) -> None:
    """Replace the waiting lines."""
    db.execute("DELETE FROM audit_anchor_lines")
    for line in lines:
        db.execute("INSERT INTO audit_anchor_lines (line) VALUES (?)", [line])


def start_chain(db: Connection, vault: SecretBox | None, team: str, at: datetime) -> ChainEnds:
    """Start a workspace's chain. Raises ChainBroken if there must have been one already."""
    known = read_register(db).chains.get(team)
    if known is not None:
        raise ChainBroken(f"its log is missing; the register of all chains has it up to entry {known[2]}")
    if has_data(db, team):
        raise ChainBroken(
            "its log is missing, but the workspace has accounts, rules, pending actions or subscriptions"
        )
    ends = ChainEnds()
    change_register(db, vault, RegisterChange(chains={team: ends}), at)
    if vault is not None:
        ends = ends.sealed(vault, team)
    write_ends(db, team, ends)
    return ends


def start_missing_chains(db: Connection) -> None:
    """Start a chain for each workspace with data but no chain; only for operator commands."""
    for team in sorted(_teams_with_data(db)):
        if ends_of(db, team) is None:
            write_ends(db, team, ChainEnds())


def has_data(db: Connection, team: str) -> bool:
    """Return whether the workspace has data, which means that it must have a chain."""
    query = " UNION ALL ".join(
        f"SELECT 1 FROM {table} WHERE team_id = :team" for table in _TABLES_REQUIRING_CHAIN
    )
    return bool(db.execute(f"SELECT EXISTS ({query})", {"team": team}).fetchone()[0])


def write_ends(db: Connection, team: str, ends: ChainEnds) -> None:
    """Store the ends of a chain."""
    db.execute(
        "INSERT INTO audit_chains (team_id, first_seq, before_first, last_seq, last_hash, seal)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (team_id) DO UPDATE SET first_seq = excluded.first_seq,"
        " before_first = excluded.before_first, last_seq = excluded.last_seq, last_hash = excluded.last_hash,"
        " seal = excluded.seal",
        [team, *ends.values, ends.seal],
    )


def rebuild_register(db: Connection, vault: SecretBox | None, anchor: str) -> Register:
    """Rebuild the register from the current chains and return it; only for operator commands.

    The number of the last line is preserved if it can be read.
    """
    try:
        before = read_register(db)
    except ChainBroken:
        before = Register({})
    register = replace(before, chains=_chains_in(db), anchor=anchor, seal=None)
    _write_register(db, register, vault)
    return register


def register_problems(db: Connection, vault: SecretBox | None) -> dict[str | None, list[str]]:
    """Return differences between the register and the chains by workspace; None stands for all workspaces."""
    problems: dict[str | None, list[str]] = {}
    if changed := changed_triggers(db):
        problems[None] = [f"the trigger {name} was {what}" for name, what in changed.items()]
    try:
        register = read_register(db)
        if vault is not None and not (register.seal is None and _is_ours(db, vault, register)):
            register.check_seal(vault)
    except ChainBroken as problem:
        return {**problems, None: [*problems.get(None, []), str(problem)]}
    stored = _chains_in(db)
    for team, known in register.chains.items():
        if (found := stored.get(team)) is None:
            text = f"its log is missing; the register of all chains has it up to entry {known[2]}"
        elif found == known:
            continue
        else:
            text = (
                f"it goes from entry {found[0]} to {found[2]},"
                f" but the register of all chains says {known[0]} to {known[2]}"
                if (found[0], found[2]) != (known[0], known[2])
                else "its ends differ from those in the register of all chains"
            )
        problems.setdefault(team, []).append(text)
    for team in stored.keys() - register.chains.keys():
        problems.setdefault(team, []).append("it isn't in the register of all chains")
    for team in _teams_with_data(db) - stored.keys() - register.chains.keys():
        problems.setdefault(team, []).append(
            "it has no log, but the workspace has accounts, rules, pending actions or subscriptions"
        )
    return problems


def changed_triggers(db: Connection) -> dict[str, str]:
    """Return the audit log's triggers that were removed, changed or added, and which of these."""
    actual, expected = db.audit_triggers()
    return {
        **{name: "removed" for name in expected if name not in actual},
        **{name: "changed" for name, sql in expected.items() if name in actual and actual[name] != sql},
        **{name: "added" for name in actual if name not in expected},
    }


def restore_triggers(db: Connection) -> None:
    """Restore the audit log's triggers in a restored SQLite file; pg_restore creates PostgreSQL's itself."""
    expected = audit_triggers()
    for name in changed_triggers(db):
        db.execute(f'DROP TRIGGER IF EXISTS "{name}"')
        if name in expected:
            db.execute(expected[name])


def _chains_in(db: Connection) -> dict[str, tuple[int, str, int, str]]:
    rows = db.execute("SELECT team_id, first_seq, before_first, last_seq, last_hash FROM audit_chains")
    return {team: (first, before, last, hash_) for team, first, before, last, hash_ in rows}


def _teams_with_data(db: Connection) -> set[str]:
    query = " UNION ".join(f"SELECT team_id FROM {table}" for table in _TABLES_REQUIRING_CHAIN)
    return {team for (team,) in db.execute(query)}


def _is_ours(db: Connection, vault: SecretBox, register: Register) -> bool:
    """Return whether the register is ours: its seal is valid, or it has none because an update has just created it.

    The second is only accepted as long as no chain was sealed since there is a register.
    """
    if register.seal is not None:
        try:
            register.check_seal(vault)
        except ChainBroken:
            return False
        return True
    rows = db.execute(
        "SELECT team_id, first_seq, before_first, last_seq, last_hash, seal FROM audit_chains"
    ).fetchall()
    chains = {team: ChainEnds(*ends) for team, *ends in rows}
    if {team: ends.values for team, ends in chains.items()} != register.chains:
        return False
    return all(_predates_register(vault, team, ends) for team, ends in chains.items())


def _predates_register(vault: SecretBox, team: str, ends: ChainEnds) -> bool:
    if ends.seal is None:
        return ends.last_seq == 0
    try:
        return not ends.check_seal(vault, team)
    except ChainBroken:
        return False


def _write_lines(
    db: Connection,
    vault: SecretBox,
    register: Register,
    anchor_records: Sequence[AnchorRecord],
    at: datetime,
) -> Register:
    for record in anchor_records:
        line = make_line(
            vault,
            AnchorLine(
                anchor=register.line_number + 1,
                at=to_text(at) or "",
                previous=register.line_hash,
                key="",
                **{name: value for name, value in vars(record).items() if value is not None},
            ),
        )
        text = line.text
        db.execute("INSERT INTO audit_anchor_lines (line) VALUES (?)", [text])
        register = replace(register, line_number=line.anchor, line_hash=digest_of(text))
    return register


def _write_register(db: Connection, register: Register, vault: SecretBox | None) -> None:
    seal = register.seal if vault is None else vault.encrypt(register.sealed_text, "audit register")
    db.execute(
        "INSERT INTO audit_register (id, chains, anchor, line_number, line_hash, seal) VALUES (1, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET chains = excluded.chains, anchor = excluded.anchor,"
        " line_number = excluded.line_number, line_hash = excluded.line_hash, seal = excluded.seal",
        [register.chains_text, register.anchor, register.line_number, register.line_hash, seal],
    )
