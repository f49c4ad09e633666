"""Pipelines: show, list, abort, start again."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Annotated

from domain.build import App
from domain.commands.command import AppArgument, ArgumentReader, Command, Word
from domain.commands.errors import UserError
from domain.message import Message
from messages import pipeline_card
from messages.kit.button_values import PipelineButton
from providers.bitrise.api.access import reading_client
from providers.bitrise.api.requests import AbortRequest
from providers.bitrise.links import HOSTS, PipelineLink, read_link
from providers.bitrise.pipelines.actions import (
    TITLE,
    AbortPipelineAction,
    PipelineTarget,
    RebuildPipelineAction,
)
from providers.bitrise.presentation import PRESENTATION
from providers.bitrise.provider import BITRISE
from services.actions import run
from services.provider_spec import CommandSpec
from services.request.context import Reply, RequestContext
from services.request.finder import app_by_slug, find_app

MAX_PIPELINES = 10


class ListPipelines(Command):
    """List an app's latest pipelines."""

    app: AppArgument = None


class ShowPipeline(Command):
    """Show one pipeline, by its number, or by its ID and its app's slug as in a link."""

    app: AppArgument = None
    number: Annotated[int | None, Word()] = None
    app_slug: str | None = None
    pipeline_id: str | None = None

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> ShowPipeline:
        """Parse the app and the number, or a link."""
        first, second = arguments.take_positional(), arguments.take_positional()
        arguments.expect_end()
        name = second or first or ""
        app = first if second else None
        if isinstance(link := read_link(name if "://" in name else f"https://{name}"), PipelineLink):
            return cls(app_slug=link.app, pipeline_id=link.pipeline)
        ref = arguments.parse_build_ref(name)
        if ref is None or ref.number is None:
            problem = f"`{name}` isn't a valid pipeline." if name else "Which pipeline?"
            arguments.fail(f"{problem} Give its number or a link to it.")
        return cls(app=app, number=ref.number)

    def format(self, reserved: Collection[str] = ()) -> str:
        """Format the app and the number, or the link."""
        if self.app_slug is None:
            return super().format(reserved)
        return f"https://{HOSTS[0]}/app/{self.app_slug}/pipelines/{self.pipeline_id}"


async def show(command: ShowPipeline, context: RequestContext) -> Reply:
    """Show the card of the pipeline that the command names."""
    app = (
        await app_by_slug(context, command.app_slug, BITRISE)
        if command.app_slug
        else await find_app(context, command.app, BITRISE)
    )
    pipeline_id = command.pipeline_id or await _find_by_number(app, command.number or 0, context)
    return Reply(await card(app, pipeline_id, context), title=TITLE)


async def list_pipelines(command: ListPipelines, context: RequestContext) -> Reply:
    """List the app's latest pipelines."""
    app = await find_app(context, command.app, BITRISE)
    ids = (await reading_client(context).pipelines(app.slug))[:MAX_PIPELINES]
    pipelines = await asyncio.gather(*(reading_client(context).pipeline(app.slug, each) for each in ids))
    return Reply(
        pipeline_card.pipeline_list(pipelines, app, now=context.provider_now(app.provider)),
        title=TITLE,
    )


async def card(app: App, pipeline_id: str, context: RequestContext) -> Message:
    """Render the current card of a pipeline. Raises ProviderError."""
    pipeline = await reading_client(context).pipeline(app.slug, pipeline_id)
    return pipeline_card.pipeline_card(
        pipeline, app, now=context.provider_now(app.provider), presentation=PRESENTATION
    )


async def abort(app: App, pipeline_id: str, order: AbortRequest, context: RequestContext) -> Reply | None:
    """Abort a pipeline. Raises PermissionDenied, UserError if it has ended, ProviderError."""
    target = PipelineTarget.of(await reading_client(context).pipeline(app.slug, pipeline_id))
    return (await run.run_action(AbortPipelineAction(app=app, pipeline=target, order=order), context)).answer


async def rebuild(button: PipelineButton, context: RequestContext, *, failed_only: bool) -> Reply | None:
    """Start a new attempt of a pipeline. Raises PermissionDenied, UserError if it still runs, ProviderError."""
    app = await app_by_slug(context, button.app, BITRISE)
    target = PipelineTarget.of(await reading_client(context).pipeline(app.slug, button.pipeline))
    action = RebuildPipelineAction(app=app, pipeline=target, failed_only=failed_only)
    return (await run.run_action(action, context)).answer


async def _find_by_number(app: App, number: int, context: RequestContext) -> str:
    for pipeline_id in await reading_client(context).pipelines(app.slug, number=number):
        if (await reading_client(context).pipeline(app.slug, pipeline_id)).number == number:
            return pipeline_id
    raise UserError(f"{app.title} has no pipeline #{number}. `/bitrise pipelines` lists the latest ones.")


COMMANDS = (
    CommandSpec(
        ListPipelines,
        "pipelines",
        "List the latest pipelines, with their stages.",
        ("pipelines android",),
        handler=list_pipelines,
        read_only=True,
        open_to_external_users=True,
    ),
    CommandSpec(
        ShowPipeline,
        "pipeline",
        "Show one pipeline with its workflows by stage, to abort or rebuild it.",
        ("pipeline android #45",),
        handler=show,
        read_only=True,
        notes=("`#N` is a pipeline's number (`#45`) or a pasted link to its page.",),
        usage="pipeline [APP] #N",
        open_to_external_users=True,
    ),
)
