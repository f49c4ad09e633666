"""Preparation of Bitrise's actions: fetches what access rules need with the requester's account."""

from __future__ import annotations

from providers.bitrise.actions import DecideBuildRequestAction, RebuildBuildAction, SetPublicInstallPageAction
from providers.bitrise.api.access import own_client
from services.request.context import RequestContext


async def fetch_build_params(action: RebuildBuildAction, context: RequestContext) -> RebuildBuildAction:
    """Return the action with the parameters that started its build. Raises ProviderError."""
    if action.params is not None:
        return action
    return RebuildBuildAction.of_build(
        action.app, await own_client(context).build(action.app.slug, action.build.slug)
    )


async def fetch_artifact_title(
    action: SetPublicInstallPageAction, context: RequestContext
) -> SetPublicInstallPageAction:
    """Return the action with its artifact's title. Raises ProviderError."""
    if action.title is not None:
        return action
    artifact = await own_client(context).artifact(action.app.slug, action.build.slug, action.artifact)
    return action.model_copy(update={"title": artifact.title})


async def fetch_build_request(
    action: DecideBuildRequestAction, context: RequestContext
) -> DecideBuildRequestAction:
    """Return the action with what Bitrise reports about the waiting build. Raises ProviderError."""
    waiting = await own_client(context).build_requests(action.app.slug)
    return action.with_request(next((request for request in waiting if request.slug == action.request), None))
