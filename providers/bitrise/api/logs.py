"""Endpoints for build logs, and the order of a log's chunks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import pairwise

from pydantic import BaseModel, ValidationError

from domain.build import FrozenModel
from domain.log.log_parser import ParsedLog, Step
from domain.provider_client import LogTail
from domain.provider_errors import (
    DownloadExpired,
    DownloadRefused,
    Forbidden,
    NotFound,
    ProviderDown,
    ProviderError,
    RequestRejected,
    TooLarge,
    UnexpectedResponse,
)
from providers.bitrise.api.build_summary import parse_ai_summary, parse_steps
from providers.bitrise.api.connection import Connection, NoLog, path_of
from providers.bitrise.provider import BITRISE
from providers.http.field_parsing import Flag, Maybe, Number, Text, Time, parse_json
from services.worker_processes.log_tasks import (
    parse_log_chunks,
    redact_end,
    redact_text,
    single_chunk,
    step_log_end,
)


class ChunkItem(BaseModel):
    """A chunk of a log."""

    chunk: Text = None
    position: Number = None


class LogItem(BaseModel):
    """The log response: the last chunks, and the link to the archive once there is one."""

    log_chunks: Maybe[list[ChunkItem]] = None
    is_archived: Flag = None
    expiring_raw_log_url: Text = None
    generated_log_chunks_num: Number = None
    next_before_timestamp: Time = None


class Log(FrozenModel):
    """The part of a log that the API itself returns.

    `raw_url` is a link to the whole log, valid for some minutes, once it is archived. `gaps`: chunks are missing
    between those that are here.
    """

    text: str
    archived: bool
    raw_url: str | None = None
    gaps: bool = False
    from_the_start: bool = False
    before: datetime | None = None


def parse_log(body: bytes) -> Log:
    """Parse a log response; chunks may be unordered and have gaps. Raises UnexpectedResponse."""
    try:
        item = LogItem.model_validate_json(body)
    except ValidationError as error:
        raise UnexpectedResponse("there is no log in it", provider=BITRISE) from error
    chunks = sorted(item.log_chunks or [], key=lambda chunk: chunk.position or 0)
    positions = [chunk.position for chunk in chunks if chunk.position is not None]
    return Log(
        text="".join(chunk.chunk or "" for chunk in chunks),
        archived=bool(item.is_archived),
        raw_url=item.expiring_raw_log_url,
        gaps=any(after - before > 1 for before, after in pairwise(positions)),
        from_the_start=_has_first_chunk(positions, of=item.generated_log_chunks_num),
        before=item.next_before_timestamp,
    )


def _has_first_chunk(positions: Sequence[int], *, of: int | None) -> bool:
    """Return whether the first chunk is here.

    The documents number it 0, the current command line assumes 1: in that case the number of chunks decides.
    """
    if not positions or positions[0] > 1:
        return False
    return positions[0] == 0 or of is None or len(positions) >= of


MAX_LOG_BYTES = 64 * 1024
MAX_STEP_LOG_BYTES = 8 * 1024 * 1024
# A longer response is not a summary.
MAX_STEPS_BYTES = 2 * 1024 * 1024
MAX_SUMMARY_BYTES = 256 * 1024
# If the archive can't be read, the chunks still show the end.
UNREADABLE = (DownloadRefused, DownloadExpired, ProviderDown, TooLarge)


class ReadLog(FrozenModel):
    """A parsed log.

    `end` is the text at the end, with secrets redacted; `complete`: read from the beginning, without gaps;
    `still_growing`: not archived yet; `whole_url`: a link that is valid for minutes.
    """

    reading: ParsedLog
    end: str
    complete: bool
    still_growing: bool
    whole_url: str | None = None


class LogsApi(Connection):
    """Endpoints for build logs. Every method raises ProviderError."""

    async def log(self, app_slug: str, build_slug: str) -> Log:
        """Return the log's last chunks. Raises NoLog if there is none."""
        try:
            reply = await self._api.read(path_of("apps", app_slug, "builds", build_slug, "log"))
        except NotFound as error:
            raise NoLog from error
        return parse_log(reply.body)

    async def log_tail(self, app_slug: str, build_slug: str, *, most: int = MAX_LOG_BYTES) -> LogTail:
        """Return the end of the log: from the archive if there is one, else from the chunks. Raises NoLog."""
        log = await self.log(app_slug, build_slug)
        if log.raw_url is not None:
            try:
                tail = await self._downloads.tail(log.raw_url, most)
            except UNREADABLE:
                return await self._tail_of_chunks(log, most)
            framed = await redact_end(self._runner, tail.content, whole=tail.whole)
            return LogTail(framed=framed, still_growing=False)
        return await self._tail_of_chunks(log, most)

    async def read_log(
        self, app_slug: str, build_slug: str, *, step: int | None = None, word: str | None = None
    ) -> ReadLog:
        """Read a log of any length as a stream: the whole log if it is archived. Raises NoLog.

        `step` is the number of the step whose end is wanted, `word` the text to search for.
        """
        log = await self.log(app_slug, build_slug)
        if log.raw_url is not None:
            try:
                async with self._downloads.open(log.raw_url) as chunks:
                    reading, end = await parse_log_chunks(self._runner, chunks, step=step, word=word)
                return ReadLog(
                    reading=reading, end=end, complete=True, still_growing=False, whole_url=log.raw_url
                )
            except UNREADABLE:
                pass  # `complete` says that the chunks are not the whole log
        chunks = single_chunk(log.text.encode("utf-8", "replace"))
        reading, end = await parse_log_chunks(self._runner, chunks, step=step, word=word)
        return ReadLog(
            reading=reading,
            end=end,
            complete=log.from_the_start and not log.gaps,
            still_growing=not log.archived,
            whole_url=log.raw_url,
        )

    async def steps(self, app_slug: str, build_slug: str) -> tuple[Step, ...]:
        """Return the build's steps from Bitrise's summary; empty if the server or the token does not provide it."""
        try:
            reply = await self._api.read(path_of("apps", app_slug, "builds", build_slug, "log", "summary"))
        except (NotFound, Forbidden, RequestRejected):
            return ()
        return parse_steps(reply.body) if len(reply.body) <= MAX_STEPS_BYTES else ()

    async def step_end(self, app_slug: str, build_slug: str, uuid: str) -> str | None:
        """Return the end of one step's own log, with secrets redacted; None if it can't be read."""
        path = path_of("apps", app_slug, "builds", build_slug, "log", "steps", uuid)
        try:
            content = parse_json((await self._api.read(path)).body, provider=BITRISE)
            url = content.get("expiring_raw_log_url") if isinstance(content, dict) else None
            tail = await self._downloads.tail(str(url), MAX_STEP_LOG_BYTES)
        except ProviderError:
            return None
        return await self._runner.run(step_log_end, tail.content) if tail.whole else None

    async def ai_summary(self, build_slug: str) -> str | None:
        """Return Bitrise's AI summary of why a build failed; None if the project has not enabled it."""
        try:
            reply = await self._api.read(path_of("builds", build_slug, "ai-summary"))
        except (NotFound, Forbidden, RequestRejected):
            return None
        summary = parse_ai_summary(reply.body) if len(reply.body) <= MAX_SUMMARY_BYTES else None
        return await redact_text(self._runner, summary) if summary else None

    @asynccontextmanager
    async def raw_log(self, app_slug: str, build_slug: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Stream the whole archived log. Raises NoLog if it is not archived."""
        log = await self.log(app_slug, build_slug)
        if log.raw_url is None:
            raise NoLog("the log is not archived yet")
        async with self._downloads.open(log.raw_url) as chunks:
            yield chunks

    async def _tail_of_chunks(self, log: Log, most: int) -> LogTail:
        end, whole = log.text[-most:].encode("utf-8", "replace"), len(log.text) <= most
        framed = await redact_end(self._runner, end, whole=whole)
        return LogTail(framed=framed, still_growing=not log.archived)
