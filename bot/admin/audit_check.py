"""`buildbell audit --verify`: check that the audit log is complete and unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import typer

from bot.admin.cli_errors import UsageError
from domain.audit_chain import ChainBroken, Event
from storage.audit_anchor import compare_with_anchor
from storage.audit_anchor_lines import AnchorAddress, Anchored, Remark, read_anchor
from storage.audit_log import records_of, teams_with_chains, verify_chain
from storage.audit_register import register_problems
from storage.connection import Connection
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
    """Check of the chains, of their register, and of the anchor outside the database."""

    def __init__(self, vault: SecretBox | None, address: AnchorAddress | None, files: Sequence[Path]) -> None:
        self._vault = vault
        self._address = address
        self._files = list(files)
        if not self._files and address is not None and address.kind == "file":
            self._files = [address.path]

    def run(self, db: Connection, team: str | None, expected: str | None) -> bool:
        """Print a line for each finding; return whether all checks passed. Raises UsageError."""
        teams = teams_with_chains(db)
        if expected is not None and team is None and len(teams) > 1:
            raise UsageError("there are several workspaces: add --team TEAM, the workspace of the hash.")
        errors = register_problems(db, self._vault)
        notes: dict[str | None, list[str]] = {}
        anchored = self._read_anchor()
        if anchored is not None:
            problems, anchor_notes = compare_with_anchor(db, anchored)
            _add_remarks(errors, [*anchored.problems, *problems])
            _add_remarks(notes, [*anchored.notes, *anchor_notes])
        workspaces = {*teams, *(workspace for workspace in errors if workspace is not None)}
        if team is not None:
            if team not in workspaces and expected is None:
                raise UsageError(f"workspace {team} has no audit log.")
            workspaces = {team}
        passed = [
            self._check_workspace(db, workspace, expected, errors.get(workspace, []), notes)
            for workspace in sorted(workspaces)
        ]
        for workspace in (
            sorted({workspace for workspace in notes if workspace is not None} - workspaces)
            if team is None
            else ()
        ):
            for message in notes[workspace]:
                typer.echo(f"{workspace}: note: {message}.")
        for message in errors.get(None, []):
            typer.echo(f"All workspaces: failed: {message}.")
        if not workspaces and not errors.get(None):
            typer.echo("The audit log is empty.")
        for message in notes.get(None, []):
            typer.echo(f"Note: {message}.")
        self._print_anchor(anchored)
        return all(passed) and not errors.get(None) and (bool(workspaces) or expected is None)

    def _check_workspace(
        self,
        db: Connection,
        team: str,
        expected: str | None,
        errors: Sequence[str],
        notes: dict[str | None, list[str]],
    ) -> bool:
        result = None
        problems = list(errors)
        try:
            result = verify_chain(db, team, self._vault, expected)
        except ChainBroken as problem:
            problems.insert(0, str(problem))
        for message in notes.get(team, []):
            typer.echo(f"{team}: note: {message}.")
        for message in problems:
            typer.echo(f"{team}: failed: {message}.")
        if result is None or problems:
            return False
        if restored := [record for record in records_of(db, team) if record.entry.event is Event.RESTORED]:
            at = ", ".join(f"{record.at:%Y-%m-%d %H:%M} UTC (entry {record.seq})" for record in restored)
            typer.echo(f"{team}: note: the operator restored a backup: {at}.")
        if result.sealed:
            seal = "its end is sealed"
        elif self._vault is None:
            seal = "its seal was not checked: BUILDBELL_SECRET_KEY is not set"
        else:
            seal = "there is nothing to seal"
        end = f"the last is {result.last_seq} with hash {result.last_hash}" if result.last_seq else "none yet"
        typer.echo(f"{team}: ok: {count_noun(result.entries, 'entry', 'entries')}, {end}; {seal}.")
        return True

    def _read_anchor(self) -> Anchored | None:
        if not self._files:
            return None
        with ExitStack() as open_files:
            is_only_file = self._address is not None and self._files == [self._address.path]
            return read_anchor(self._read_lines(open_files), self._vault, alone=is_only_file)

    def _read_lines(self, open_files: ExitStack) -> Iterator[str]:
        for path in self._files:
            file = open_files.enter_context(
                path.open(encoding="ascii", errors="surrogateescape", newline="\n")
            )
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


def _add_remarks(messages: dict[str | None, list[str]], remarks: Sequence[Remark]) -> None:
    for remark in remarks:
        messages.setdefault(remark.team, []).append(remark.text)
