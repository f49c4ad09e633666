"""The typed client for Bitrise's API v0.1, and the build client that all providers share on top of it."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

from domain.build import App, Build, BuildState
from domain.build_filter import BuildTriggerEvent
from domain.provider_client import NO_STATES, BuildQuery
from domain.provider_errors import Forbidden, NotFound, RequestRejected, ResponseLost
from providers.bitrise.api.config import ConfigurationApi
from providers.bitrise.api.connection import BuildAlreadyFinished, path_of
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
from providers.bitrise.api.pagination import Page, PageIterator
from providers.bitrise.api.pipelines import PipelinesApi
from providers.bitrise.api.requests import (
    AbortRequest,
    BuildListParams,
    TriggeredBuild,
    TriggerRequest,
    parse_started_builds,
)
from providers.bitrise.provider import BITRISE
from providers.http.api_client import ApiClient
from providers.http.field_parsing import parse_json

# Our clock and Bitrise's may differ about when a build was triggered.
SKEW = timedelta(minutes=2)


class BitriseClient(LogsApi, PipelinesApi, ConfigurationApi):
    """A client with one set of credentials. Every method raises ProviderError."""

    async def root(self, *, versioned: bool = True) -> dict[str, Any]:
        """Return the API's description of itself, at the version's or the host's root; needs no token ("Root URLs")."""
        path = "" if versioned else self._open_api.root_url()
        content = parse_json((await self._open_api.read(path)).body or b"{}", provider=BITRISE)
        return content if isinstance(content, dict) else {}

    async def me(self) -> CurrentUser:
        """Return the owner of the token."""
        return read_one(CurrentUser, (await self._api.read("/me")).body, of="user")

    async def probe(self) -> None:
        """Send one minimal request to check that the API accepts this token.

        Raises ProviderError; NotFound if the URL leads to no such API.
        """
        with suppress(Forbidden):  # not every token may do this, but the API has answered
            try:
                await self._api.read("/builds", {"limit": "1"}, max_tries=1)
            except NotFound:  # not every server has a list of all builds
                await self._api.read("/me", max_tries=1)

    def apps(self, *, limit: int = 50) -> PageIterator[App]:
        """List the apps that the token can see."""
        return _Apps(self._api, limit)

    async def app(self, slug: str) -> App:
        """Return one app."""
        return read_one(AppItem, (await self._api.read(path_of("apps", slug))).body, of="app").as_app()

    def builds(
        self, app_slug: str, query: BuildListParams | None = None, *, limit: int = 50
    ) -> PageIterator[Build]:
        """List an app's builds, newest first unless the query sorts otherwise."""
        return PageIterator(
            self._api,
            path_of("apps", app_slug, "builds"),
            {"limit": str(limit)} | (query.params() if query else {}),
            model=BuildItem,
            convert=lambda item: item.as_build(app_slug, self._abort_rules),
        )

    def all_builds(self, *, status: int | None = None, limit: int = 50) -> PageIterator[Build]:
        """List the builds of all apps that the token can see; builds that name no app are only counted."""
        params = {"limit": str(limit)}
        if status is not None:
            params["status"] = str(status)
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
        """Return one build."""
        path = path_of("apps", app_slug, "builds", build_slug)
        item = read_one(BuildItem, (await self._api.read(path)).body, of="build")
        return item.as_build(app_slug, self._abort_rules)

    def artifacts(self, app_slug: str, build_slug: str, *, limit: int = 50) -> PageIterator[Artifact]:
        """List a build's artifacts."""
        return PageIterator(
            self._api,
            path_of("apps", app_slug, "builds", build_slug, "artifacts"),
            {"limit": str(limit)},
            model=ArtifactItem,
            convert=ArtifactItem.as_artifact,
        )

    async def artifact(self, app_slug: str, build_slug: str, artifact_slug: str) -> ArtifactLinks:
        """Return one artifact with its links; the download link expires after ten minutes."""
        path = path_of("apps", app_slug, "builds", build_slug, "artifacts", artifact_slug)
        return read_one(ArtifactItem, (await self._api.read(path)).body, of="artifact").as_artifact()

    async def set_public_page(
        self, app_slug: str, build_slug: str, artifact_slug: str, *, enabled: bool
    ) -> ArtifactLinks:
        """Make an artifact's install page public or private."""
        path = path_of("apps", app_slug, "builds", build_slug, "artifacts", artifact_slug)
        reply = await self._api.change("PATCH", path, {"is_public_page_enabled": enabled})
        return read_one(ArtifactItem, reply.body, of="artifact").as_artifact()

    async def abort(self, app_slug: str, build_slug: str, order: AbortRequest) -> None:
        """Abort a build. Raises BuildAlreadyFinished if it has ended, ResponseLost if the outcome is unknown."""
        path = path_of("apps", app_slug, "builds", build_slug)
        try:
            await self._api.change("POST", path + "/abort", order.body())
        except ResponseLost:
            build = await self.build(app_slug, build_slug)
            if not build.state.aborted:
                raise
        except RequestRejected as refusal:
            # only the message identifies this error: "Build already finished, can't abort it." (seed documents)
            if "already" in (refusal.words or "").lower():
                raise BuildAlreadyFinished(refusal.words) from refusal
            raise

    async def trigger(self, app_slug: str, params: TriggerRequest) -> list[TriggeredBuild]:
        """Start a build, without retries. Raises ResponseLost if it may have started and can't be found.

        After a lost response, a new build with the same parameters that has not ended is taken for the requested one.
        """
        body = params.body()
        requested_at = self._clock()
        try:
            reply = await self._api.change("POST", path_of("apps", app_slug, "builds"), body)
        except ResponseLost:
            if (
                build := await self._find_triggered_build(app_slug, body["build_params"], requested_at)
            ) is not None:
                return [build]
            raise
        return parse_started_builds(reply.body)

    async def _find_triggered_build(
        self, app_slug: str, params: dict[str, Any], requested_at: datetime
    ) -> TriggeredBuild | None:
        query = BuildListParams(status=0, after=requested_at - SKEW)
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


