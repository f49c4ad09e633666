"""Questions about builds."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TypeVar

from domain.build import App, Build, BuildState
from domain.build_filter import BuildFilter, BuildTriggerEvent, GlobPatterns
from domain.commands.shared_commands import ListBuilds, ShowBuild, Status
from domain.message import Message
from messages import build_card
from messages.build_card import ROWS_WITH_BUTTONS
from providers.bitrise.api.requests import BuildQuery
from services.request.context import Reply, RequestContext
from services.request.finder import find_app, find_build

T = TypeVar("T")

PAGE = 10
# A filter that hardly any build passes must not make one answer read an app's whole history.
MOST_PAGES = 10

# Bitrise's numbers for the states (API v0.1, "GET /apps/{APP-SLUG}/builds").
_NUMBERS = {
    BuildState.ON_HOLD: 0,
    BuildState.RUNNING: 0,
    BuildState.SUCCEEDED: 1,
    BuildState.FAILED: 2,
    BuildState.ABORTED: 3,
    BuildState.ABORTED_WITH_SUCCESS: 4,
}


async def status(command: Status, context: RequestContext) -> Reply:
    """What runs now, and how each branch last ended, from the newest fifty builds."""
    return Reply(await app_card(await find_app(context, command.app), context))


async def app_card(app: App, context: RequestContext) -> Message:
    """An app: what runs now, how each branch last ended, and what can be done with it."""
    running: list[Build] = []
    last: dict[str, Build] = {}
    async for page in context.bitrise.builds(app.slug, BuildQuery(sort_by="running_first")).pages():
        for build in page.items:
            if not build.ended:
                running.append(build)
            else:
                last.setdefault(build.branch or build.tag or "", build)
        break
    usual = await context.services.usual_times.of_each(running[:ROWS_WITH_BUTTONS])
    return build_card.status(
        app,
        running=running,
        last_by_branch=list(last.values()),
        now=context.now_at(app.provider),
        usual=usual,
    )


async def show(command: ShowBuild, context: RequestContext) -> Reply:
    """One build's card."""
    return Reply(await card(*await find_build(context, command.app, command.build), context))


async def card(app: App, build: Build, context: RequestContext) -> Message:
    """The build's card, with its progress while it runs, and what this channel may want it deployed to."""
    usual = await context.services.usual_times.of(build)
    ties = await context.storage.ties.of_app(context.channel, app.slug) if context.channel else []
    return build_card.build_card(build, app, now=context.now_at(app.provider), usual=usual, ties=ties)


async def list_builds(command: ListBuilds, context: RequestContext, *, start: str | None = None) -> Reply:
    """A page of an app's builds, from the build that `start` names on."""
    app = await find_app(context, command.app)
    now = context.now_at(app.provider)
    query = as_query(
        command.filter,
        after=command.since.resolve(now) if command.since else None,
        before=command.until.resolve(now) if command.until else None,
    )
    found: list[Build] = []
    pages, next_ = 0, None
    async for page in context.bitrise.builds(app.slug, query, limit=PAGE).pages(start):
        found += (build for build in page.items if command.filter.match(build))
        pages, next_ = pages + 1, page.next
        if len(found) * 2 >= PAGE or pages == MOST_PAGES:
            break
    return Reply(build_card.build_list(app, found, command=command, next=next_, now=now))


def as_query(wanted: BuildFilter, *, after: datetime | None, before: datetime | None) -> BuildQuery:
    """As much of the filter as Bitrise can apply by itself; the rest is left to `wanted.match`."""
    numbers = {_NUMBERS.get(state) for state in wanted.states}
    event = (
        _only(wanted.events - {BuildTriggerEvent.OTHER})
        if BuildTriggerEvent.OTHER not in wanted.events
        else None
    )
    pull_request = _only(wanted.pull_requests)
    if pull_request is not None:
        # works only together with this event (API v0.1, "Filtering parameters for build list")
        event = BuildTriggerEvent.PULL_REQUEST
    return BuildQuery(
        status=_only(numbers),
        branch=_literal(wanted.branch),
        workflow=_literal(wanted.workflow),
        trigger_event_type=event,
        pull_request_id=pull_request,
        after=after,
        before=before,
    )


def _only(values: Collection[T]) -> T | None:
    return next(iter(values)) if len(values) == 1 else None


def _literal(patterns: GlobPatterns) -> str | None:
    """The one text that the patterns ask for; None where they are globs or several."""
    if len(patterns.include) != 1 or set(patterns.include[0]) & set("*?["):
        return None
    return patterns.include[0]
