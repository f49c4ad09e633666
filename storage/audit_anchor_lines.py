"""Lines of the audit log's anchor, which is kept outside the database: how they are made and verified. Pure.

A user who can write the database can put back an older one, and nothing in it shows that. So the number and hash of
each entry also go to an anchor that this user can't change: a file elsewhere, or a syslog. Each line carries the hash
of the line before it and is signed with the bot's key, so that removed, inserted and changed lines are detected.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import ValidationError

from domain.build import FrozenModel
from storage.encryption import SecretBox

# This many unreadable lines are remembered, because a line that was cut off may be written again in full.
_MAX_TORN = 1000
# The start of each line; a syslog daemon writes its own prefix before it.
_HEAD = '{"anchor":'
SYSLOG_PORT = 514  # RFC 5426, 3.3; most daemons also accept TCP on it (RFC 6587)


class AddressProblem(ValueError):
    """The address is invalid; the message says what a valid one looks like."""


class AnchorAddress(FrozenModel):
    """The destination of the lines: a file, a local syslog socket, or a syslog server by UDP or TCP."""

    kind: Literal["file", "unix", "udp", "tcp"]
    path: Path = Path()
    host: str = ""
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `/folder/file`, `syslog:///dev/log`, `syslog+udp://host:514` or `syslog+tcp://host:514`.

        Raises AddressProblem.
        """
        if "://" not in text or text.startswith("file://"):
            path = Path(text.removeprefix("file://"))
            if not path.is_absolute() or text.endswith("/"):
                raise AddressProblem("must be the full path of a file, such as /mnt/anchor/buildbell.jsonl")
            return cls(kind="file", path=path)
        parts = urlsplit(text)
        try:
            port = parts.port or SYSLOG_PORT
        except ValueError as error:
            raise AddressProblem("must have a port from 1 to 65535, or none") from error
        extra = parts.username or parts.password or parts.query or parts.fragment
        if parts.scheme == "syslog" and not parts.netloc and len(parts.path) > 1 and not extra:
            return cls(kind="unix", path=Path(parts.path))
        if parts.scheme in ("syslog+udp", "syslog+tcp") and parts.hostname and not extra:
            if parts.path.strip("/"):
                raise AddressProblem(
                    "must end with the host or its port, such as syslog+tcp://logs.example:514"
                )
            return cls(kind="udp" if parts.scheme.endswith("udp") else "tcp", host=parts.hostname, port=port)
        raise AddressProblem(
            "must be the full path of a file, syslog:///dev/log, syslog+udp://host:514 or syslog+tcp://host:514"
        )

    def __str__(self) -> str:
        if self.kind == "file":
            return str(self.path)
        if self.kind == "unix":
            return f"syslog://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"syslog+{self.kind}://{host}:{self.port}"

    @property
    def fingerprint(self) -> str:
        """A short hash of the address, by which the database recognizes that it has changed."""
        return hashlib.sha256(str(self).encode()).hexdigest()[:16]


class AnchorEvent(StrEnum):
    """The kind of a line.

    BEGUN and RESTORED start a statement: the number of `chains`, and a STATE line for each of them. RESTORED is also
    the only line that may follow an older line than the last one. KEY says that another key signs from here on.
    """

    BEGUN = "begun"
    RESTORED = "restored"
    STATE = "state"
    ENTRY = "entry"
    LEFT = "left"
    KEY = "key"


_STATEMENTS = frozenset({AnchorEvent.BEGUN, AnchorEvent.RESTORED})


class AnchorLine(FrozenModel):
    """One line. `seq` and `hash` belong to an entry of the workspace `team`; `previous` is the hash of the line before.

    `over` is the number and hash of the last line of the database that a restore has replaced.
    """

    anchor: int
    event: AnchorEvent
    at: str
    team: str | None = None
    seq: int | None = None
    hash: str | None = None
    chains: int | None = None
    over: str | None = None
    previous: str
    key: str
    mac: str = ""

    @property
    def signed_text(self) -> str:
        """The text that is signed."""
        return (
            f"audit anchor {self._as_json(self.model_dump(mode='json', exclude={'mac'}, exclude_none=True))}"
        )

    @property
    def text(self) -> str:
        """The line as it is written: ASCII without control characters, so that no syslog daemon changes it."""
        return self._as_json(self.model_dump(mode="json", exclude_none=True))

    @staticmethod
    def _as_json(content: dict[str, object]) -> str:
        return json.dumps(content, ensure_ascii=True, separators=(",", ":"))


def make_line(vault: SecretBox, line: AnchorLine) -> AnchorLine:
    """Sign a line with the first key."""
    unsigned = line.model_copy(update={"key": vault.key_name, "mac": ""})
    return unsigned.model_copy(update={"mac": vault.sign(unsigned.signed_text)})


def digest_of(text: str) -> str:
    """Return the hash of a line, which the next line carries."""
    return hashlib.sha256(text.encode("ascii", "surrogateescape")).hexdigest()


def read_line(text: str) -> AnchorLine | None:
    """Parse a line. Returns None if the text is not exactly one of our lines."""
    try:
        line = AnchorLine.model_validate_json(text)
        return line if line.text == text else None
    except (ValidationError, UnicodeError):
        return None


