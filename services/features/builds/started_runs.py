"""Runs that were just started, followed to their end in the message that says so."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from datetime import timedelta

import structlog

from domain.build import App, PipelineRef
from domain.build_filter import BuildFilter
from domain.errors import Forbidden, NotFound, ProviderError
from domain.message import Block
from domain.message_state import RunNote
from domain.notifications.rule import DeliveryStyle, NotificationRule
from domain.poll_state import Baseline
from domain.subscription import AccessSource, Scope
from messages.started_run import run_started
from services.features.subscriptions.scope import own_scope
from services.outbox.message_key import MessageKey, build_run_key, pipeline_run_key
from services.request.context import Reply, RequestContext, Visibility
from services.slack.errors import SlackCallFailed
from storage.workspace_subscriptions import StartedRun

log = structlog.get_logger()

# The provider may be asked, and may date what it starts, a little before that is known here.
BEFORE_ITS_START = timedelta(minutes=2)
# What was started is to be said soon, whether Slack answers or not.
SECONDS_TO_ASK = 5
# The bot can't write there.
_CLOSED = frozenset({"channel_not_found", "is_archived"})


async def follow_build(
    app: App, slug: str | None, note: RunNote, context: RequestContext, *, buttons: Sequence[Block]
) -> Reply | None:
    """Follow a build or deployment that was just started; return the answer where its message does not say it all.

    `slug` is None where the provider does not say what it has started.
    """
    if slug is None:
        return _answer(note, context, buttons)
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
        return None  # a workflow that nobody is named in: its own steps go on with what was started
    try:
        return await _begin_following(app, build_filter, message_key, note, context, buttons)
    except (NotFound, Forbidden) as error:
        # The bot itself can't see what this user may start.
        log.info("run.not_watched", app=app.slug, reason=type(error).__name__)
    except Exception:
        # It has been started all the same, which is what whoever started it, and the audit log, must hear.
        log.exception("run.not_followed", app=app.slug)
    return _answer(note, context, buttons)


async def _begin_following(
    app: App,
    build_filter: BuildFilter,
    message_key: MessageKey,
    note: RunNote,
    context: RequestContext,
    buttons: Sequence[Block],
) -> Reply | None:
    # The provider's own times are compared with its clock: ours may be off.
    began, since = context.now(), context.provider_now(app.provider) - BEFORE_ITS_START
    here, scope, baseline = await asyncio.gather(
        _can_write(context), _scope(app, context), _baseline(app, context)
    )
    channel = context.channel if here else await _direct_message(context)
    run = StartedRun(
        app=app,
        terms=NotificationRule(filter=build_filter, style=DeliveryStyle.LIVE, once=True, run=True),
        key=secrets.token_hex(8),
        subject=str(message_key),
        content=run_started(note, buttons).encode(),
        note=note.encode(),
        thread_ts=context.thread if here else None,
    )
    await context.storage.subscriptions.follow(
        run,
        channel=channel,
        by=context.person,
        at=began,
        baseline=baseline or Baseline(at=since),
        scope=scope,
    )
    context.services.events.outbox_changed()
    # Those in a channel in which the bot can't write are told as every command is answered there.
    return None if here or not context.channel else _answer(note, context, buttons)


def _answer(note: RunNote, context: RequestContext, buttons: Sequence[Block]) -> Reply | None:
    return Reply(run_started(note, buttons), Visibility.CHANNEL) if context.person else None


async def _can_write(context: RequestContext) -> bool:
    """Return whether the bot can post where the user is; where nobody can say, it tries."""
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
    """Return the user's direct message; the outbox finds it by their ID where Slack does not say now."""
    try:
        return await context.direct_message_alone()
    except SlackCallFailed:
        return context.person


async def _scope(app: App, context: RequestContext) -> Scope:
    """Return what the message may show: what the user sees who has started the run."""
    if not await context.is_linked(app.provider):
        return Scope()  # the bot's own token has done it for them
    try:
        return await own_scope(context.own_apps(app.provider), app)
    except ProviderError as error:
        log.info("run.scope_unknown", app=app.slug, reason=type(error).__name__)
        return Scope(seen_as=AccessSource.OWN, logs=False)


async def _baseline(app: App, context: RequestContext) -> Baseline | None:
    """Return what is there of an app that nobody watches yet; None where it is not needed, or not to be had now.

    Raises NotFound, Forbidden.
    """
    if await context.storage.subscriptions.is_watched(app.provider, app.slug):
        return None
    try:
        return await context.services.pollers.baseline(app)
    except (NotFound, Forbidden):
        raise
    except ProviderError as error:
        # It has been started all the same: its watching begins a little before that, and not with what is there.
        log.info("run.baseline_unknown", app=app.slug, reason=type(error).__name__)
        return None
