"""Redacts and parses long texts and logs piece by piece in worker processes.

The state so far is sent with each piece, so that any worker can continue, and no worker keeps anything.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from domain.control_characters import plain_text
from domain.log.log_parser import LogParser, ParsedLog
from domain.log.log_text import Redactor, last_lines, log_text, strip_control_codes
from domain.redaction.redactor import redact

if TYPE_CHECKING:  # a worker imports this module and must start fast
    from services.worker_processes.pool import Runner

PIECE = 64 * 1024
# Shorter texts are redacted in this process: that takes two milliseconds at worst.
IN_PLACE = 2 * 1024


async def redact_log(runner: Runner, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield a log without its secrets, in pieces. Raises WorkFailed."""
    redactor = Redactor()
    async for piece in resize_chunks(chunks):
        redactor, redacted_piece = await runner.run(_redact_piece, redactor, piece)
        yield redacted_piece
    yield await runner.run(Redactor.finish, redactor)


async def parse_log_chunks(
    runner: Runner, chunks: AsyncIterator[bytes], *, step: int | None = None, word: str | None = None
) -> tuple[ParsedLog, str]:
    """Return the parsed log (its step `step`, its lines with `word`) and its end, redacted. Raises WorkFailed."""
    parser = LogParser(clean=plain_text, shown=strip_control_codes, step=step, word=word)
    async for piece in resize_chunks(chunks):
        parser = await runner.run(_read_piece, parser, piece)
    return await runner.run(_finish, parser)


async def redact_text(runner: Runner, text: str, *, terminal: bool = False) -> str:
    """Return a text without its secrets; `terminal`: as a terminal shows it. Raises WorkFailed."""
    if len(text) <= IN_PLACE:
        return redact(plain_text(text) if terminal else text)
    redactor, content = Redactor(cut_off=True, terminal=terminal), text.encode("utf-8", "replace")
    pieces = []
    for start in range(0, len(content), PIECE):
        redactor, piece = await runner.run(_redact_piece, redactor, content[start : start + PIECE])
        pieces.append(piece)
    pieces.append(await runner.run(Redactor.finish, redactor))
    redacted = b"".join(pieces).decode("utf-8", "replace")
    return redacted if text.endswith("\n") else redacted.removesuffix("\n")


async def redact_end(runner: Runner, content: bytes, *, whole: bool) -> str:
    """Return the end of a log as a terminal shows it, without its secrets; a cut one begins with a whole line.

    Raises WorkFailed.
    """
    text = content.decode("utf-8", "replace") if whole else last_lines(content)
    return await redact_text(runner, text, terminal=True)


def step_log_end(content: bytes) -> str | None:
    """Return the end of a step's own log without its secrets; None if it can't be read."""
    try:
        messages = json.loads(content)
        log = "".join(str(message.get("message") or "") for message in messages).encode("utf-8", "replace")
    except (ValueError, AttributeError, TypeError, RecursionError):
        return None
    parser = LogParser(clean=plain_text, shown=strip_control_codes)
    parser.feed(log)
    return log_text(parser.finish().end) or None


async def resize_chunks(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the same bytes in pieces of one size: many small ones would take longer to send than to process."""
    buffer = bytearray()
    async for chunk in chunks:
        buffer += chunk
        while len(buffer) >= PIECE:
            yield bytes(buffer[:PIECE])
            del buffer[:PIECE]
    if buffer:
        yield bytes(buffer)


async def single_chunk(content: bytes) -> AsyncIterator[bytes]:
    """Yield the whole content as one chunk."""
    yield content


def _redact_piece(redactor: Redactor, piece: bytes) -> tuple[Redactor, bytes]:
    redacted_piece = redactor.feed(piece)
    return redactor, redacted_piece


def _read_piece(parser: LogParser, piece: bytes) -> LogParser:
    parser.feed(piece)
    return parser


def _finish(parser: LogParser) -> tuple[ParsedLog, str]:
    parsed = parser.finish()
    return parsed, log_text(parsed.end)
