"""Runs that a user just started: the message about the start is updated until the run ends."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from datetime import timedelta

import structlog

from domain.build import App, PipelineRef
from domain.build_filter import BuildFilter
from domain.message import Block, RunNote
from domain.notifications.rule import DeliveryStyle, NotificationRule
from domain.poll_state import Baseline
from domain.provider_errors import Forbidden, NotFound, ProviderError
from domain.subscription import AccessSource, Scope
from messages.started_run import add_notice, run_started
from services.outbox.message_key import MessageKey, build_run_key, pipeline_run_key
from services.request.context import Reply, RequestContext, Visibility
from services.request.user_channels import own_scope
from services.slack.errors import SlackCallFailed
from storage.database import DatabaseUnavailable
from storage.workspace_subscriptions import StartedRun

log = structlog.get_logger()

# The provider's start time may be a little earlier than the time at which the bot learns of it.
BEFORE_ITS_START = timedelta(minutes=2)
# The start must be announced soon, whether or not Slack responds.
SECONDS_TO_ASK = 5
FOLLOWED_LATER = "The database is unavailable. The message about this run is posted when it's back."
# Slack's errors for channels that the bot can't post in.
_CLOSED = frozenset({"channel_not_found", "is_archived"})


async def follow_build(
    app: App, slug: str | None, note: RunNote, context: RequestContext, *, buttons: Sequence[Block]
) -> Reply | None:
    """Follow a build or deployment that was just started; return a reply if the followed message is not enough.

    `slug` is None if the provider does not name the run that it started.
    """
    if slug is None:
        return _start_reply(note, context, buttons)
    build_filter = BuildFilter(builds=frozenset({slug}))
    return await _follow(app, build_filter, build_run_key(slug), note, context, buttons)


async def follow_pipeline(
    app: App, attempt: PipelineRef, note: RunNote, context: RequestContext, *, buttons: Sequence[Block]
) -> Reply | None:
    """Follow an attempt of a pipeline that was just started, as `follow_build` follows a build."""
    build_filter = BuildFilter(attempts=frozenset({attempt.key}))
    return await _follow(app, build_filter, pipeline_run_key(attempt.key), note, context, buttons)


async def _follow(
    app: App,
    build_filter: BuildFilter,
    message_key: MessageKey,
    note: RunNote,
    context: RequestContext,
    buttons: Sequence[Block],
) -> Reply | None:
    if not context.person:
        return None  # a workflow step without a user: its following steps handle the run

    async def follow() -> Reply | None:
        return await _store_and_follow(app, build_filter, message_key, note, context, buttons)

    try:
        return await follow()
    except (NotFound, Forbidden) as error:
        # The bot itself can't see what this user may start.
        log.info("run.not_watched", app=app.slug, reason=type(error).__name__)
    except DatabaseUnavailable:
        # The run has started: a person who isn't told would start it again. The channel's message comes later.
        if context.services.slack.late_replies.retry(context.team, context.person, follow):
            return Reply(add_notice(run_started(note, buttons), FOLLOWED_LATER), Visibility.ONE_PERSON)
        log.error("run.not_followed", app=app.slug, reason="too many wait for the database")
    except Exception:
        # The run was started all the same, so the user and the audit log must be told that it was.
        log.exception("run.not_followed", app=app.slug)
    return _start_reply(note, context, buttons)


async def _store_and_follow(
    app: App,
    build_filter: BuildFilter,
    message_key: MessageKey,
    note: RunNote,
    context: RequestContext,
    buttons: Sequence[Block],
) -> Reply | None:
    # Compared with the provider's times, so by its clock: ours may be off.
    started_at, since = context.now(), context.provider_now(app.provider) - BEFORE_ITS_START
    can_write, scope, baseline = await asyncio.gather(
        _can_post(context), _scope(app, context), _baseline(app, context)
    )
    channel = context.channel if can_write else await _direct_message(context)
    run = StartedRun(
        app=app,
        terms=NotificationRule(filter=build_filter, style=DeliveryStyle.LIVE, once=True, run=True),
        key=secrets.token_hex(8),
        subject=str(message_key),
        content=run_started(note, buttons).encode(),
        note=note.encode(),
        thread_ts=context.thread if can_write else None,
    )
    await context.storage.subscriptions.follow(
        run,
        channel=channel,
        by=context.person,
        at=started_at,
        baseline=baseline or Baseline(at=since),
        scope=scope,
    )
    # In a channel where the bot can't post, the reply is sent like that of any other command.
    return None if can_write or not context.channel else _start_reply(note, context, buttons)


def _start_reply(note: RunNote, context: RequestContext, buttons: Sequence[Block]) -> Reply | None:
    return Reply(run_started(note, buttons), Visibility.CHANNEL) if context.person else None


async def _can_post(context: RequestContext) -> bool:
    """Return whether the bot can post in the user's channel; True if that is unknown, so that it is tried."""
    if not context.channel:
        return False
    if context.channel.startswith("D"):
        return context.channel == await _direct_message(context)
    try:
        async with asyncio.timeout(SECONDS_TO_ASK):
            channel = (await context.slack.conversations_info(channel=context.channel)).get("channel") or {}
    except SlackCallFailed as error:
        return error.reason not in _CLOSED
    except TimeoutError:
        return True
    if channel.get("is_archived"):
        return False
    return not (channel.get("is_private") and channel.get("is_member") is False)


async def _direct_message(context: RequestContext) -> str:
    """Return the user's direct message, or their id if Slack does not say: the outbox resolves that later."""
    try:
        return await context.direct_message_alone()
    except SlackCallFailed:
        return context.person


async def _scope(app: App, context: RequestContext) -> Scope:
    """Return the scope of the message: what the user who started the run can see."""
    if not await context.is_linked(app.provider):
        return Scope()  # the bot's own token has started it for them
    try:
        return await own_scope(context.own_apps(app.provider), app)
    except ProviderError as error:
        log.info("run.scope_unknown", app=app.slug, reason=type(error).__name__)
        return Scope(seen_as=AccessSource.OWN, logs=False)


async def _baseline(app: App, context: RequestContext) -> Baseline | None:
    """Return the baseline of an app that is not polled yet; None if it is not needed or can't be read now.

    Raises NotFound, Forbidden.
    """
    if await context.storage.subscriptions.is_watched(app.provider, app.slug):
        return None
    try:
        return await context.services.pollers.baseline(app)
    except (NotFound, Forbidden):
        raise
    except ProviderError as error:
        # The run was started all the same: polling begins a little before its start instead of with the baseline.
        log.info("run.baseline_unknown", app=app.slug, reason=type(error).__name__)
        return None
