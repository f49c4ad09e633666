"""Lines about the audit log that are kept outside the database: how they are made, and what they vouch for. Pure.

Whoever can write the database can put back an older one, and nothing in it shows that. So each entry's number and hash
also go to an anchor that the database's writers can't change: a file elsewhere, or a syslog. Each line carries the hash
of the one before it and is signed with the bot's key, so that a line that was taken out, put in or changed shows.
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

# So many lines that can't be read are held, in case that one was cut off and comes whole later.
_MOST_TORN = 1000
# A line begins so, wherever it stands in what a syslog daemon has written.
_HEAD = '{"anchor":'
SYSLOG_PORT = 514  # RFC 5426, 3.3; most daemons take TCP there, too (RFC 6587)


class AddressProblem(ValueError):
    """An address that nothing can be written to; the sentence says how it must look."""


class AnchorAddress(FrozenModel):
    """Where the lines go: a file, a socket of a syslog daemon on this machine, or one on another by UDP or TCP."""

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
                raise AddressProblem("must be a file's whole path, as /mnt/anchor/buildbell.jsonl")
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
                raise AddressProblem("must end with the host or its port, as syslog+tcp://logs.example:514")
            return cls(kind="udp" if parts.scheme.endswith("udp") else "tcp", host=parts.hostname, port=port)
        raise AddressProblem(
            "must be a file's whole path, syslog:///dev/log, syslog+udp://host:514 or syslog+tcp://host:514"
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
        """A short name of the address, by which the database knows whether it is still the same."""
        return hashlib.sha256(str(self).encode()).hexdigest()[:16]


class AnchorEvent(StrEnum):
    """What a line is about.

    BEGUN and RESTORED begin a statement: so many `chains`, each in a STATE line after it. RESTORED is also the only
    line that may go on from an older one than the last. KEY says that from here on another key signs.
    """

    BEGUN = "begun"
    RESTORED = "restored"
    STATE = "state"
    ENTRY = "entry"
    LEFT = "left"
    KEY = "key"


_STATEMENTS = frozenset({AnchorEvent.BEGUN, AnchorEvent.RESTORED})


class AnchorLine(FrozenModel):
    """One line. `seq` and `hash` are an entry's of the workspace `team`; `previous` is the hash of the line before.

    `over` is the number and hash of the last line of the database that a restore has put away.
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
        """What the signature is over."""
        return (
            f"audit anchor {self._as_json(self.model_dump(mode='json', exclude={'mac'}, exclude_none=True))}"
        )

    @property
    def text(self) -> str:
        """The line as it is written: ASCII without control characters, which no syslog daemon changes."""
        return self._as_json(self.model_dump(mode="json", exclude_none=True))

    @staticmethod
    def _as_json(content: dict[str, object]) -> str:
        return json.dumps(content, ensure_ascii=True, separators=(",", ":"))


def make_line(vault: SecretBox, line: AnchorLine) -> AnchorLine:
    """Sign a line with the first key."""
    unsigned = line.model_copy(update={"key": vault.key_name, "mac": ""})
    return unsigned.model_copy(update={"mac": vault.sign(unsigned.signed_text)})


def digest_of(text: str) -> str:
    """The hash of a line, which the next one carries."""
    return hashlib.sha256(text.encode("ascii", "surrogateescape")).hexdigest()


def read_line(text: str) -> AnchorLine | None:
    """The line in a text; None where it is not exactly one of ours."""
    try:
        line = AnchorLine.model_validate_json(text)
        return line if line.text == text else None
    except (ValidationError, UnicodeError):
        return None


@dataclass(frozen=True)
class Remark:
    """Something to say about what an anchor holds; `team` is the workspace that it concerns, if one alone."""

    text: str
    team: str | None = None

    def __str__(self) -> str:
        return f"{self.team}: {self.text}" if self.team is not None else self.text


@dataclass
class Anchored:
    """What an anchor vouches for: of each workspace the hashes of its entries by number, and its own last line."""

    chains: dict[str, dict[int, str]] = field(default_factory=dict)
    lines: int = 0
    number: int = 0
    digest: str = ""
    problems: list[Remark] = field(default_factory=list)
    notes: list[Remark] = field(default_factory=list)


@dataclass(frozen=True)
class _Placed:
    line: AnchorLine
    digest: str
    authentic: bool | None  # None: its key is not at hand


