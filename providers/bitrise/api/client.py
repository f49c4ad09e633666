"""Bitrise's API v0.1, typed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from domain.build import App, Build, BuildState
from domain.errors import Forbidden, NotFound, RequestRejected, ResponseLost
from domain.provider import Provider
from providers.bitrise.api.config import ConfigurationApi
from providers.bitrise.api.connection import path_of
from providers.bitrise.api.errors import BuildAlreadyFinished
from providers.bitrise.api.logs import LogsApi
from providers.bitrise.api.models import (
    AppItem,
    Artifact,
    ArtifactItem,
    ArtifactLinks,
    BuildItem,
    CurrentUser,
    read_one,
)
from providers.bitrise.api.pagination import PageIterator
from providers.bitrise.api.pipelines import PipelinesApi
from providers.bitrise.api.requests import AbortRequest, BuildListParams, TriggeredBuild, TriggerRequest
from providers.bitrise.api.trigger_response import parse_started_builds
from providers.http.api_client import ApiClient
from providers.http.field_parsing import parse_json

# Our clock and Bitrise's need not agree on when a build was asked for.
SKEW = timedelta(minutes=2)


class BitriseClient(LogsApi, PipelinesApi, ConfigurationApi):
    """A client under somebody's credentials. Every method raises ProviderError."""

    async def root(self, *, versioned: bool = True) -> dict[str, Any]:
        """What the API says of itself, at its version's address or at the host's; needs no token ("Root URLs")."""
        path = "" if versioned else self._open_api.root_url()
        content = parse_json((await self._open_api.read(path)).body or b"{}", provider=Provider.BITRISE)
        return content if isinstance(content, dict) else {}

    async def me(self) -> CurrentUser:
        """Whose token it is."""
        return read_one(CurrentUser, (await self._api.read("/me")).body, of="user")

    async def probe(self) -> None:
        """Ask for next to nothing, once, to see whether the API answers under this token. Raises ProviderError."""
        with suppress(NotFound, Forbidden):  # not every token may list all builds, but that is an answer
            await self._api.read("/builds", {"limit": "1"}, most_tries=1)

    def apps(self, *, limit: int = 50) -> PageIterator[App]:
        """The apps that the token sees."""
        return _Apps(self._api, limit)

    async def app(self, slug: str) -> App:
        """One app."""
        return read_one(AppItem, (await self._api.read(path_of("apps", slug))).body, of="app").as_app()

    def builds(
        self, app_slug: str, query: BuildListParams | None = None, *, limit: int = 50
    ) -> PageIterator[Build]:
        """An app's builds, newest first unless the query sorts otherwise."""
        return PageIterator(
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
    ) -> PageIterator[Build]:
        """The builds of all apps that the token sees; those that don't say which app are only counted."""
        params = {"limit": str(limit)}
        if status is not None:
            params["status"] = str(status)
        if on_hold is not None:
            params["is_on_hold"] = str(on_hold).lower()
        if owner_slug is not None:
            params["owner_slug"] = owner_slug
        return PageIterator(
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
        item = read_one(BuildItem, (await self._api.read(path)).body, of="build")
        return item.as_build(app_slug, self._abort_rules)

    def artifacts(self, app_slug: str, build_slug: str, *, limit: int = 50) -> PageIterator[Artifact]:
        """The files that a build left behind."""
        return PageIterator(
            self._api,
            path_of("apps", app_slug, "builds", build_slug, "artifacts"),
            {"limit": str(limit)},
            model=ArtifactItem,
            convert=ArtifactItem.as_artifact,
        )

    async def artifact(self, app_slug: str, build_slug: str, artifact_slug: str) -> ArtifactLinks:
        """One artifact with its links; the download lives ten minutes."""
        path = path_of("apps", app_slug, "builds", build_slug, "artifacts", artifact_slug)
        return read_one(ArtifactItem, (await self._api.read(path)).body, of="artifact").as_artifact()

    async def set_public_page(
        self, app_slug: str, build_slug: str, artifact_slug: str, *, enabled: bool
    ) -> ArtifactLinks:
        """Make an artifact's install page public, or not."""
        path = path_of("apps", app_slug, "builds", build_slug, "artifacts", artifact_slug)
        reply = await self._api.change("PATCH", path, {"is_public_page_enabled": enabled})
        return read_one(ArtifactItem, reply.body, of="artifact").as_artifact()

    async def abort(self, app_slug: str, build_slug: str, order: AbortRequest) -> None:
        """Abort a build. Raises BuildAlreadyFinished where it has ended, ResponseLost where nobody knows."""
        path = path_of("apps", app_slug, "builds", build_slug)
        try:
            await self._api.change("POST", path + "/abort", order.body())
        except ResponseLost:
            build = await self.build(app_slug, build_slug)
            if not build.state.aborted:
                raise
        except RequestRejected as refusal:
            # only its words tell this refusal from others: "Build already finished, can't abort it." (seed documents)
            if "already" in (refusal.words or "").lower():
                raise BuildAlreadyFinished(refusal.words) from refusal
            raise

    async def trigger(self, app_slug: str, params: TriggerRequest) -> list[TriggeredBuild]:
        """Start a build; never asked twice. Raises ResponseLost where it may have started and can't be found.

        After a lost answer a running build with the same parameters is taken for the one that was asked for.
        """
        body = params.body()
        asked_at = self._clock()
        try:
            reply = await self._api.change("POST", path_of("apps", app_slug, "builds"), body)
        except ResponseLost:
            if (found := await self._find(app_slug, body["build_params"], asked_at)) is not None:
                return [found]
            raise
        return parse_started_builds(reply.body)

    async def _find(self, app_slug: str, params: dict[str, Any], asked_at: datetime) -> TriggeredBuild | None:
        query = BuildListParams(status=0, after=asked_at - SKEW)
        async for page in self.builds(app_slug, query).pages():
            for build in page.items:
                if build.params == params and build.state in (BuildState.ON_HOLD, BuildState.RUNNING):
                    return TriggeredBuild(
                        build_slug=build.slug,
                        number=build.number,
                        url=build.url,
                        workflow=build.workflow,
                        found_after_lost_answer=True,
                    )
            break
        return None


class _Apps(PageIterator[App]):
    """The token's apps: `/apps` today, `/me/apps` where a server knows only the older path (seed documents)."""

    def __init__(self, api: ApiClient, limit: int) -> None:
        def at(path: str) -> PageIterator[App]:
            return PageIterator(api, path, {"limit": str(limit)}, model=AppItem, convert=AppItem.as_app)

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