@dataclass(frozen=True)
class Remark:
    """A problem or note about an anchor; `team` is the workspace, if it concerns only one."""

    text: str
    team: str | None = None

    def __str__(self) -> str:
        return f"{self.team}: {self.text}" if self.team is not None else self.text


@dataclass
class Anchored:
    """The content of an anchor: the entry hashes of each workspace by number, and the anchor's last line."""

    chains: dict[str, dict[int, str]] = field(default_factory=dict)
    lines: int = 0
    number: int = 0
    digest: str = ""
    problems: list[Remark] = field(default_factory=list)
    notes: list[Remark] = field(default_factory=list)


@dataclass(frozen=True)
class _ReadLine:
    line: AnchorLine
    digest: str
    authentic: bool | None  # None: its key is not available


def read_anchor(texts: Iterable[str], vault: SecretBox | None, *, alone: bool) -> Anchored:
    """Read all lines of an anchor and check that they are ours, complete and in order.

    `alone`: the file contains nothing else. Otherwise lines of other programs, as in a syslog, are skipped.
    """
    reader = _AnchorReader(vault, alone=alone)
    for number, text in enumerate(texts, start=1):
        reader.take(number, text)
    return reader.end()


class _AnchorReader:
    """The lines read so far. `branch` holds consecutive lines; a restore starts another branch."""

    def __init__(self, vault: SecretBox | None, *, alone: bool) -> None:
        self._vault = vault
        self._alone = alone
        self._branch: list[_ReadLine] = []
        self._seen: set[str] = set()
        # Unreadable lines by number. After a power failure or a full disk, an incomplete line is written again in full,
        # together with the lines of the same write.
        self._torn: dict[int, str] = {}
        self._last_number = 0
        self._result = Anchored()

    def take(self, number: int, text: str) -> None:
        """Read the next line of the file, with its line number."""
        # After a power failure a file system may leave zeros in place of data.
        text = text.rstrip("\r\n\0")
        if not self._alone:
            _, head, rest = text.partition(_HEAD)
            if not head:
                return
            text = (head + rest).rstrip()
        self._last_number = number
        line = read_line(text)
        if line is None:
            if text:
                self._remember_torn(number, text)
            return
        self._torn = {at: torn for at, torn in self._torn.items() if not text.startswith(torn)}
        self._result.lines += 1
        authentic = self._is_authentic(line)
        if authentic is False:
            self._problem(
                f"line {number} of the anchor was not written by this bot: its signature doesn't match"
            )
            return
        entry = _ReadLine(line, digest_of(text), authentic)
        # A line is sent again if it is unknown whether it arrived.
        if entry.digest not in self._seen:
            self._seen.add(entry.digest)
            self._place(number, entry)

    def end(self) -> Anchored:
        """Return the result."""
        result = self._result
        if self._torn.pop(self._last_number, None) is not None:
            result.notes.append(
                Remark("the last line of the anchor is incomplete; the bot will write it again")
            )
        self._report_torn()
        if self._branch:
            last = self._branch[-1]
            result.number, result.digest = last.line.anchor, last.digest
            if self._vault is None:
                result.notes.append(
                    Remark("the anchor's signatures were not checked: BUILDBELL_SECRET_KEY is not set")
                )
            elif last.authentic is None:
                # Lines under an older key are covered by the signature of a later line.
                self._problem(f"the last line of the anchor is signed with another key ({last.line.key})")
            _StateBuilder(result).fold(self._branch)
        return result

    def _remember_torn(self, number: int, text: str) -> None:
        if len(self._torn) >= _MAX_TORN:
            self._report_torn()
        self._torn[number] = text

    def _report_torn(self) -> None:
        """Report the remembered lines: they will not be written again."""
        for number in self._torn:
            self._problem(f"line {number} of the anchor isn't valid")
        self._torn = {}

    def _is_authentic(self, line: AnchorLine) -> bool | None:
        if self._vault is None or line.key not in self._vault.key_names:
            return None
        return self._vault.is_signed(line.signed_text, line.mac)

    def _place(self, number: int, entry: _ReadLine) -> None:
        line, branch = entry.line, self._branch
        if not branch:
            self._start_branch(entry)
            return
        last = branch[-1]
        if line.anchor == last.line.anchor + 1 and line.previous == last.digest:
            if line.event is AnchorEvent.RESTORED:
                self._accept_restore(line)
            branch.append(entry)
            return
        length = self._common_length(line)
        if line.event is AnchorEvent.RESTORED and length is not None:
            self._accept_restore(line)
            self._check_over(number, line, last)
            discarded = len(branch) - length
            self._result.notes.append(
                Remark(f"the operator restored a backup on {line.at}; discarded lines: {discarded}")
            )
            self._note_discarded(length, self._result.notes, "discarded by the restore")
        elif length is not None:
            self._problem(
                f"line {number} of the anchor continues from an older line: the database was replaced by an older one"
                " without `buildbell restore`"
            )
            self._note_discarded(length, self._result.problems, "in the anchor, but discarded")
        else:
            self._problem(
                f"line {number} of the anchor doesn't follow the line before it: lines between"
                f" {last.line.anchor} and {line.anchor} were removed or changed"
            )
            length = len(branch)
        del branch[length:]
        branch.append(entry)

    def _start_branch(self, entry: _ReadLine) -> None:
        line = entry.line
        if line.event not in _STATEMENTS:
            self._problem(
                f"the anchor begins in the middle, with line {line.anchor}: pass the older files, too"
            )
        elif line.anchor > 1:
            self._result.notes.append(
                Remark(f"the anchor begins with a statement of {line.at}; earlier lines are elsewhere")
            )
        self._branch.append(entry)

    def _common_length(self, line: AnchorLine) -> int | None:
        """Return how many lines of the branch come before this line, or None if it follows none of them."""
        if line.anchor == 1 and line.previous == "":
            return 0
        length = line.anchor - self._branch[0].line.anchor
        if 0 < length <= len(self._branch) and self._branch[length - 1].digest == line.previous:
            return length
        return None

    def _accept_restore(self, line: AnchorLine) -> None:
        """Turn problems from before an operator's restore into notes."""
        self._report_torn()
        self._result.notes += [
            Remark(f"before the restore of {line.at}: {problem.text}", problem.team)
            for problem in self._result.problems
        ]
        self._result.problems.clear()

    def _check_over(self, number: int, line: AnchorLine, last: _ReadLine) -> None:
        if line.over is not None and line.over != f"{last.line.anchor} {last.digest}":
            self._problem(
                f"line {number} of the anchor names line {line.over.split()[0]} as the last before a restore,"
                f" but that is line {last.line.anchor}"
            )

    def _note_discarded(self, length: int, remarks: list[Remark], what: str) -> None:
        discarded: dict[str, list[int]] = {}
        for entry in self._branch[length:]:
            if entry.line.event is AnchorEvent.ENTRY and entry.line.team is not None:
                discarded.setdefault(entry.line.team, []).append(entry.line.seq or 0)
        remarks += [
            Remark(f"{what}: {_entries(min(seqs), max(seqs))}", team) for team, seqs in discarded.items()
        ]

    def _problem(self, text: str) -> None:
        self._result.problems.append(Remark(text))