def read_anchor(texts: Iterable[str], vault: SecretBox | None, *, alone: bool) -> Anchored:
    """Read all lines of an anchor and check that they are ours, whole and in order.

    `alone`: nothing else may stand there; else lines of others, as a syslog daemon mixes them in, are passed over.
    """
    reading = _Reading(vault, alone=alone)
    for number, text in enumerate(texts, start=1):
        reading.take(number, text)
    return reading.end()


class _Reading:
    """The lines so far: `branch` holds those that go on from each other; a restore begins another branch."""

    def __init__(self, vault: SecretBox | None, *, alone: bool) -> None:
        self._vault = vault
        self._alone = alone
        self._branch: list[_Placed] = []
        self._seen: set[str] = set()
        # Lines that can't be read, by their number: when the power or the disk's room was gone in the midst of one, it
        # comes again, whole, with those that were written with it.
        self._torn: dict[int, str] = {}
        self._last_number = 0
        self._found = Anchored()

    def take(self, number: int, text: str) -> None:
        """Read one more line of the file, its `number`th."""
        # A file system may leave zeros of what a power cut has kept from being written.
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
                self._hold_torn(number, text)
            return
        self._torn = {at: torn for at, torn in self._torn.items() if not text.startswith(torn)}
        self._found.lines += 1
        authentic = self._is_authentic(line)
        if authentic is False:
            self._problem(
                f"line {number} of the anchor was not written by this bot: its signature does not fit"
            )
            return
        placed = _Placed(line, digest_of(text), authentic)
        if (
            placed.digest not in self._seen
        ):  # one that was sent twice, since nobody knew whether it had arrived
            self._seen.add(placed.digest)
            self._place(number, placed)

    def end(self) -> Anchored:
        """What all of it comes to."""
        found = self._found
        if self._torn.pop(self._last_number, None) is not None:
            found.notes.append(Remark("the last line of the anchor is not whole; the bot writes it again"))
        self._give_up_torn()
        if self._branch:
            last = self._branch[-1]
            found.number, found.digest = last.line.anchor, last.digest
            if self._vault is None:
                found.notes.append(
                    Remark("the anchor's signatures were not checked: there is no BUILDBELL_SECRET_KEY")
                )
            elif last.authentic is None:
                # Lines under an older key are vouched for by the signed one that comes after them.
                self._problem(f"the last line of the anchor is signed with another key ({last.line.key})")
            _Folding(found).fold(self._branch)
        return found

    def _hold_torn(self, number: int, text: str) -> None:
        if len(self._torn) >= _MOST_TORN:
            self._give_up_torn()
        self._torn[number] = text

    def _give_up_torn(self) -> None:
        """None of those that are held comes whole any more."""
        for number in self._torn:
            self._problem(f"line {number} of the anchor can't be read")
        self._torn = {}

    def _is_authentic(self, line: AnchorLine) -> bool | None:
        if self._vault is None or line.key not in self._vault.key_names:
            return None
        return self._vault.is_signed(line.signed_text, line.mac)

    def _place(self, number: int, placed: _Placed) -> None:
        line, branch = placed.line, self._branch
        if not branch:
            self._begin(placed)
            return
        last = branch[-1]
        if line.anchor == last.line.anchor + 1 and line.previous == last.digest:
            if line.event is AnchorEvent.RESTORED:
                self._settle(line)
            branch.append(placed)
            return
        kept = self._shared_with(line)
        if line.event is AnchorEvent.RESTORED and kept is not None:
            self._settle(line)
            self._check_over(number, line, last)
            self._found.notes.append(
                Remark(f"the operator restored a backup on {line.at}; lines of before: {len(branch) - kept}")
            )
            self._put_away(kept, self._found.notes, "put away by the restore")
        elif kept is not None:
            self._problem(
                f"line {number} of the anchor goes on from an older one: an older database was put in place without"
                " `buildbell restore`"
            )
            self._put_away(kept, self._found.problems, "known to the anchor, and put away")
        else:
            self._problem(
                f"line {number} of the anchor does not follow the one before it: lines between"
                f" {last.line.anchor} and {line.anchor} were taken out or changed"
            )
            kept = len(branch)
        del branch[kept:]
        branch.append(placed)

    def _begin(self, placed: _Placed) -> None:
        line = placed.line
        if line.event not in _STATEMENTS:
            self._problem(
                f"the anchor begins with line {line.anchor}, in the midst: give the older files, too"
            )
        elif line.anchor > 1:
            self._found.notes.append(
                Remark(f"the anchor begins with a statement of {line.at}; what was before is elsewhere")
            )
        self._branch.append(placed)

    def _shared_with(self, line: AnchorLine) -> int | None:
        """How many lines of the branch the line goes on from; None where it goes on from none of them."""
        if line.anchor == 1 and line.previous == "":
            return 0
        kept = line.anchor - self._branch[0].line.anchor
        if 0 < kept <= len(self._branch) and self._branch[kept - 1].digest == line.previous:
            return kept
        return None

    def _settle(self, line: AnchorLine) -> None:
        """What was wrong before an operator's restore is told, and is no trouble any more."""
        self._give_up_torn()
        self._found.notes += [
            Remark(f"before the restore of {line.at}: {one.text}", one.team) for one in self._found.problems
        ]
        self._found.problems.clear()

    def _check_over(self, number: int, line: AnchorLine, last: _Placed) -> None:
        if line.over is not None and line.over != f"{last.line.anchor} {last.digest}":
            self._problem(
                f"line {number} of the anchor says that line {line.over.split()[0]} was the last before a restore,"
                f" but {last.line.anchor} is"
            )

    def _put_away(self, kept: int, where: list[Remark], what: str) -> None:
        away: dict[str, list[int]] = {}
        for placed in self._branch[kept:]:
            if placed.line.event is AnchorEvent.ENTRY and placed.line.team is not None:
                away.setdefault(placed.line.team, []).append(placed.line.seq or 0)
        where += [Remark(f"{what}: {_entries(min(seqs), max(seqs))}", team) for team, seqs in away.items()]

    def _problem(self, text: str) -> None:
        self._found.problems.append(Remark(text))


