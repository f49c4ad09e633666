"""Long texts and logs have the same result in pieces in worker processes as in one piece in this process."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.control_characters import plain_text
from domain.log.log_parser import LogParser
from domain.log.log_text import Redactor, log_text, strip_control_codes
from domain.redaction.redactor import redact
from services.worker_processes.log_tasks import (
    IN_PLACE,
    PIECE,
    parse_log_chunks,
    redact_end,
    redact_log,
    redact_text,
    resize_chunks,
    single_chunk,
    step_log_end,
)
from services.worker_processes.pool import InProcessRunner, WorkerPool
from tests.domain.redaction.corpus.loader import harmless_lines, secret_lines

LINES = [line.text for line in secret_lines()] + harmless_lines()
LOG = "\n".join(LINES * 4).encode()
KEY = (
    "-----BEGIN PRIVATE KEY-----\n"
    + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n" * 20
    + "-----END PRIVATE KEY-----\n"
)


@pytest.fixture
async def workers() -> AsyncIterator[WorkerPool]:
    opened = WorkerPool()
    yield opened
    await opened.close()


async def chunks(log: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(log), size):
        yield log[at : at + size]


async def join(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def test_a_log_is_redacted_in_workers_as_in_this_process(workers: WorkerPool) -> None:
    assert len(LOG) > 2 * PIECE
    whole = Redactor()
    expected = whole.feed(LOG) + whole.finish()
    for size in (100, PIECE, len(LOG)):
        assert await join(redact_log(workers, chunks(LOG, size))) == expected


async def test_a_log_is_parsed_in_workers_as_in_this_process(workers: WorkerPool) -> None:
    parser = LogParser(clean=plain_text, shown=strip_control_codes, word="token")
    parser.feed(LOG)
    expected = parser.finish()
    parsed, end = await parse_log_chunks(workers, chunks(LOG, 5000), word="token")
    assert (parsed, end) == (expected, log_text(expected.end))


async def test_a_text_of_any_length_is_redacted_as_if_in_one_piece(workers: WorkerPool) -> None:
    for lines in (LINES[:2], LINES * 3):
        for text in ("\n".join(lines), "\n".join(lines) + "\n"):
            assert await redact_text(workers, text) == redact(text)
            assert await redact_text(workers, text, terminal=True) == redact(plain_text(text))


@given(
    st.lists(
        st.sampled_from(LINES) | st.sampled_from(["", "\ttab\r", KEY[:200], "\x1b[31mred\x1b[0m"]),
        max_size=300,
    )
)
async def test_a_yml_keeps_characters_that_a_terminal_would_not_show(lines: list[str]) -> None:
    text = "\n".join(["word"] * IN_PLACE + lines)
    # An unfinished key may swallow the last line end, which makes no difference.
    assert (await redact_text(InProcessRunner(), text)).rstrip("\n") == redact(text).rstrip("\n")


async def test_a_log_with_windows_line_ends_is_complete() -> None:
    log = b"one\r\n" + b"API_TOKEN=hunter2hunter2\r\n" + b"three\r\n"
    assert (
        await join(redact_log(InProcessRunner(), single_chunk(log))) == b"one\nAPI_TOKEN=[redacted]\nthree\n"
    )
    parsed, end = await parse_log_chunks(InProcessRunner(), single_chunk(log), word="three")
    assert end == "one\nAPI_TOKEN=[redacted]\nthree"
    assert [hit.text for hit in parsed.hits] == ["three"]


@pytest.mark.parametrize("begins_at", [0, 40, 300])
async def test_a_private_key_without_its_beginning_is_not_shown(begins_at: int) -> None:
    text = KEY[begins_at:] + "and then\n" * IN_PLACE
    shown = await redact_end(InProcessRunner(), text.encode(), whole=False)
    assert "MIIE" not in shown
    assert "EFAASC" not in shown
    assert "and then" in shown


async def test_a_log_end_that_is_cut_within_a_word_begins_after_it() -> None:
    assert await redact_end(InProcessRunner(), b"9xKq2LmN7vRt4WzYb8 and more", whole=False) == " and more"


async def test_the_end_of_a_steps_own_log_has_no_secrets() -> None:
    lines = [f"line {number}" for number in range(1000)] + ["API_TOKEN=hunter2hunter2"]
    content = json.dumps([{"message": f"{line}\n"} for line in lines]).encode()
    end = step_log_end(content)
    assert end is not None
    assert end.endswith("line 999\nAPI_TOKEN=[redacted]")
    for broken in (b"", b"{", b"[3]", b"{}", b'[{"message": ""}]'):
        assert step_log_end(broken) is None


async def test_chunks_are_resized_to_one_size() -> None:
    for size in (1000, PIECE * 3):
        sizes = [len(piece) async for piece in resize_chunks(chunks(b"x" * (PIECE * 4 + 5), size))]
        assert sizes == [PIECE] * 4 + [5]
