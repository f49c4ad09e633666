"""One sealed row over all chains of the audit log, so that none can vanish, and the lines that are made for the anchor.

For use where a database is at hand; what writes is for use inside a transaction.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

import sqlite_utils

from domain.audit_log import ChainBroken
from storage.audit_anchor_lines import AnchorEvent, AnchorLine, digest_of, make_line
from storage.encryption import DecryptionError, SecretBox
from storage.migrations import audit_triggers
from storage.timestamps import to_text

# What a seal over a chain's ends begins with since there is a register: a register without a seal does not fit it.
_REGISTERED = "registered"
# Who has rows in one of these has a chain; it was begun before the first of them.
_TABLES_OF_A_CHAIN = ("accounts", "policies", "proposals", "subscriptions")


@dataclass(frozen=True)
class ChainEnds:
    """Both ends of what is kept of a chain: its first entry with the hash before it, its last one with its own."""

    first_seq: int = 1
    before_first: str = ""
    last_seq: int = 0
    last_hash: str = ""
    seal: str | None = None

    @property
    def places(self) -> tuple[int, str, int, str]:
        """The ends without their seal, as the register keeps them."""
        return self.first_seq, self.before_first, self.last_seq, self.last_hash

    @property
    def sealed_text(self) -> str:
        """What the seal is over: a chain that was cut at its beginning shows as well as one cut at its end."""
        return f"{_REGISTERED} {self._text}"

    @property
    def _text(self) -> str:
        return " ".join(map(str, self.places))

    def sealed(self, vault: SecretBox, team: str) -> ChainEnds:
        """The same under a seal of the first key."""
        return replace(self, seal=vault.encrypt(self.sealed_text, "audit", team))

    def check_seal(self, vault: SecretBox, team: str) -> bool:
        """Raise Tampered unless the seal fits; returns whether it was made while there was a register."""
        if self.seal is None:
            raise ChainBroken(
                "its end has no seal; `buildbell audit --seal` seals what is from before there was a key"
            )
        try:
            sealed = vault.decrypt(self.seal, "audit", team)
        except DecryptionError as error:
            raise ChainBroken(f"the seal at its end can't be opened: {error}") from error
        if sealed not in (self.sealed_text, self._text):
            raise ChainBroken("its ends are not those that were sealed")
        return sealed == self.sealed_text

    def is_sealed(self, vault: SecretBox, team: str) -> bool:
        """Whether the seal fits."""
        try:
            self.check_seal(vault, team)
        except ChainBroken:
            return False
        return True


def ends_of(db: sqlite_utils.Database, team: str) -> ChainEnds | None:
    """The ends of a workspace's chain; None where it has none."""
    query = "SELECT first_seq, before_first, last_seq, last_hash, seal FROM audit_chains WHERE team_id = ?"
    row = db.execute(query, [team]).fetchone()
    return None if row is None else ChainEnds(*row)