class _StateBuilder:
    """Derives the state of each workspace from the lines of a branch."""

    def __init__(self, result: Anchored) -> None:
        self._result = result
        # The number of each workspace's last entry.
        self._last: dict[str, int] = {}
        # During a statement: its first line, how many states follow, and the workspaces that it has not named yet.
        self._statement: AnchorLine | None = None
        self._states_left = 0
        self._missing: set[str] = set()

    def fold(self, branch: Sequence[_ReadLine]) -> None:
        """Process all lines in order."""
        for entry in branch:
            self._take(entry.line)
        self._end_statement()

    def _take(self, line: AnchorLine) -> None:
        chains, team, seq, hash_ = self._result.chains, line.team or "", line.seq or 0, line.hash or ""
        if line.event is AnchorEvent.STATE and self._states_left:
            self._states_left -= 1
            self._missing.discard(team)
            self._state(team, seq, hash_)
            return
        self._end_statement()
        if line.event in _STATEMENTS:
            self._statement, self._states_left = line, line.chains or 0
            self._missing = set(chains)
        elif line.event is AnchorEvent.ENTRY:
            last = self._last.get(team, 0)
            if seq != last + 1:
                self._problem(team, f"the anchor jumps from entry {last} to entry {seq}")
            chains.setdefault(team, {})[seq] = hash_
            self._last[team] = max(last, seq)
        elif line.event is AnchorEvent.LEFT:
            chains.pop(team, None)
            self._last.pop(team, None)

    def _state(self, team: str, seq: int, hash_: str) -> None:
        known = self._result.chains.setdefault(team, {})
        last = self._last.get(team, 0)
        if self._statement is not None and self._statement.event is AnchorEvent.RESTORED:
            for later in [number for number in known if number >= seq]:
                del known[later]
            last = 0
        elif seq < last or known.get(seq, hash_) != hash_:
            self._problem(
                team, f"in the anchor, which was then started again without them: {_entries(seq, last)}"
            )
        if seq:
            known[seq] = hash_
        self._last[team] = max(last, seq)

    def _end_statement(self) -> None:
        if self._statement is None:
            return
        restored = self._statement.event is AnchorEvent.RESTORED
        # A statement is made from the sealed register: workspaces missing in it were removed while there was no anchor.
        what = (
            "is not in the backup that was restored" if restored else "was removed while there was no anchor"
        )
        if not self._states_left:
            for team in sorted(self._missing):
                self._result.chains.pop(team)
                last = self._last.pop(team, 0)
                self._result.notes.append(Remark(f"its log, up to entry {last}, {what}", team))
        self._statement, self._states_left, self._missing = None, 0, set()

    def _problem(self, team: str, text: str) -> None:
        self._result.problems.append(Remark(text, team))


def _entries(first: int, last: int) -> str:
    return f"entries {first} to {last}" if first != last else f"entry {first}"
