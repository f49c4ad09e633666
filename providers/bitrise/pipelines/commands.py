"""Pipelines: shown, listed, aborted, started again."""

from __future__ import annotations

import asyncio

from domain.build import App
from domain.commands.shared_commands import ListPipelines, ShowPipeline
from domain.message import Message
from domain.pipeline import Pipeline
from messages import pipeline_card
from messages.kit.button_values import PipelineButton
from providers.bitrise.action_execution import PIPELINE as TITLE
from providers.bitrise.actions import AbortPipelineAction, PipelineTarget, RebuildPipelineAction
from providers.bitrise.api.requests import AbortRequest
from services.actions import run
from services.request.context import Reply, RequestContext
from services.request.finder import UserError, app_by_slug, find_app

MOST = 10


async def show(ask: ShowPipeline, caller: RequestContext) -> Reply:
    """One pipeline's card."""
    app = await app_by_slug(caller, ask.app_slug) if ask.app_slug else await find_app(caller, ask.app)
    identity = ask.pipeline_id or await _by_number(app, ask.number or 0, caller)
    return Reply(await card(app, identity, caller), title=TITLE)


async def list_pipelines(ask: ListPipelines, caller: RequestContext) -> Reply:
    """The app's latest pipelines."""
    app = await find_app(caller, ask.app)
    ids = (await caller.bitrise.pipelines(app.slug))[:MOST]
    found = await asyncio.gather(*(caller.bitrise.pipeline(app.slug, one) for one in ids))
    return Reply(pipeline_card.pipeline_list(found, app, now=caller.now_at(app.provider)), title=TITLE)


async def card(app: App, pipeline_id: str, caller: RequestContext) -> Message:
    """The card of a pipeline as it is now. Raises ProviderError."""
    one = await caller.bitrise.pipeline(app.slug, pipeline_id)
    return pipeline_card.pipeline_card(one, app, now=caller.now_at(app.provider))


async def found(about: PipelineButton, caller: RequestContext) -> tuple[App, Pipeline]:
    """The pipeline that a button names. Raises ProviderError."""
    app = await app_by_slug(caller, about.app)
    return app, await caller.bitrise.pipeline(app.slug, about.pipeline)


async def abort(app: App, pipeline_id: str, order: AbortRequest, caller: RequestContext) -> Reply | None:
    """Abort a pipeline. Raises PermissionDenied, UserError where it has ended, ProviderError."""
    one = PipelineTarget.of(await caller.bitrise.pipeline(app.slug, pipeline_id))
    return (await run.run_action(AbortPipelineAction(app=app, pipeline=one, order=order), caller)).answer


async def rebuild(about: PipelineButton, caller: RequestContext, *, failed_only: bool) -> Reply | None:
    """Start a new attempt of a pipeline. Raises PermissionDenied, UserError where it still runs, ProviderError."""
    app, one = await found(about, caller)
    act = RebuildPipelineAction(app=app, pipeline=PipelineTarget.of(one), failed_only=failed_only)
    return (await run.run_action(act, caller)).answer


async def _by_number(app: App, number: int, caller: RequestContext) -> str:
    for identity in await caller.bitrise.pipelines(app.slug, number=number):
        if (await caller.bitrise.pipeline(app.slug, identity)).number == number:
            return identity
    raise UserError(f"{app.title} has no pipeline #{number}. `/bitrise pipelines` lists the latest ones.")
