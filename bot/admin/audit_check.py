"""`buildbell audit --verify`: whether the audit log is whole, and what vouches for that."""

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
from storage.audit_log import links_of, teams_with_chains, verify_chain
from storage.audit_register import registered_troubles
from storage.encryption import SecretBox

NOTHING_OUTSIDE = (
    "Nothing outside the database vouches for it: a whole older database that was put in its place does not show."
    " Set AUDIT_ANCHOR."
)
NOT_READ_BACK = (
    "AUDIT_ANCHOR is a syslog, which can't be read back from here, so nothing outside the database was looked at:"
    " give the file that it has written with --anchor FILE."
)


class AuditCheck:
    """One check: of each chain by itself, of the register of all chains, and of the anchor outside the database."""

    def __init__(self, vault: SecretBox | None, address: AnchorAddress | None, files: Sequence[Path]) -> None:
        self._vault = vault
        self._address = address
        self._files = list(files)
        if not self._files and address is not None and address.kind == "file":
            self._files = [address.path]

    def run(self, db: sqlite_utils.Database, team: str | None, expected: str | None) -> bool:
        """Print a line for each finding; returns whether all is well. Raises UsageError."""
        teams = teams_with_chains(db)
        if expected is not None and team is None and len(teams) > 1:
            raise UsageError("say with --team whose hash it is; there are several workspaces.")
        troubles = registered_troubles(db, self._vault)
        notes: dict[str | None, list[str]] = {}
        anchored = self._read_anchor()
        if anchored is not None:
            problems, more = compare_with_anchor(db, anchored)
            _add(troubles, [*anchored.problems, *problems])
            _add(notes, [*anchored.notes, *more])
        known = {*teams, *(one for one in troubles if one is not None)}
        if team is not None:
            if team not in known and expected is None:
                raise UsageError(f"nothing was written down in workspace {team}.")
            known = {team}
        well = [self._check_one(db, one, expected, troubles.get(one, []), notes) for one in sorted(known)]
        for one in sorted({one for one in notes if one is not None} - known) if team is None else ():
            for words in notes[one]:
                typer.echo(f"{one}: note: {words}.")
        for words in troubles.get(None, []):
            typer.echo(f"All workspaces: not well: {words}.")
        if not known and not troubles.get(None):
            typer.echo("Nothing was written down yet.")
        for words in notes.get(None, []):
            typer.echo(f"Note: {words}.")
        self._say_what_vouches(anchored)
        return all(well) and not troubles.get(None) and (bool(known) or expected is None)

    def _check_one(
        self,
        db: sqlite_utils.Database,
        team: str,
        expected: str | None,
        troubles: Sequence[str],
        notes: dict[str | None, list[str]],
    ) -> bool:
        found = None
        problems = list(troubles)
        try:
            found = verify_chain(db, team, self._vault, expected)
        except ChainBroken as problem:
            problems.insert(0, str(problem))
        for words in notes.get(team, []):
            typer.echo(f"{team}: note: {words}.")
        for words in problems:
            typer.echo(f"{team}: not well: {words}.")
        if found is None or problems:
            return False
        if restored := [one for one in links_of(db, team) if one.entry.event is Event.RESTORED]:
            at = ", ".join(f"{one.at:%Y-%m-%d %H:%M} UTC (entry {one.seq})" for one in restored)
            typer.echo(f"{team}: note: the operator restored a backup: {at}.")
        if found.sealed:
            seal = "its end is sealed"
        elif self._vault is None:
            seal = "its seal was not checked: there is no BUILDBELL_SECRET_KEY"
        else:
            seal = "there is nothing to seal"
        end = f"the last is {found.last_seq} with hash {found.last_hash}" if found.last_seq else "none yet"
        typer.echo(f"{team}: well: {counted(found.entries, 'entry', 'entries')}, {end}; {seal}.")
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

    def _say_what_vouches(self, anchored: Anchored | None) -> None:
        if anchored is not None:
            files = ", ".join(map(str, self._files))
            typer.echo(f"Compared with the anchor: {counted(anchored.lines, 'line')} in {files}.")
        elif self._address is not None:
            typer.echo(NOT_READ_BACK)
        else:
            typer.echo(NOTHING_OUTSIDE)


def counted(count: int, one: str, many: str | None = None) -> str:
    """A number with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _add(where: dict[str | None, list[str]], remarks: Sequence[Remark]) -> None:
    for one in remarks:
        where.setdefault(one.team, []).append(one.text)
