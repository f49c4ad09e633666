"""`buildbell audit --verify`: check that the audit log is complete and unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import sqlite_utils
import typer

from bot.admin.cli_errors import UsageError
from domain.audit_log import ChainBroken, Event
from storage.audit_anchor import compare_with_anchor
from storage.audit_anchor_lines import AnchorAddress, Anchored, Remark, read_anchor
from storage.audit_log import records_of, teams_with_chains, verify_chain
from storage.audit_register import register_problems
from storage.encryption import SecretBox

NO_ANCHOR = (
    "No copy outside the database: if the whole database is replaced by an older one, this check can't detect it."
    " Set AUDIT_ANCHOR."
)
ANCHOR_NOT_READABLE = (
    "AUDIT_ANCHOR is a syslog, which can't be read from here, so nothing was compared with it:"
    " pass the file that it writes with --anchor FILE."
)


class AuditCheck:
    """Check of each chain, of the register of all chains, and of the anchor outside the database."""

    def __init__(self, vault: SecretBox | None, address: AnchorAddress | None, files: Sequence[Path]) -> None:
        self._vault = vault
        self._address = address
        self._files = list(files)
        if not self._files and address is not None and address.kind == "file":
            self._files = [address.path]

    def run(self, db: sqlite_utils.Database, team: str | None, expected: str | None) -> bool:
        """Print a line for each finding; return whether all checks passed. Raises UsageError."""
        teams = teams_with_chains(db)
        if expected is not None and team is None and len(teams) > 1:
            raise UsageError(
                "there are several workspaces: add --team TEAM to say which one the hash belongs to."
            )
        errors = register_problems(db, self._vault)
        notes: dict[str | None, list[str]] = {}
        anchored = self._read_anchor()
        if anchored is not None:
            problems, more = compare_with_anchor(db, anchored)
            _add(errors, [*anchored.problems, *problems])
            _add(notes, [*anchored.notes, *more])
        known = {*teams, *(one for one in errors if one is not None)}
        if team is not None:
            if team not in known and expected is None:
                raise UsageError(f"workspace {team} has no audit log.")
            known = {team}
        passed = [
            self._check_workspace(db, one, expected, errors.get(one, []), notes) for one in sorted(known)
        ]
        for one in sorted({one for one in notes if one is not None} - known) if team is None else ():
            for words in notes[one]:
                typer.echo(f"{one}: note: {words}.")
        for words in errors.get(None, []):
            typer.echo(f"All workspaces: failed: {words}.")
        if not known and not errors.get(None):
            typer.echo("The audit log is empty.")
        for words in notes.get(None, []):
            typer.echo(f"Note: {words}.")
        self._print_anchor(anchored)
        return all(passed) and not errors.get(None) and (bool(known) or expected is None)

    def _check_workspace(
        self,
        db: sqlite_utils.Database,
        team: str,
        expected: str | None,
        errors: Sequence[str],
        notes: dict[str | None, list[str]],
    ) -> bool:
        found = None
        problems = list(errors)
        try:
            found = verify_chain(db, team, self._vault, expected)
        except ChainBroken as problem:
            problems.insert(0, str(problem))
        for words in notes.get(team, []):
            typer.echo(f"{team}: note: {words}.")
        for words in problems:
            typer.echo(f"{team}: failed: {words}.")
        if found is None or problems:
            return False
        if restored := [one for one in records_of(db, team) if one.entry.event is Event.RESTORED]:
            at = ", ".join(f"{one.at:%Y-%m-%d %H:%M} UTC (entry {one.seq})" for one in restored)
            typer.echo(f"{team}: note: the operator restored a backup: {at}.")
        if found.sealed:
            seal = "its end is sealed"
        elif self._vault is None:
            seal = "its seal was not checked: BUILDBELL_SECRET_KEY is not set"
        else:
            seal = "there is nothing to seal"
        end = f"the last is {found.last_seq} with hash {found.last_hash}" if found.last_seq else "none yet"
        typer.echo(f"{team}: ok: {count_noun(found.entries, 'entry', 'entries')}, {end}; {seal}.")
        return True

    def _read_anchor(self) -> Anchored | None:
        if not self._files:
            return None
        with ExitStack() as opened:
            alone = self._address is not None and self._files == [self._address.path]
            return read_anchor(self._lines(opened), self._vault, alone=alone)

    def _lines(self, opened: ExitStack) -> Iterator[str]:
        for path in self._files:
            file = opened.enter_context(path.open(encoding="ascii", errors="surrogateescape", newline="\n"))
            yield from file

    def _print_anchor(self, anchored: Anchored | None) -> None:
        if anchored is not None:
            files = ", ".join(map(str, self._files))
            typer.echo(f"Compared with the anchor: {count_noun(anchored.lines, 'line')} in {files}.")
        elif self._address is not None:
            typer.echo(ANCHOR_NOT_READABLE)
        else:
            typer.echo(NO_ANCHOR)


def count_noun(count: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun in singular or plural."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _add(where: dict[str | None, list[str]], remarks: Sequence[Remark]) -> None:
    for one in remarks:
        where.setdefault(one.team, []).append(one.text)
