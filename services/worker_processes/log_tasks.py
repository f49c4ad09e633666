"""Long texts and logs, worked through piece by piece outside of the event loop.

What was done so far travels with each piece, so that any worker can go on with it, and no worker keeps anything.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from domain.ansi import plain_text
from domain.log.log_parser import LogParser, ParsedLog
from domain.log.log_text import Redactor, last_lines, log_text, strip_control_codes
from domain.redaction.redactor import redact

if TYPE_CHECKING:  # a worker imports this module, and should begin at once
    from services.worker_processes.pool import Runner

PIECE = 64 * 1024
# So much is done in place: it takes two thousandths of a second at worst.
IN_PLACE = 2 * 1024


async def redact_log(runner: Runner, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A log as it may be handed over, in pieces. Raises WorkFailed."""
    redactor = Redactor()
    async for piece in resize_chunks(chunks):
        redactor, shown = await runner.run(_redact_piece, redactor, piece)
        yield shown
    yield await runner.run(Redactor.finish, redactor)


async def parse_log(
    runner: Runner, chunks: AsyncIterator[bytes], *, step: int | None = None, word: str | None = None
) -> tuple[ParsedLog, str]:
    """What was asked for of a log, and the text of its end, secrets taken out. Raises WorkFailed."""
    reader = LogParser(clean=plain_text, shown=strip_control_codes, step=step, word=word)
    async for piece in resize_chunks(chunks):
        reader = await runner.run(_read_piece, reader, piece)
    return await runner.run(_finish, reader)


async def redact_text(runner: Runner, text: str, *, terminal: bool = False) -> str:
    """A text without its secrets; `terminal`: as a terminal shows it. Raises WorkFailed."""
    if len(text) <= IN_PLACE:
        return redact(plain_text(text) if terminal else text)
    redactor, content = Redactor(cut_off=True, terminal=terminal), text.encode("utf-8", "replace")
    shown = []
    for at in range(0, len(content), PIECE):
        redactor, piece = await runner.run(_redact_piece, redactor, content[at : at + PIECE])
        shown.append(piece)
    shown.append(await runner.run(Redactor.finish, redactor))
    redacted = b"".join(shown).decode("utf-8", "replace")
    return redacted if text.endswith("\n") else redacted.removesuffix("\n")


async def redact_end(runner: Runner, content: bytes, *, whole: bool) -> str:
    """The end of a log as a terminal shows it, without its secrets; what is cut off begins with a whole line.

    Raises WorkFailed.
    """
    text = content.decode("utf-8", "replace") if whole else last_lines(content)
    return await redact_text(runner, text, terminal=True)


def step_log_end(content: bytes) -> str | None:
    """The end of a step's own log, secrets taken out; None where it can't be read."""
    try:
        messages = json.loads(content)
        log = "".join(str(one.get("message") or "") for one in messages).encode("utf-8", "replace")
    except (ValueError, AttributeError, TypeError, RecursionError):
        return None
    reader = LogParser(clean=plain_text, shown=strip_control_codes)
    reader.feed(log)
    return log_text(reader.finish().end) or None


async def resize_chunks(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same in pieces of one size: many small ones would take more time to send than to work through."""
    held = bytearray()
    async for chunk in chunks:
        held += chunk
        while len(held) >= PIECE:
            yield bytes(held[:PIECE])
            del held[:PIECE]
    if held:
        yield bytes(held)


async def single_chunk(content: bytes) -> AsyncIterator[bytes]:
    """What is there already, as if it came."""
    yield content


def _redact_piece(redactor: Redactor, piece: bytes) -> tuple[Redactor, bytes]:
    shown = redactor.feed(piece)
    return redactor, shown


def _read_piece(reader: LogParser, piece: bytes) -> LogParser:
    reader.feed(piece)
    return reader


def _finish(reader: LogParser) -> tuple[ParsedLog, str]:
    reading = reader.finish()
    return reading, log_text(reading.end)
