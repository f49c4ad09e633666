"""Bitrise's implementation of the build client that all providers share."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

from domain.build import Build, BuildState
from domain.build_filter import BuildTriggerEvent
from domain.provider_client import NO_STATES, BuildQuery
from providers.bitrise.api.client import BitriseClient
from providers.bitrise.api.pagination import PageIterator
from providers.bitrise.api.requests import BuildListParams

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
