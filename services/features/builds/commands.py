"""Commands about builds."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import TypeVar

from domain.build import App, Build
from domain.build_filter import BuildFilter, GlobPatterns
from domain.commands.shared_commands import ListBuilds, ShowBuild, ShowStatus
from domain.message import Message
from domain.provider import Provider
from domain.provider_client import BuildQuery
from messages import build_card
from messages.build_card import ROWS_WITH_BUTTONS
from messages.kit.button_values import ListButton
from services.provider_spec import CommandSpec
from services.request.context import Reply, RequestContext
from services.request.finder import build_client, find_app, find_build

T = TypeVar("T")

PAGE = 10
# A filter that hardly any build passes must not make one answer read an app's whole history.
MAX_PAGES = 10


async def status(command: ShowStatus, context: RequestContext, provider: Provider) -> Reply:
    """Show running builds and the last result of each branch, from the newest fifty builds."""
    return Reply(await app_card(await find_app(context, command.app, provider), context))


async def app_card(app: App, context: RequestContext) -> Message:
    """Render an app: running builds, the last result of each branch, and buttons."""
    running: list[Build] = []
    last: dict[str, Build] = {}
    builds = build_client(context, app.provider).builds(app.slug, BuildQuery(running_first=True))
    for build in (await builds.page()).items:
        if not build.ended:
            running.append(build)
        else:
            last.setdefault(build.branch or build.tag or "", build)
    estimate = await context.services.lookups.durations.estimate_each(running[:ROWS_WITH_BUTTONS])
    return build_card.app_status(
        app,
        presentation=context.services.registry.presentation_of(app.provider),
        running=running,
        last_by_branch=list(last.values()),
        now=context.provider_now(app.provider),
        usual_durations=estimate,
    )


async def show(command: ShowBuild, context: RequestContext, provider: Provider) -> Reply:
    """Show one build's card."""
    return Reply(await card(*await find_build(context, command.app, command.build, provider), context))


async def card(app: App, build: Build, context: RequestContext) -> Message:
    """Render the build's card, with its progress while it runs and the channel's deploy links."""
    estimate = await context.services.lookups.durations.estimate(build)
    deploy_links = (
        await context.storage.deploy_links.of_app(context.channel, app.slug) if context.channel else []
    )
    return build_card.build_card(
        build,
        app,
        presentation=context.services.registry.presentation_of(app.provider),
        now=context.provider_now(app.provider),
        usual_duration=estimate,
        deploy_links=deploy_links,
    )


async def list_builds(
    command: ListBuilds, context: RequestContext, provider: Provider, *, start: str | None = None
) -> Reply:
    """List a page of an app's builds, beginning with the build `start`."""
    app = await find_app(context, command.app, provider)
    now = context.provider_now(app.provider)
    query = query_of(
        command.filter,
        after=command.since.resolve(now) if command.since else None,
        before=command.until.resolve(now) if command.until else None,
    )
    matching: list[Build] = []
    pages, next_ = 0, None
    builds = build_client(context, app.provider).builds(app.slug, query, limit=PAGE)
    async with aclosing(builds.pages(start)) as listed_pages:
        async for page in listed_pages:
            matching += (build for build in page.items if command.filter.match(build))
            pages, next_ = pages + 1, page.next
            if len(matching) * 2 >= PAGE or pages == MAX_PAGES:
                break
    spec = context.services.registry.get(app.provider)
    line = spec.parser.format_line(command.model_copy(update={"app": app.slug}))
    older = ListButton(words=line, start=next_) if next_ is not None else None
    listed = build_card.build_list(
        app, matching, presentation=spec.presentation, command=command, older=older, now=now
    )
    return Reply(listed)


def query_of(build_filter: BuildFilter, *, after: datetime | None, before: datetime | None) -> BuildQuery:
    """Return as much of the filter as a provider can apply; the rest is left to `BuildFilter.match`."""
    return BuildQuery(
        states=build_filter.states,
        branch=_literal(build_filter.branch),
        workflow=_literal(build_filter.workflow),
        events=build_filter.events,
        pull_request=_single(build_filter.pull_requests),
        after=after,
        before=before,
    )


def _single(values: Collection[T]) -> T | None:
    return next(iter(values)) if len(values) == 1 else None


def _literal(patterns: GlobPatterns) -> str | None:
    """Return the one text that the patterns ask for; None where they are globs or several."""
    if len(patterns.include) != 1 or set(patterns.include[0]) & set("*?["):
        return None
    return patterns.include[0]


def build_commands(provider: Provider, *, app: str, filters: str) -> tuple[CommandSpec, ...]:
    """Return `status`, `builds` and `build`, for a provider that lists builds.

    The examples use `app`; `filters` says what the filters are.
    """
    states = "`status:failed,aborted` takes results: success, failed, aborted, aborted-with-success."
    times = "Times are UTC dates, or how long ago: `30m`, `2h`, `3d`, `1w`."
    return (
        CommandSpec(
            ShowStatus,
            "status",
            "Show running builds and the latest result of each branch.",
            ("status", f"status {app}"),
            handler=partial(status, provider=provider),
            read_only=True,
            open_to_external_users=True,
        ),
        CommandSpec(
            ListBuilds,
            "builds",
            "List the latest builds, newest first.",
            (
                "builds branch:main",
                f"builds {app} status:failed since:2d",
                'builds since:"2026-11-01 10:00" pr:12',
            ),
            handler=partial(list_builds, provider=provider),
            read_only=True,
            notes=(filters, states, times),
            aliases=("list",),
            open_to_external_users=True,
        ),
        CommandSpec(
            ShowBuild,
            "build",
            "Show one build, with its buttons.",
            ("build #12", f"build {app} #12"),
            handler=partial(show, provider=provider),
            read_only=True,
            aliases=("show",),
            open_to_external_users=True,
        ),
    )
