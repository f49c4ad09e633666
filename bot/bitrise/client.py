"""Bitrise's API v0.1, typed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, SecretStr

from bot.aborts import AbortRule
from bot.bitrise.errors import BuildAlreadyFinished, NoLog
from bot.bitrise.listing import Listing
from bot.bitrise.logs import Log, last_lines, plain_text, read_log, readable
from bot.bitrise.models import (
    AppItem,
    Artifact,
    ArtifactItem,
    ArtifactLinks,
    BuildItem,
    Me,
    read_many,
    read_one,
)
from bot.bitrise.orders import AbortOrder, BuildQuery, Started, TriggerParams
from bot.bitrise.pipelines import PipelineItem, PipelineShow
from bot.bitrise.requests import BuildRequestItem
from bot.bitrise.starting import started_by
from bot.bitrise.summary import steps_in, words_in
from bot.bitrise.yml import Buildables, YmlVerdict, buildables_in, verdict_in
from bot.build import App, Build, Frozen, State
from bot.build_request import BuildRequest
from bot.http import (
    AnswerLost,
    Api,
    DownloadExpired,
    DownloadRefused,
    Downloads,
    Http,
    NoAccess,
    NotFound,
    NotUnderstood,
    ProviderDown,
    ProviderError,
    Refused,
    Reply,
)
from bot.http.api import path_of
from bot.http.redaction import redact
from bot.log_reader import KEPT_LINES, LogReader, LogReading, Step
from bot.pipeline import Pipeline

ItemT = TypeVar("ItemT", bound=BaseModel)

MOST_LOG = 64 * 1024
MOST_YML = 1024 * 1024
MOST_STEP_LOG = 8 * 1024 * 1024
# Our clock and Bitrise's need not agree on when a build was asked for.
SKEW = timedelta(minutes=2)


class LogTail(Frozen):
    """A log's end as text, secrets taken out.

    `complete`: it is all there is. `still_growing`: the build goes on. `whole_url`: the archive's link, for minutes.
    `framed` is the same text with the boxes round its steps.
    """

    text: str
    framed: str
    complete: bool
    still_growing: bool
    gaps: bool = False
    whole_url: str | None = None


class ReadLog(Frozen):
    """A log as it was read. `complete`: all of it; `still_growing`: it is not archived; `whole_url`: for minutes."""

    reading: LogReading
    complete: bool
    still_growing: bool
    whole_url: str | None = None


class Bitrise:
    """A client under one token. Every method raises ProviderError."""

    def __init__(
        self,
        http: Http,
        *,
        token: SecretStr | None,
        base_url: str,
        clock: Callable[[], datetime],
        download_hosts: tuple[str, ...] = (),
        abort_rules: tuple[AbortRule, ...] = (),
        **api_options: Any,
    ) -> None:
        def authorization() -> str | None:
            return f"token {token.get_secret_value()}" if token else None

        self._api = Api(http, base_url=base_url, authorization=authorization, clock=clock, **api_options)
        self._open_api = Api(http, base_url=base_url, authorization=lambda: None, clock=clock, **api_options)
        self._downloads = Downloads(http, api_url=base_url, hosts=download_hosts)
        self._clock = clock
        self._abort_rules = abort_rules

    async def root(self, *, versioned: bool = True) -> dict[str, Any]:
        """What the API says of itself, at its version's address or at the host's; needs no token ("Root URLs")."""
        path = "" if versioned else self._open_api.root_url()
        content = json.loads((await self._open_api.read(path)).body or b"{}")
        return content if isinstance(content, dict) else {}

    async def me(self) -> Me:
        """Whose token it is."""
        return read_one(Me, (await self._api.read("/me")).body)

    async def probe(self) -> None:
        """Ask for next to nothing, once, to see whether the API answers under this token. Raises ProviderError."""
        with suppress(NotFound, NoAccess):  # not every token may list all builds, but that is an answer
            await self._api.read("/builds", {"limit": "1"}, most_tries=1)

    def apps(self, *, limit: int = 50) -> Listing[App]:
        """The apps that the token sees."""
        return _Apps(self._api, limit)

    async def app(self, slug: str) -> App:
        """One app."""
        return read_one(AppItem, (await self._api.read(path_of("apps", slug))).body).as_app()

    def builds(self, app_slug: str, query: BuildQuery | None = None, *, limit: int = 50) -> Listing[Build]:
        """An app's builds, newest first unless the query sorts otherwise."""
        return Listing(
            self._api,
            path_of("apps", app_slug, "builds"),
            {"limit": str(limit)} | (query.params() if query else {}),
            model=BuildItem,
            convert=lambda item: item.as_build(app_slug, self._abort_rules),
        )

    def all_builds(
        self,
        *,
        status: int | None = None,
        on_hold: bool | None = None,
        owner_slug: str | None = None,
        limit: int = 50,
    ) -> Listing[Build]:
        """The builds of all apps that the token sees; those that don't say which app are only counted."""
        params = {"limit": str(limit)}
        if status is not None:
            params["status"] = str(status)
        if on_hold is not None:
            params["is_on_hold"] = str(on_hold).lower()
        if owner_slug is not None:
            params["owner_slug"] = owner_slug
        return Listing(
            self._api,
            "/builds",
            params,
            model=BuildItem,
            convert=lambda item: (
                item.as_build(item.repository.slug, self._abort_rules) if item.repository else None
            ),
        )

    async def build(self, app_slug: str, build_slug: str) -> Build:
        """One build."""
        path = path_of("apps", app_slug, "builds", build_slug)
        item = read_one(BuildItem, (await self._api.read(path)).body)
        return item.as_build(app_slug, self._abort_rules)

    async def log(self, app_slug: str, build_slug: str, *, before: datetime | None = None) -> Log:
        """The log's last chunks, or those before a time. Raises NoLog where there is none."""
        params = {"before_timestamp": before.isoformat()} if before else {}
        try:
            reply = await self._api.read(path_of("apps", app_slug, "builds", build_slug, "log"), params)
        except NotFound as error:
            raise NoLog from error
        return read_log(reply.body)

    async def log_tail(self, app_slug: str, build_slug: str, *, most: int = MOST_LOG) -> LogTail:
        """The log's end: from the archive where there is one, else from the chunks. Raises NoLog."""
        log = await self.log(app_slug, build_slug)
        if log.raw_url is not None:
            try:
                tail = await self._downloads.tail(log.raw_url, most)
            except (DownloadRefused, DownloadExpired, ProviderDown):
                # the chunks still show the end; that they are not all is said
                return _from_chunks(log, most)
            text = tail.content.decode("utf-8", "replace") if tail.whole else last_lines(tail.content)
            return LogTail(
                text=readable(text),
                framed=redact(plain_text(text)),
                complete=tail.whole,
                still_growing=False,
                whole_url=log.raw_url,
            )
        return _from_chunks(log, most)

    async def read_log(
        self, app_slug: str, build_slug: str, *, step: int | None = None, word: str | None = None
    ) -> ReadLog:
        """Read the log as it comes, however long it is: the whole of it where it is archived. Raises NoLog.

        `step` is the number of the step whose end is wanted, `word` what is looked for.
        """
        log = await self.log(app_slug, build_slug)
        if log.raw_url is not None:
            reader = LogReader(clean=plain_text, step=step, word=word)
            try:
                async with self._downloads.open(log.raw_url) as chunks:
                    async for chunk in chunks:
                        reader.feed(chunk)
                return ReadLog(
                    reading=reader.finish(), complete=True, still_growing=False, whole_url=log.raw_url
                )
            except (DownloadRefused, DownloadExpired, ProviderDown):
                pass  # the chunks still show the end; that they are not all is said
        reader = LogReader(clean=plain_text, step=step, word=word)
        reader.feed(log.text.encode())
        complete = log.archived and log.from_the_start and not log.gaps
        return ReadLog(
            reading=reader.finish(),
            complete=complete,
            still_growing=not log.archived,
            whole_url=log.raw_url,
        )

    async def steps(self, app_slug: str, build_slug: str) -> tuple[Step, ...]:
        """The build's steps as Bitrise sums them up; none where the server or the token does not know that."""
        try:
            reply = await self._api.read(path_of("apps", app_slug, "builds", build_slug, "log", "summary"))
        except (NotFound, NoAccess, Refused):
            return ()
        return steps_in(reply.body)

    async def step_end(self, app_slug: str, build_slug: str, uuid: str) -> tuple[bytes, ...] | None:
        """The last lines of one step's own log; None where there is none that can be read."""
        path = path_of("apps", app_slug, "builds", build_slug, "log", "steps", uuid)
        try:
            url = json.loads((await self._api.read(path)).body).get("expiring_raw_log_url")
            tail = await self._downloads.tail(str(url), MOST_STEP_LOG)
            messages = json.loads(tail.content) if tail.whole else []
            lines = "".join(str(one.get("message") or "") for one in messages).encode().split(b"\n")
        except (ProviderError, ValueError, AttributeError, TypeError):
            return None
        return tuple(lines[-KEPT_LINES:]) or None

    async def ai_summary(self, build_slug: str) -> str | None:
        """Bitrise's own summary of why a build failed; None where the project has it not switched on."""
        try:
            reply = await self._api.read(path_of("builds", build_slug, "ai-summary"))
        except (NotFound, NoAccess, Refused):
            return None
        words = words_in(reply.body)
        return redact(words) if words else None

    @asynccontextmanager
    async def raw_log(self, app_slug: str, build_slug: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The whole archived log as it comes. Raises NoLog where it is not archived."""
        log = await self.log(app_slug, build_slug)
        if log.raw_url is None:
            raise NoLog("the log is not archived yet")
        async with self._downloads.open(log.raw_url) as chunks:
            yield chunks

    def artifacts(self, app_slug: str, build_slug: str, *, limit: int = 50) -> Listing[Artifact]:
        """The files that a build left behind."""
        return Listing(
            self._api,
            path_of("apps", app_slug, "builds", build_slug, "artifacts"),
            {"limit": str(limit)},
            model=ArtifactItem,
            convert=ArtifactItem.as_artifact,
        )

    async def artifact(self, app_slug: str, build_slug: str, artifact_slug: str) -> ArtifactLinks:
        """One artifact with its links; the download lives ten minutes."""
        path = path_of("apps", app_slug, "builds", build_slug, "artifacts", artifact_slug)
        return read_one(ArtifactItem, (await self._api.read(path)).body).as_artifact()

    async def set_public_page(
        self, app_slug: str, build_slug: str, artifact_slug: str, *, enabled: bool
    ) -> ArtifactLinks:
        """Make an artifact's install page public, or not."""
        path = path_of("apps", app_slug, "builds", build_slug, "artifacts", artifact_slug)
        reply = await self._api.change("PATCH", path, {"is_public_page_enabled": enabled})
        return read_one(ArtifactItem, reply.body).as_artifact()

    async def abort(self, app_slug: str, build_slug: str, order: AbortOrder) -> None:
        """Abort a build. Raises BuildAlreadyFinished where it has ended, AnswerLost where nobody knows."""
        path = path_of("apps", app_slug, "builds", build_slug)
        try:
            await self._api.change("POST", path + "/abort", order.body())
        except AnswerLost:
            build = await self.build(app_slug, build_slug)
            if not build.state.aborted:
                raise
        except Refused as refusal:
            # only its words tell this refusal from others: "Build already finished, can't abort it." (seed documents)
            if "already" in (refusal.words or "").lower():
                raise BuildAlreadyFinished(refusal.words) from refusal
            raise

    async def trigger(self, app_slug: str, params: TriggerParams) -> list[Started]:
        """Start a build; never asked twice. Raises AnswerLost where it may have started and can't be found.

        After a lost answer a running build with the same parameters is taken for the one that was asked for.
        """
        body = params.body()
        asked_at = self._clock()
        try:
            reply = await self._api.change("POST", path_of("apps", app_slug, "builds"), body)
        except AnswerLost:
            if (found := await self._find(app_slug, body["build_params"], asked_at)) is not None:
                return [found]
            raise
        return started_by(reply.body)

    async def pipelines(self, app_slug: str, *, number: int | None = None) -> list[str]:
        """The ids of the app's latest pipelines, newest first; with a number of those that have it.

        The list holds builds outside of pipelines, too, which are left out (API v0.1, "pipeline-list").
        """
        params = {"build_number": str(number)} if number is not None else {}
        reply = await self._api.read(path_of("apps", app_slug, "pipelines"), params)
        items, _ = read_many(PipelineItem, reply.body)
        return [
            item.slug
            for item in items
            if item.is_pipeline and (number is None or item.build_number in (None, number))
        ]

    async def pipeline(self, app_slug: str, pipeline_id: str) -> Pipeline:
        """One pipeline's current attempt."""
        reply = await self._api.read(path_of("apps", app_slug, "pipelines", pipeline_id))
        return read_one(PipelineShow, reply.body).as_pipeline(app_slug)

    async def abort_pipeline(self, app_slug: str, pipeline_id: str, order: AbortOrder) -> None:
        """Abort a pipeline with all its workflows. Raises AnswerLost where nobody knows, and ProviderError."""
        path = path_of("apps", app_slug, "pipelines", pipeline_id)
        body = {name: value for name, value in order.body().items() if name != "skip_git_status_report"}
        try:
            await self._api.change("POST", path + "/abort", body)
        except AnswerLost:
            if not (await self.pipeline(app_slug, pipeline_id)).state.aborted:
                raise

    async def rebuild_pipeline(
        self, app_slug: str, pipeline_id: str, *, failed_only: bool, by: str | None
    ) -> None:
        """Make a new attempt of a pipeline: of all of it, or of what did not succeed and what comes after that."""
        body: dict[str, Any] = {"partial": failed_only} | ({"triggered_by": by} if by else {})
        await self._api.change("POST", path_of("apps", app_slug, "pipelines", pipeline_id) + "/rebuild", body)

    async def build_requests(self, app_slug: str) -> list[BuildRequest]:
        """The app's builds that wait for somebody's approval; the list has no pages."""
        reply = await self._api.read(path_of("apps", app_slug, "build-requests"))
        items, _ = read_many(BuildRequestItem, reply.body)
        return [item.as_request(app_slug) for item in items]

    async def decide_request(self, app_slug: str, request_slug: str, *, approved: bool) -> BuildRequest:
        """Let the build be started, or not. Raises NotFound where it waits no longer, and ProviderError."""
        path = path_of("apps", app_slug, "build-requests", request_slug)
        reply = await self._api.change("PATCH", path, {"is_approved": approved})
        return read_one(BuildRequestItem, reply.body).as_request(app_slug)

    async def branches(self, app_slug: str) -> list[str]:
        """The branches that have builds."""
        return _texts((await self._api.read(path_of("apps", app_slug, "branches"))).body)

    async def workflows(self, app_slug: str) -> list[str]:
        """The workflows that were ever triggered."""
        return _texts((await self._api.read(path_of("apps", app_slug, "build-workflows"))).body)

    async def app_yml(self, app_slug: str) -> str:
        """The app's bitrise.yml as text."""
        return _yml(await self._api.read(path_of("apps", app_slug, "bitrise.yml")))

    async def build_yml(self, app_slug: str, build_slug: str) -> str:
        """The bitrise.yml that a build ran with, as text."""
        return _yml(await self._api.read(path_of("apps", app_slug, "builds", build_slug, "bitrise.yml")))

    async def validate_yml(self, app_slug: str, text: str) -> YmlVerdict | None:
        """What Bitrise finds wrong with a bitrise.yml; None where it does not check it ("validate-bitrise-yml")."""
        path = f"/validate-bitrise-yml?app_slug={quote(app_slug, safe='')}"
        try:
            reply = await self._api.change("POST", path, {"bitrise_yml": text})
        except Refused as refusal:
            return YmlVerdict(errors=(refusal.words or "Bitrise does not say what is wrong.",))
        except ProviderError:
            return None
        return verdict_in(reply.body)

    async def buildables(self, app_slug: str) -> Buildables:
        """The workflows and pipelines of the app's bitrise.yml: the truthful list, but not every token may read it."""
        text = await self.app_yml(app_slug)
        return await asyncio.to_thread(buildables_in, text)

    async def _find(self, app_slug: str, params: dict[str, Any], asked_at: datetime) -> Started | None:
        query = BuildQuery(status=0, after=asked_at - SKEW)
        async for page in self.builds(app_slug, query).pages():
            for build in page.items:
                if build.params == params and build.state in (State.ON_HOLD, State.RUNNING):
                    return Started(
                        build_slug=build.slug,
                        number=build.number,
                        url=build.url,
                        workflow=build.workflow,
                        found_after_lost_answer=True,
                    )
            break
        return None


class _Apps(Listing[App]):
    """The token's apps: `/apps` today, `/me/apps` where a server knows only the older path (seed documents)."""

    def __init__(self, api: Api, limit: int) -> None:
        def at(path: str) -> Listing[App]:
            return Listing(api, path, {"limit": str(limit)}, model=AppItem, convert=AppItem.as_app)

        self._today, self._older = at("/apps"), at("/me/apps")

    async def pages(self, start: str | None = None) -> AsyncIterator[Any]:
        """The pages, from whichever path the server knows."""
        begun = False
        try:
            async for page in self._today.pages(start):
                begun = True
                yield page
        except NotFound:
            if begun:
                raise
            async for page in self._older.pages(start):
                yield page


def _from_chunks(log: Log, most: int) -> LogTail:
    text = log.text[-most:]
    return LogTail(
        text=readable(text),
        framed=redact(plain_text(text)),
        complete=log.archived and log.from_the_start and not log.gaps and text == log.text,
        still_growing=not log.archived,
        gaps=log.gaps,
        whole_url=log.raw_url,
    )


def _yml(reply: Reply) -> str:
    if len(reply.body) > MOST_YML:
        raise NotUnderstood("the bitrise.yml is too long")
    return reply.body.decode("utf-8", "replace")


def _texts(body: bytes) -> list[str]:
    try:
        content = json.loads(body)
    except ValueError as error:
        raise NotUnderstood("it is no JSON") from error
    data = content.get("data") if isinstance(content, dict) else None
    if not isinstance(data, list):
        raise NotUnderstood("it is no list")
    return [one for one in data if isinstance(one, str) and one]
