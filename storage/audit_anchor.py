"""Compares the audit log in the database with its anchor. For use on the database's thread."""

from __future__ import annotations

from domain.audit_chain import ChainBroken
from storage.audit_anchor_lines import Anchored, Remark, digest_of, read_line
from storage.audit_register import Register, ends_of, read_register, waiting_lines
from storage.connection import Connection


def compare_with_anchor(db: Connection, anchored: Anchored) -> tuple[list[Remark], list[Remark]]:
    """Return problems and notes. Lines that still wait to be sent are not a gap."""
    try:
        register = read_register(db)
    except ChainBroken:
        register = Register({})  # register_problems() reports this
    waiting = [text for _, text in waiting_lines(db) if not _is_written(text, anchored)]
    pending = _pending_entries(waiting)
    problems = [
        *_check_lines(register, anchored, len(waiting)),
        *(
            problem
            for team in sorted({*anchored.chains, *register.chains})
            for problem in _check_chain(db, team, anchored, pending.get(team))
        ),
    ]
    notes = []
    if waiting:
        lines = "1 line is" if len(waiting) == 1 else f"{len(waiting):,} lines are"
        notes.append(Remark(f"{lines} waiting for the anchor; the bot will write what is waiting"))
    return problems, notes


def _is_written(text: str, anchored: Anchored) -> bool:
    """Return whether a waiting line was written already: the bot may have stopped before noting that."""
    line = read_line(text)
    return line is not None and (line.anchor < anchored.number or digest_of(text) == anchored.digest)


def _pending_entries(waiting: list[str]) -> dict[str, int]:
    """Return the last entry of each workspace whose line waits to be sent."""
    pending: dict[str, int] = {}
    for text in waiting:
        line = read_line(text)
        if line is not None and line.team is not None and line.seq is not None:
            pending[line.team] = line.seq
    return pending


def _check_lines(register: Register, anchored: Anchored, waiting: int) -> list[Remark]:
    expected = anchored.number + waiting
    if anchored.number > register.line_number:
        return [
            Remark(
                f"the anchor has {anchored.number - register.line_number} later changes than the database, which was"
                " replaced by an older one"
            )
        ]
    if expected < register.line_number:
        return [
            Remark(
                f"lines {expected + 1} to {register.line_number} of the anchor are missing, and aren't waiting to be"
                " written"
            )
        ]
    if not waiting and anchored.digest != register.line_hash:
        return [Remark("the anchor's last line differs from the database's")]
    return []


def _check_chain(db: Connection, team: str, anchored: Anchored, pending: int | None) -> list[Remark]:
    known = anchored.chains.get(team, {})
    last_known = max(known, default=0)
    ends = ends_of(db, team)
    if ends is None:
        text = f"its log is missing; the anchor has it up to entry {last_known}"
        return [] if team not in anchored.chains else [Remark(text, team)]
    if ends.last_seq < last_known:
        return [
            Remark(
                f"its log ends with entry {ends.last_seq}, but the anchor has entry {last_known}: its end was cut off,"
                " or the database was replaced by an older one",
                team,
            )
        ]
    stored = dict(db.execute("SELECT seq, hash FROM audit WHERE team_id = ?", [team]))
    stored[ends.first_seq - 1] = ends.before_first
    if changed := [seq for seq, hash_ in known.items() if seq in stored and stored[seq] != hash_]:
        return [Remark(f"entry {min(changed)} differs from the anchor's", team)]
    if ends.last_seq > max(last_known, pending or 0):
        text = (
            f"entries after {max(last_known, pending or 0)} aren't in the anchor, nor waiting to be written"
        )
        return [Remark(text, team)]
    return []
