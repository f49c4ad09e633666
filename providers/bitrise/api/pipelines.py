"""Endpoints for pipelines, and for builds that wait for approval."""

from __future__ import annotations

from typing import Any

from domain.build import BuildRequest
from domain.pipeline import Pipeline
from domain.provider_errors import ResponseLost
from providers.bitrise.api.connection import Connection, path_of
from providers.bitrise.api.models import BuildRequestItem, read_many, read_one
from providers.bitrise.api.pipeline_models import PipelineItem, PipelineShow
from providers.bitrise.api.requests import AbortRequest


class PipelinesApi(Connection):
    """Endpoints for pipelines, and for builds that wait for approval. Every method raises ProviderError."""

    async def pipelines(
        self, app_slug: str, *, number: int | None = None, limit: int | None = None
    ) -> list[str]:
        """List the ids of the app's latest pipelines, newest first; with `number`, of those that have it.

        The response also contains builds outside of pipelines, which are left out (API v0.1, "pipeline-list"). It has
        `limit` entries, by default ten.
        """
        query = {"build_number": number, "limit": limit}
        params = {name: str(value) for name, value in query.items() if value is not None}
        reply = await self._api.read(path_of("apps", app_slug, "pipelines"), params)
        items, _ = read_many(PipelineItem, reply.body)
        return [
            item.slug
            for item in items
            if item.is_pipeline and (number is None or item.build_number in (None, number))
        ]

    async def pipeline(self, app_slug: str, pipeline_id: str) -> Pipeline:
        """Return a pipeline's current attempt."""
        reply = await self._api.read(path_of("apps", app_slug, "pipelines", pipeline_id))
        return read_one(PipelineShow, reply.body, of="pipeline").as_pipeline(app_slug)

    async def abort_pipeline(self, app_slug: str, pipeline_id: str, order: AbortRequest) -> None:
        """Abort a pipeline with all its workflows. Raises ResponseLost if the outcome is unknown, and ProviderError."""
        path = path_of("apps", app_slug, "pipelines", pipeline_id)
        try:
            await self._api.change("POST", path + "/abort", order.pipeline_body())
        except ResponseLost:
            if not (await self.pipeline(app_slug, pipeline_id)).state.aborted:
                raise

    async def rebuild_pipeline(
        self, app_slug: str, pipeline_id: str, *, failed_only: bool, by: str | None
    ) -> None:
        """Start a new attempt of a pipeline: the whole of it, or what did not succeed and what follows that."""
        body: dict[str, Any] = {"partial": failed_only} | ({"triggered_by": by} if by else {})
        await self._api.change("POST", path_of("apps", app_slug, "pipelines", pipeline_id) + "/rebuild", body)

    async def build_requests(self, app_slug: str) -> list[BuildRequest]:
        """List the app's builds that wait for approval; the list has no pages."""
        reply = await self._api.read(path_of("apps", app_slug, "build-requests"))
        items, _ = read_many(BuildRequestItem, reply.body)
        return [item.as_request(app_slug) for item in items]

    async def decide_request(self, app_slug: str, request_slug: str, *, approved: bool) -> BuildRequest:
        """Approve or decline a build request. Raises NotFound if it waits no longer, and ProviderError."""
        path = path_of("apps", app_slug, "build-requests", request_slug)
        reply = await self._api.change("PATCH", path, {"is_approved": approved})
        return read_one(BuildRequestItem, reply.body, of="build request").as_request(app_slug)
