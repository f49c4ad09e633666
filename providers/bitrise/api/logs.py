"""What Bitrise's API says of logs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from domain.build import FrozenModel
from domain.errors import (
    DownloadExpired,
    DownloadRefused,
    Forbidden,
    NotFound,
    ProviderDown,
    ProviderError,
    RequestRejected,
    TooLarge,
)
from domain.log.log_parser import ParsedLog, Step
from domain.provider import Provider
from domain.provider_client import LogTail
from providers.bitrise.api.build_summary import parse_ai_summary, parse_steps
from providers.bitrise.api.connection import Connection, path_of
from providers.bitrise.api.errors import NoLog
from providers.bitrise.api.log_text import Log, parse_log
from providers.http.field_parsing import parse_json
from services.worker_processes.log_tasks import (
    parse_log,
    redact_end,
    redact_text,
    single_chunk,
    step_log_end,
)

MOST_LOG = 64 * 1024
MOST_STEP_LOG = 8 * 1024 * 1024
# What is longer is no summary of anything.
MOST_STEPS = 2 * 1024 * 1024
MOST_WORDS = 256 * 1024
# Where the archive can't be read, the chunks still show the end.
UNREADABLE = (DownloadRefused, DownloadExpired, ProviderDown, TooLarge)


class ReadLog(FrozenModel):
    """A log as it was read. `end` is the text of the reading's end, secrets taken out; `complete`: from its
    beginning, without gaps; `still_growing`: it is not archived; `whole_url`: for minutes.
    """

    reading: ParsedLog
    end: str
    complete: bool
    still_growing: bool
    whole_url: str | None = None


class LogsApi(Connection):
    """What Bitrise's API says of logs. Every method raises ProviderError."""

    async def log(self, app_slug: str, build_slug: str, *, before: datetime | None = None) -> Log:
        """The log's last chunks, or those before a time. Raises NoLog where there is none."""
        params = {"before_timestamp": before.isoformat()} if before else {}
        try:
            reply = await self._api.read(path_of("apps", app_slug, "builds", build_slug, "log"), params)
        except NotFound as error:
            raise NoLog from error
        return parse_log(reply.body)

    async def log_tail(self, app_slug: str, build_slug: str, *, most: int = MOST_LOG) -> LogTail:
        """The log's end: from the archive where there is one, else from the chunks. Raises NoLog."""
        log = await self.log(app_slug, build_slug)
        if log.raw_url is not None:
            try:
                tail = await self._downloads.tail(log.raw_url, most)
            except UNREADABLE:
                return await self._from_chunks(log, most)
            framed = await redact_end(self._runner, tail.content, whole=tail.whole)
            return LogTail(framed=framed, still_growing=False)
        return await self._from_chunks(log, most)

    async def read_log(
        self, app_slug: str, build_slug: str, *, step: int | None = None, word: str | None = None
    ) -> ReadLog:
        """Read the log as it comes, however long it is: the whole of it where it is archived. Raises NoLog.

        `step` is the number of the step whose end is wanted, `word` what is looked for.
        """
        log = await self.log(app_slug, build_slug)
        if log.raw_url is not None:
            try:
                async with self._downloads.open(log.raw_url) as chunks:
                    reading, end = await parse_log(self._runner, chunks, step=step, word=word)
                return ReadLog(
                    reading=reading, end=end, complete=True, still_growing=False, whole_url=log.raw_url
                )
            except UNREADABLE:
                pass  # that the chunks are not all of it is said
        chunks = single_chunk(log.text.encode("utf-8", "replace"))
        reading, end = await parse_log(self._runner, chunks, step=step, word=word)
        return ReadLog(
            reading=reading,
            end=end,
            complete=log.from_the_start and not log.gaps,
            still_growing=not log.archived,
            whole_url=log.raw_url,
        )

    async def steps(self, app_slug: str, build_slug: str) -> tuple[Step, ...]:
        """The build's steps as Bitrise sums them up; none where the server or the token does not know that."""
        try:
            reply = await self._api.read(path_of("apps", app_slug, "builds", build_slug, "log", "summary"))
        except (NotFound, Forbidden, RequestRejected):
            return ()
        return parse_steps(reply.body) if len(reply.body) <= MOST_STEPS else ()

    async def step_end(self, app_slug: str, build_slug: str, uuid: str) -> str | None:
        """The end of one step's own log, secrets taken out; None where there is none that can be read."""
        path = path_of("apps", app_slug, "builds", build_slug, "log", "steps", uuid)
        try:
            said = parse_json((await self._api.read(path)).body, provider=Provider.BITRISE)
            url = said.get("expiring_raw_log_url") if isinstance(said, dict) else None
            tail = await self._downloads.tail(str(url), MOST_STEP_LOG)
        except ProviderError:
            return None
        return await self._runner.run(step_log_end, tail.content) if tail.whole else None

    async def ai_summary(self, build_slug: str) -> str | None:
        """Bitrise's own summary of why a build failed; None where the project has it not switched on."""
        try:
            reply = await self._api.read(path_of("builds", build_slug, "ai-summary"))
        except (NotFound, Forbidden, RequestRejected):
            return None
        words = parse_ai_summary(reply.body) if len(reply.body) <= MOST_WORDS else None
        return await redact_text(self._runner, words) if words else None

    @asynccontextmanager
    async def raw_log(self, app_slug: str, build_slug: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The whole archived log as it comes. Raises NoLog where it is not archived."""
        log = await self.log(app_slug, build_slug)
        if log.raw_url is None:
            raise NoLog("the log is not archived yet")
        async with self._downloads.open(log.raw_url) as chunks:
            yield chunks

    async def _from_chunks(self, log: Log, most: int) -> LogTail:
        end, whole = log.text[-most:].encode("utf-8", "replace"), len(log.text) <= most
        framed = await redact_end(self._runner, end, whole=whole)
        return LogTail(framed=framed, still_growing=not log.archived)