@dataclass(frozen=True)
class Register:
    """What the row says: the ends of each chain by its workspace, where lines are sent to, and the last of them."""

    chains: Mapping[str, tuple[int, str, int, str]]
    anchor: str = ""
    line_number: int = 0
    line_hash: str = ""
    seal: str | None = None

    @cached_property
    def chains_text(self) -> str:
        """The chains as they are kept."""
        return json.dumps(self.chains, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    @property
    def sealed_text(self) -> str:
        """What the seal is over."""
        head = f"{self.anchor} {self.line_number} {self.line_hash}"
        return f"{head} {hashlib.sha256(self.chains_text.encode()).hexdigest()}"

    def check_seal(self, vault: SecretBox) -> None:
        """Raise Tampered unless the seal fits."""
        if self.seal is None:
            raise ChainBroken(
                "the register of all chains has no seal;"
                " `buildbell audit --seal` seals what is from before there was a key"
            )
        try:
            sealed = vault.decrypt(self.seal, "audit register")
        except DecryptionError as error:
            raise ChainBroken(f"the seal of the register of all chains can't be opened: {error}") from error
        if sealed != self.sealed_text:
            raise ChainBroken("the register of all chains is not the one that was sealed")


def read_register(db: sqlite_utils.Database) -> Register:
    """The register. Raises ChainBroken where it is gone, or can't be read."""
    query = "SELECT chains, anchor, line_number, line_hash, seal FROM audit_register WHERE id = 1"
    row = db.execute(query).fetchone()
    if row is None:
        raise ChainBroken("the register of all chains is gone")
    try:
        chains = {
            team: (first, before, last, hash_)
            for team, (first, before, last, hash_) in json.loads(row[0]).items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise ChainBroken("the register of all chains can't be read") from error
    register = Register(chains, *row[1:])
    # The seal is over the very text; to write it anew takes as long as to read it, where there are many workspaces.
    vars(register)["chains_text"] = row[0]
    return register


@dataclass(frozen=True)
class AnchorRecord:
    """Something of which the anchor gets a line."""

    event: AnchorEvent
    team: str | None = None
    seq: int | None = None
    hash: str | None = None
    chains: int | None = None
    over: str | None = None


@dataclass
class RegisterChange:
    """What a transaction changes of the register; `chains` without ends are those that are gone.

    `known` are the ends from which chains go on: where the register knows others, it does not follow, so that this goes
    on to show.
    """

    chains: dict[str, ChainEnds | None] = field(default_factory=dict)
    known: Mapping[str, tuple[int, str, int, str]] = field(default_factory=dict)
    happenings: Sequence[AnchorRecord] = ()
    anchor: str | None = None


def change_register(
    db: sqlite_utils.Database, vault: SecretBox | None, change: RegisterChange, at: datetime
) -> None:
    """Change the register, seal it anew, and make the lines that say so; before the chains themselves are changed.

    One whose seal does not fit is not sealed over: what was done to it goes on to show. Raises ChainBroken where it is
    gone.
    """
    before = read_register(db)
    fits = vault is not None and _may_be_sealed(db, vault, before)
    chains = dict(before.chains)
    for team, ends in change.chains.items():
        if team in change.known and chains.get(team) != change.known[team]:
            continue
        if ends is None:
            chains.pop(team, None)
        else:
            chains[team] = ends.places
    after = replace(before, chains=chains, anchor=before.anchor if change.anchor is None else change.anchor)
    if after.anchor and vault is not None:
        after = _with_lines(db, vault, after, change.happenings, at)
    _write_register(db, after, vault if fits else None)


def reseal_register(db: sqlite_utils.Database, vault: SecretBox) -> bool:
    """Seal a register that has no seal, or one under an older key, with the first key; returns whether it was needed.

    Raises ChainBroken where it does not fit what it is over.
    """
    register = read_register(db)
    if register.seal is not None:
        register.check_seal(vault)
        if vault.is_current(register.seal):
            return False
    elif register.chains != _chains_in(db):
        raise ChainBroken("the register of all chains has no seal, and does not fit them")
    _write_register(db, register, vault)
    return True


def record_key_change(db: sqlite_utils.Database, vault: SecretBox, at: datetime) -> None:
    """Let the anchor end with a line under the new key, which vouches for those under the older ones."""
    change_register(db, vault, RegisterChange(happenings=[AnchorRecord(AnchorEvent.KEY)]), at)


def set_anchor(db: sqlite_utils.Database, vault: SecretBox | None, anchor: str, at: datetime) -> None:
    """Send lines to the anchor of this name from now on, or to none; one that is new begins with a statement."""
    register = read_register(db)
    if register.anchor == anchor:
        return
    db.execute("DELETE FROM audit_anchor_lines")
    said = statement(AnchorEvent.BEGUN, register) if anchor else []
    change_register(db, vault, RegisterChange(anchor=anchor, happenings=said), at)


def statement(event: AnchorEvent, register: Register, over: str | None = None) -> list[AnchorRecord]:
    """How all chains stand, as lines for the anchor."""
    states = [
        AnchorRecord(AnchorEvent.STATE, team, last, hash_)
        for team, (_, _, last, hash_) in sorted(register.chains.items())
    ]
    return [AnchorRecord(event, chains=len(states), over=over), *states]


def waiting_lines(db: sqlite_utils.Database, most: int = -1) -> list[tuple[int, str]]:
    """The lines that wait to be sent, each with its number here, in their order."""
    return [
        (number, line)
        for number, line in db.execute("SELECT id, line FROM audit_anchor_lines ORDER BY id LIMIT ?", [most])
    ]


def count_waiting(db: sqlite_utils.Database) -> int:
    """How many lines wait."""
    return int(db.execute("SELECT COUNT(*) FROM audit_anchor_lines").fetchone()[0])


def delete_sent_lines(db: sqlite_utils.Database, number: int) -> None:
    """The lines up to this one were sent."""
    db.execute("DELETE FROM audit_anchor_lines WHERE id <= ?", [number])


def replace_waiting_lines(db: sqlite_utils.Database, lines: Sequence[str]) -> None:
    """Let these wait instead of those that are there."""
    db.execute("DELETE FROM audit_anchor_lines")
    for line in lines:
        db.execute("INSERT INTO audit_anchor_lines (line) VALUES (?)", [line])


def start_chain(db: sqlite_utils.Database, vault: SecretBox | None, team: str, at: datetime) -> ChainEnds:
    """Begin a workspace's chain. Raises ChainBroken where there must have been one already."""
    known = read_register(db).chains.get(team)
    if known is not None:
        raise ChainBroken(f"its log is gone, of which the register of all chains knows {known[2]} entries")
    if has_data(db, team):
        raise ChainBroken(
            "its log is gone, though the workspace has accounts, rules, proposals or subscriptions"
        )
    ends = ChainEnds()
    change_register(db, vault, RegisterChange(chains={team: ends}), at)
    if vault is not None:
        ends = ends.sealed(vault, team)
    write_ends(db, team, ends)
    return ends


def start_missing_chains(db: sqlite_utils.Database) -> None:
    """Begin a chain for each workspace that lost its own, at an operator's word."""
    for team in sorted(_teams_with_data(db)):
        if ends_of(db, team) is None:
            write_ends(db, team, ChainEnds())


def has_data(db: sqlite_utils.Database, team: str) -> bool:
    """Whether the workspace has told the bot anything before which its chain was begun."""
    query = " UNION ALL ".join(f"SELECT 1 FROM {table} WHERE team_id = :team" for table in _TABLES_OF_A_CHAIN)
    return bool(db.execute(f"SELECT EXISTS ({query})", {"team": team}).fetchone()[0])


def write_ends(db: sqlite_utils.Database, team: str, ends: ChainEnds) -> None:
    """Keep the ends of a chain."""
    db.execute(
        "INSERT INTO audit_chains (team_id, first_seq, before_first, last_seq, last_hash, seal)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (team_id) DO UPDATE SET first_seq = excluded.first_seq,"
        " before_first = excluded.before_first, last_seq = excluded.last_seq, last_hash = excluded.last_hash,"
        " seal = excluded.seal",
        [team, *ends.places, ends.seal],
    )


def rebuild_register(db: sqlite_utils.Database, vault: SecretBox | None, anchor: str) -> Register:
    """Write the register anew from the chains as they are, at an operator's word; returns it.

    The number of the last line is kept where it can be read.
    """
    try:
        before = read_register(db)
    except ChainBroken:
        before = Register({})
    register = replace(before, chains=_chains_in(db), anchor=anchor, seal=None)
    _write_register(db, register, vault)
    return register


def register_problems(db: sqlite_utils.Database, vault: SecretBox | None) -> dict[str | None, list[str]]:
    """What does not fit between the register and the chains, by workspace; None stands for all of them."""
    troubles: dict[str | None, list[str]] = {}
    if changed := changed_triggers(db):
        troubles[None] = [f"the trigger {name} was {what}" for name, what in changed.items()]
    try:
        register = read_register(db)
        if vault is not None and not (register.seal is None and _may_be_sealed(db, vault, register)):
            register.check_seal(vault)
    except ChainBroken as problem:
        return {**troubles, None: [*troubles.get(None, []), str(problem)]}
    there = _chains_in(db)
    for team, known in register.chains.items():
        if (found := there.get(team)) is None:
            words = f"its log is gone, of which the register of all chains knows {known[2]} entries"
        elif found == known:
            continue
        else:
            words = (
                f"it goes from entry {found[0]} to {found[2]},"
                f" but the register of all chains says {known[0]} to {known[2]}"
                if (found[0], found[2]) != (known[0], known[2])
                else "its ends are not those that the register of all chains knows"
            )
        troubles.setdefault(team, []).append(words)
    for team in there.keys() - register.chains.keys():
        troubles.setdefault(team, []).append("the register of all chains does not know it")
    for team in _teams_with_data(db) - there.keys() - register.chains.keys():
        troubles.setdefault(team, []).append(
            "it has no log, though the workspace has accounts, rules, proposals or subscriptions"
        )
    return troubles


def changed_triggers(db: sqlite_utils.Database) -> dict[str, str]:
    """The triggers of the audit log's tables that are not as they were made, and what was done to each."""
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit%'"
    there = {name: " ".join(sql.split()) for name, sql in db.execute(query)}
    ours = {name: " ".join(sql.split()) for name, sql in audit_triggers().items()}
    return {
        **{name: "taken away" for name in ours if name not in there},
        **{name: "changed" for name, sql in ours.items() if name in there and there[name] != sql},
        **{name: "put in" for name in there if name not in ours},
    }


def restore_triggers(db: sqlite_utils.Database) -> None:
    """Make the triggers as they were made, at an operator's word."""
    ours = audit_triggers()
    for name in changed_triggers(db):
        db.execute(f'DROP TRIGGER IF EXISTS "{name}"')
        if name in ours:
            db.execute(ours[name])


def _chains_in(db: sqlite_utils.Database) -> dict[str, tuple[int, str, int, str]]:
    rows = db.execute("SELECT team_id, first_seq, before_first, last_seq, last_hash FROM audit_chains")
    return {team: (first, before, last, hash_) for team, first, before, last, hash_ in rows}


def _teams_with_data(db: sqlite_utils.Database) -> set[str]:
    query = " UNION ".join(f"SELECT team_id FROM {table}" for table in _TABLES_OF_A_CHAIN)
    return {team for (team,) in db.execute(query)}


def _may_be_sealed(db: sqlite_utils.Database, vault: SecretBox, register: Register) -> bool:
    """Whether the register is ours: its seal fits, or it has none since it was made by an update just now.

    The second holds only while no chain was sealed since there is a register.
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
    if {team: ends.places for team, ends in chains.items()} != register.chains:
        return False
    return all(_is_of_before(vault, team, ends) for team, ends in chains.items())


def _is_of_before(vault: SecretBox, team: str, ends: ChainEnds) -> bool:
    if ends.seal is None:
        return ends.last_seq == 0
    try:
        return not ends.check_seal(vault, team)
    except ChainBroken:
        return False


def _with_lines(
    db: sqlite_utils.Database,
    vault: SecretBox,
    register: Register,
    happenings: Sequence[AnchorRecord],
    at: datetime,
) -> Register:
    for one in happenings:
        line = make_line(
            vault,
            AnchorLine(
                anchor=register.line_number + 1,
                at=to_text(at) or "",
                previous=register.line_hash,
                key="",
                **{name: value for name, value in vars(one).items() if value is not None},
            ),
        )
        text = line.text
        db.execute("INSERT INTO audit_anchor_lines (line) VALUES (?)", [text])
        register = replace(register, line_number=line.anchor, line_hash=digest_of(text))
    return register


def _write_register(db: sqlite_utils.Database, register: Register, vault: SecretBox | None) -> None:
    seal = register.seal if vault is None else vault.encrypt(register.sealed_text, "audit register")
    db.execute(
        "INSERT INTO audit_register (id, chains, anchor, line_number, line_hash, seal) VALUES (1, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET chains = excluded.chains, anchor = excluded.anchor,"
        " line_number = excluded.line_number, line_hash = excluded.line_hash, seal = excluded.seal",
        [register.chains_text, register.anchor, register.line_number, register.line_hash, seal],
    )
