"""Writes the audit log's lines to its anchor, in order, after they are committed to the database."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import structlog

from domain.audit_chain import ChainBroken
from services.jobs.background_job import BackgroundJob
from storage.audit_anchor_lines import AnchorAddress, AnchorEvent, AnchorLine, digest_of, read_line
from storage.audit_register import count_waiting, delete_sent_lines, read_register, set_anchor, waiting_lines
from storage.database import Database, DatabaseUnavailable
from storage.encryption import SecretBox

log = structlog.get_logger()

EVERY_SECONDS = 1.0
# A continuing failure is logged again only after this time.
QUIET = timedelta(minutes=10)
SEND_SECONDS = 5.0
# Lines per batch, and bytes read from a file's end to find the last line.
MAX_BATCH = 500
_TAIL_BYTES = 64 * 1024
# Facility 13, "log audit", severity 6, "informational" (RFC 5424, 6.2.1).
_PRIORITY = 13 * 8 + 6
_PROGRAM = "buildbell-audit"
_OWNER_ONLY = 0o600


class AnchorNotWritable(Exception):
    """The anchor can't be written to; the sentence says why."""


class Sink(Protocol):
    """A destination of lines."""

    def last_line(self) -> AnchorLine | None:
        """Return the last line written, if that can be known."""

    def write(self, lines: Sequence[str]) -> None:
        """Append lines. Raises OSError, after which some of them may be written."""