class _Folding:
    """From the lines of a branch to what is known of each workspace."""

    def __init__(self, found: Anchored) -> None:
        self._found = found
        # The number of each workspace's last entry.
        self._last: dict[str, int] = {}
        # While a statement goes on: which event began it, how many states are to come, and who was not in it yet.
        self._statement: AnchorLine | None = None
        self._to_come = 0
        self._missing: set[str] = set()

    def fold(self, branch: Sequence[_Placed]) -> None:
        """Take all lines in order."""
        for placed in branch:
            self._take(placed.line)
        self._end_statement()

    def _take(self, line: AnchorLine) -> None:
        chains, team, seq, hash_ = self._found.chains, line.team or "", line.seq or 0, line.hash or ""
        if line.event is AnchorEvent.STATE and self._to_come:
            self._to_come -= 1
            self._missing.discard(team)
            self._state(team, seq, hash_)
            return
        self._end_statement()
        if line.event in _STATEMENTS:
            self._statement, self._to_come = line, line.chains or 0
            self._missing = set(chains)
        elif line.event is AnchorEvent.ENTRY:
            last = self._last.get(team, 0)
            if seq != last + 1:
                self._problem(team, f"the anchor goes from entry {last} to entry {seq}")
            chains.setdefault(team, {})[seq] = hash_
            self._last[team] = max(last, seq)
        elif line.event is AnchorEvent.LEFT:
            chains.pop(team, None)
            self._last.pop(team, None)

    def _state(self, team: str, seq: int, hash_: str) -> None:
        known = self._found.chains.setdefault(team, {})
        last = self._last.get(team, 0)
        if self._statement is not None and self._statement.event is AnchorEvent.RESTORED:
            for later in [one for one in known if one >= seq]:
                del known[later]
            last = 0
        elif seq < last or known.get(seq, hash_) != hash_:
            self._problem(
                team, f"known to the anchor, which was begun anew without them: {_entries(seq, last)}"
            )
        if seq:
            known[seq] = hash_
        self._last[team] = max(last, seq)

    def _end_statement(self) -> None:
        if self._statement is None:
            return
        restored = self._statement.event is AnchorEvent.RESTORED
        # What a statement says comes from the sealed register: who is not in it has left while nothing was anchored.
        what = "is not in the backup that was restored" if restored else "ended while there was no anchor"
        if not self._to_come:
            for team in sorted(self._missing):
                self._found.chains.pop(team)
                last = self._last.pop(team, 0)
                self._found.notes.append(Remark(f"its log, with entry {last} as its last, {what}", team))
        self._statement, self._to_come, self._missing = None, 0, set()

    def _problem(self, team: str, text: str) -> None:
        self._found.problems.append(Remark(text, team))


def _entries(first: int, last: int) -> str:
    return f"entries {first} to {last}" if first != last else f"entry {first}"
