"""A build beside the last success of its workflow and branch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from domain.build import App, Build, BuildState
from domain.errors import ProviderError
from domain.log.build_diff import compare_builds
from domain.log.log_parser import Step
from providers.bitrise.api.access import own_client, reading_client
from providers.bitrise.api.requests import BuildListParams
from providers.bitrise.builds import diff_messages
from providers.bitrise.logs.log_limits import TooManyLogs
from providers.bitrise.state import state_of
from services.request.context import Reply, RequestContext
from services.worker_processes.pool import WorkFailed

TITLE = "Comparison"
_SUCCESS = 1


async def compare(app: App, build: Build, context: RequestContext) -> Reply:
    """What is otherwise in this build than in the last success before it."""
    success = await _last_success(build, context)
    if success is None:
        return Reply(diff_messages.no_successful_build(build, app), title=TITLE)
    now, then = await asyncio.gather(_steps(app, build, context), _steps(app, success, context))
    found = compare_builds(app, build, success, steps=now, success_steps=then)
    return Reply(diff_messages.build_comparison(app, found), title=TITLE)


async def _last_success(build: Build, context: RequestContext) -> Build | None:
    query = BuildListParams(
        status=_SUCCESS, branch=build.branch, workflow=build.workflow, before=build.triggered_at
    )
    async for page in reading_client(context).builds(build.app_slug, query).pages():
        # checked, since a server that does not know the filters would answer with any builds
        like = (build.workflow, build.branch, BuildState.SUCCEEDED)
        return next(
            (
                one
                for one in page.items
                if (one.workflow, one.branch, one.state) == like and one.slug != build.slug
            ),
            None,
        )
    return None


async def _steps(app: App, build: Build, context: RequestContext) -> Sequence[Step]:
    """The build's steps; none where nobody can say."""
    bitrise = own_client(context)  # a log holds what not everybody may see
    try:
        if told := await bitrise.steps(app.slug, build.slug):
            return told
        with state_of(context).log_read_limit.reserve(context.team, context.person):
            return (await bitrise.read_log(app.slug, build.slug)).reading.steps
    except (ProviderError, TooManyLogs, WorkFailed):
        return ()