class FileSink:
    """An append-only file; each batch is on the disk when `write` returns."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def last_line(self) -> AnchorLine | None:
        """Return the last complete line of the file; None if it is empty, or its end has no readable line."""
        with self._path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            texts = file.read().decode("ascii", "replace").split("\n")[:-1]
        # A kill or a power cut may have left a partial line after it.
        return next((line for text in reversed(texts) if (line := read_line(text)) is not None), None)

    def write(self, lines: Sequence[str]) -> None:
        """Append lines. A partial line that a kill has left is ended first, and then written again in full."""
        new = not self._path.exists()
        file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _OWNER_ONLY)
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "it isn't a regular file")
            if status.st_mode & 0o077:
                _restrict_permissions(file, self._path)
            size = status.st_size
            has_partial_line = size > 0 and os.pread(file, 1, size - 1) != b"\n"
            content = ("\n" if has_partial_line else "").encode() + "".join(
                f"{line}\n" for line in lines
            ).encode()
            while content:
                content = content[os.write(file, content) :]
            os.fsync(file)
        finally:
            os.close(file)
        if new:
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _restrict_permissions(file: int, path: Path) -> None:
    try:
        os.fchmod(file, _OWNER_ONLY)
    except OSError as problem:
        log.warning("audit.anchor_open_to_others", anchor=str(path), reason=problem.strerror)


class SyslogSink:
    """A syslog daemon; it does not confirm what it stores."""

    def __init__(self, address: AnchorAddress) -> None:
        self._address = address

    def last_line(self) -> AnchorLine | None:
        """Return None: a syslog can't be read back."""
        return None

    def write(self, lines: Sequence[str]) -> None:
        """Send each line as a separate message."""
        if self._address.kind == "tcp":
            self._send_over_tcp(lines)
            return
        family = socket.AF_UNIX
        to: object = str(self._address.path)
        if self._address.kind == "udp":
            host = (self._address.host, self._address.port)
            family, _, _, _, to = socket.getaddrinfo(*host, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as connection:
            connection.settimeout(SEND_SECONDS)
            connection.connect(to)  # type: ignore[arg-type]
            for line in lines:
                connection.send(self._message(line))

    def _send_over_tcp(self, lines: Sequence[str]) -> None:
        host = (self._address.host, self._address.port)
        with socket.create_connection(host, timeout=SEND_SECONDS) as connection:
            # Each message ends with a line feed (RFC 6587, 3.4.2).
            connection.sendall(b"".join(self._message(line) + b"\n" for line in lines))
            connection.shutdown(socket.SHUT_WR)

    def _message(self, line: str) -> bytes:
        if self._address.kind == "unix":
            return f"<{_PRIORITY}>{_PROGRAM}: {line}".encode()
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        return (
            f"<{_PRIORITY}>1 {at} {socket.gethostname() or '-'} {_PROGRAM} {os.getpid()} - - {line}".encode()
        )


def make_sink(address: AnchorAddress) -> Sink:
    """Make the sink for an address."""
    return FileSink(address.path) if address.kind == "file" else SyslogSink(address)


class AnchorWriter(BackgroundJob):
    """Writes lines until stopped. While the anchor can't be written they wait in the database; nothing is lost.

    People's actions are not blocked meanwhile; `waiting` and `state` show how far behind the anchor is.
    """

    name = "audit anchor"
    is_exclusive = True

    def __init__(
        self,
        database: Database,
        address: AnchorAddress,
        *,
        clock: Callable[[], datetime],
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        super().__init__()
        self._database = database
        self._address = address
        self._sink = make_sink(address)
        self._clock = clock
        self._every = every_seconds
        self._logged_at: datetime | None = None
        self.failing: str | None = None
        self._differs = False

    @property
    def state(self) -> str:
        """The anchor's state as a text."""
        return self.failing or ("differs from the database" if self._differs else "well")

    async def check(self) -> None:
        """Check, before the bot starts, that a file can be written. Raises AnchorNotWritable."""
        if self._address.kind != "file":
            return  # a daemon may come back; a wrong path stays wrong
        try:
            await asyncio.to_thread(self._sink.write, [])
            last = await asyncio.to_thread(self._sink.last_line)
        except OSError as problem:
            raise AnchorNotWritable(
                f"AUDIT_ANCHOR: {self._address} can't be written ({problem.strerror or problem}). Make its folder, and"
                " let the bot write there."
            ) from problem
        await self._compare(last)

    async def run_once(self) -> float | None:
        """Write all waiting lines."""
        await self.write_waiting()
        return self._every

    async def finish(self) -> None:
        """Write the lines that were added since; while the database is away, the next start writes them."""
        with suppress(DatabaseUnavailable):
            await self.write_waiting()

    async def waiting(self) -> int:
        """Return the number of waiting lines."""
        return await self._database.read(count_waiting)

    async def write_waiting(self) -> None:
        """Write all waiting lines; a failure is logged and tried again at the next call."""
        written = 0
        while lines := await self._database.read(lambda db: waiting_lines(db, MAX_BATCH)):
            try:
                await asyncio.to_thread(self._sink.write, [line for _, line in lines])
            except OSError as problem:
                await self._record_failure(problem)
                return
            number = lines[-1][0]
            await self._database.write(lambda db, number=number: delete_sent_lines(db, number))  # type: ignore[misc]
            written += len(lines)
        if self.failing is not None:
            log.info("audit.anchor_caught_up", anchor=str(self._address), lines=written)
        self.failing, self._logged_at = None, None

    async def _record_failure(self, problem: OSError) -> None:
        self.failing = problem.strerror or type(problem).__name__
        now = self._clock()
        if self._logged_at is None or now - self._logged_at >= QUIET:
            self._logged_at = now
            log.error(
                "audit.anchor_not_written",
                anchor=str(self._address),
                reason=self.failing,
                waiting=await self.waiting(),
            )

    async def _compare(self, last: AnchorLine | None) -> None:
        """Skip waiting lines that were written before a kill, and log an error if file and database differ."""
        try:
            register = await self._database.read(read_register)
        except ChainBroken as problem:
            log.error("audit.not_well", reason=str(problem))
            return
        lines = await self._database.read(waiting_lines)
        sent = digest_of(last.text) if last is not None else ""
        confirmed = next((number for number, line in lines if digest_of(line) == sent), None)
        if confirmed is not None:
            await self._database.write(lambda db: delete_sent_lines(db, confirmed))
        elif register.anchor == self._address.fingerprint:
            first = read_line(lines[0][1]) if lines else None
            expected = register.line_hash if not lines else first.previous if first is not None else None
            restored = first is not None and first.event is AnchorEvent.RESTORED
            self._differs = sent != expected and not restored
            if self._differs:
                log.error(
                    "audit.anchor_differs",
                    anchor=str(self._address),
                    line=last.anchor if last is not None else 0,
                    database_line=register.line_number - len(lines),
                    check="buildbell audit --verify",
                )


async def use_anchor(
    database: Database,
    secret_box: SecretBox | None,
    address: AnchorAddress | None,
    clock: Callable[[], datetime],
) -> None:
    """Let the database make lines for this anchor from now on; None: for no anchor."""
    name = address.fingerprint if address is not None else ""
    try:
        await database.write(lambda db: set_anchor(db, secret_box, name, clock()))
    except ChainBroken as problem:
        log.error("audit.not_well", reason=str(problem), check="buildbell audit --verify")
