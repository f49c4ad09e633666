"""Comparison of a build with the last success of its workflow and branch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from domain.build import App, Build, BuildState
from domain.build_diff import compare_builds
from domain.log.log_parser import Step
from domain.provider_errors import ProviderError
from providers.bitrise.api.access import own_client, reading_client
from providers.bitrise.api.requests import BuildListParams
from providers.bitrise.builds import messages
from providers.bitrise.state import TooManyLogs, state_of
from services.request.context import Reply, RequestContext
from services.worker_processes.pool import WorkFailed

TITLE = "Comparison"
_SUCCESS = 1


async def compare(app: App, build: Build, context: RequestContext) -> Reply:
    """Compare this build with the last success before it."""
    success = await _find_last_success(build, context)
    if success is None:
        return Reply(messages.no_successful_build(build, app), title=TITLE)
    steps, success_steps = await asyncio.gather(
        _fetch_steps(app, build, context), _fetch_steps(app, success, context)
    )
    diff = compare_builds(app, build, success, steps=steps, success_steps=success_steps)
    return Reply(messages.build_comparison(app, diff), title=TITLE)


async def _find_last_success(build: Build, context: RequestContext) -> Build | None:
    query = BuildListParams(
        status=_SUCCESS, branch=build.branch, workflow=build.workflow, before=build.triggered_at
    )
    async for page in reading_client(context).builds(build.app_slug, query).pages():
        # Checked here too: a server that does not support the filters would return any builds.
        expected = (build.workflow, build.branch, BuildState.SUCCEEDED)
        return next(
            (
                listed
                for listed in page.items
                if (listed.workflow, listed.branch, listed.state) == expected and listed.slug != build.slug
            ),
            None,
        )
    return None


async def _fetch_steps(app: App, build: Build, context: RequestContext) -> Sequence[Step]:
    """Return the build's steps; empty if they cannot be read."""
    bitrise = own_client(context)  # not everyone may read a log
    try:
        if steps := await bitrise.steps(app.slug, build.slug):
            return steps
        with state_of(context).log_read_limit.reserve(context.team, context.person):
            return (await bitrise.read_log(app.slug, build.slug)).reading.steps
    except (ProviderError, TooManyLogs, WorkFailed):
        return ()