_OLDER_PATH = "/me/apps"


class _Apps(PageIterator[App]):
    """The token's apps: from `/apps`, or from `/me/apps` if the server only has the older path (seed documents)."""

    def __init__(self, api: ApiClient, limit: int) -> None:
        super().__init__(api, "/apps", {"limit": str(limit)}, model=AppItem, convert=AppItem.as_app)

    async def page(self, start: str | None = None) -> Page[App]:
        """Read one page from the path that the server has."""
        try:
            return await super().page(start)
        except NotFound:
            if start is not None or self._path == _OLDER_PATH:
                raise
            self._path = _OLDER_PATH
            return await super().page()


T = TypeVar("T")

# Bitrise's numbers for the states (API v0.1, "GET /apps/{APP-SLUG}/builds").
_STATUS_NUMBERS = {
    BuildState.ON_HOLD: 0,
    BuildState.RUNNING: 0,
    BuildState.SUCCEEDED: 1,
    BuildState.FAILED: 2,
    BuildState.ABORTED: 3,
    BuildState.ABORTED_WITH_SUCCESS: 4,
}


class BitriseBuilds:
    """A `BuildClient` over Bitrise's API. Every method raises ProviderError."""

    def __init__(self, client: BitriseClient) -> None:
        self._client = client

    def builds(
        self, app_slug: str, query: BuildQuery | None = None, *, limit: int = 50
    ) -> PageIterator[Build]:
        """List an app's builds, newest first unless the query sorts otherwise."""
        params = list_params(query) if query is not None else None
        return self._client.builds(app_slug, params, limit=limit)

    def all_builds(
        self, *, states: frozenset[BuildState] = NO_STATES, limit: int = 50
    ) -> PageIterator[Build]:
        """List the builds of all apps that the token can see; not every server or token allows it."""
        return self._client.all_builds(status=status_number(states), limit=limit)

    async def build(self, app_slug: str, build_slug: str) -> Build:
        """Return one build. Raises NotFound."""
        return await self._client.build(app_slug, build_slug)


def list_params(query: BuildQuery) -> BuildListParams:
    """Return the parameters for the part of the query that Bitrise can apply."""
    event = _single_value(query.events) if BuildTriggerEvent.OTHER not in query.events else None
    if query.pull_request is not None:
        # works only together with this event (API v0.1, "Filtering parameters for build list")
        event = BuildTriggerEvent.PULL_REQUEST
    return BuildListParams(
        status=status_number(query.states),
        branch=query.branch,
        workflow=query.workflow,
        trigger_event_type=event,
        pull_request_id=query.pull_request,
        build_number=query.number,
        after=query.after,
        before=query.before,
        sort_by="running_first" if query.running_first else None,
    )


def status_number(states: Collection[BuildState]) -> int | None:
    """Return Bitrise's number for the states; None if there is no single one."""
    return _single_value({_STATUS_NUMBERS.get(state) for state in states})


def _single_value(values: Collection[T]) -> T | None:
    return next(iter(values)) if len(values) == 1 else None
