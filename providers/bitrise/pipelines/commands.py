"""Pipelines: shown, listed, aborted, started again."""

from __future__ import annotations

import asyncio

from domain.build import App
from domain.message import Message
from domain.pipeline import Pipeline
from domain.provider import Provider
from messages import pipeline_card
from messages.kit.button_values import PipelineButton
from providers.bitrise.action_execution import PIPELINE as TITLE
from providers.bitrise.actions import AbortPipelineAction, PipelineTarget, RebuildPipelineAction
from providers.bitrise.api.access import reading_client
from providers.bitrise.api.requests import AbortRequest
from providers.bitrise.commands import ListPipelines, ShowPipeline
from providers.bitrise.presentation import PRESENTATION
from services.actions import run
from services.request.context import Reply, RequestContext
from services.request.finder import UserError, app_by_slug, find_app

MOST = 10


async def show(command: ShowPipeline, context: RequestContext) -> Reply:
    """One pipeline's card."""
    app = (
        await app_by_slug(context, command.app_slug, Provider.BITRISE)
        if command.app_slug
        else await find_app(context, command.app, Provider.BITRISE)
    )
    identity = command.pipeline_id or await _by_number(app, command.number or 0, context)
    return Reply(await card(app, identity, context), title=TITLE)


async def list_pipelines(command: ListPipelines, context: RequestContext) -> Reply:
    """The app's latest pipelines."""
    app = await find_app(context, command.app, Provider.BITRISE)
    ids = (await reading_client(context).pipelines(app.slug))[:MOST]
    found = await asyncio.gather(*(reading_client(context).pipeline(app.slug, one) for one in ids))
    return Reply(
        pipeline_card.pipeline_list(found, app, now=context.provider_now(app.provider)),
        title=TITLE,
    )


async def card(app: App, pipeline_id: str, context: RequestContext) -> Message:
    """The card of a pipeline as it is now. Raises ProviderError."""
    one = await reading_client(context).pipeline(app.slug, pipeline_id)
    return pipeline_card.pipeline_card(
        one, app, now=context.provider_now(app.provider), presentation=PRESENTATION
    )


async def find_pipeline(about: PipelineButton, context: RequestContext) -> tuple[App, Pipeline]:
    """The pipeline that a button names. Raises ProviderError."""
    app = await app_by_slug(context, about.app, Provider.BITRISE)
    return app, await reading_client(context).pipeline(app.slug, about.pipeline)


async def abort(app: App, pipeline_id: str, order: AbortRequest, context: RequestContext) -> Reply | None:
    """Abort a pipeline. Raises PermissionDenied, UserError where it has ended, ProviderError."""
    one = PipelineTarget.of(await reading_client(context).pipeline(app.slug, pipeline_id))
    return (await run.run_action(AbortPipelineAction(app=app, pipeline=one, order=order), context)).answer


async def rebuild(about: PipelineButton, context: RequestContext, *, failed_only: bool) -> Reply | None:
    """Start a new attempt of a pipeline. Raises PermissionDenied, UserError where it still runs, ProviderError."""
    app, one = await find_pipeline(about, context)
    action = RebuildPipelineAction(app=app, pipeline=PipelineTarget.of(one), failed_only=failed_only)
    return (await run.run_action(action, context)).answer


async def _by_number(app: App, number: int, context: RequestContext) -> str:
    for identity in await reading_client(context).pipelines(app.slug, number=number):
        if (await reading_client(context).pipeline(app.slug, identity)).number == number:
            return identity
    raise UserError(f"{app.title} has no pipeline #{number}. `/bitrise pipelines` lists the latest ones.")
