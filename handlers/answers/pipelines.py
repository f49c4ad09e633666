"""Pipelines: shown, listed, aborted, started again."""

from __future__ import annotations

import asyncio

from bot import messages
from bot.bitrise import AbortOrder
from bot.build import App
from bot.commands import ListPipelines, ShowPipeline
from bot.messages import Message, PipelineButton
from bot.pipeline import Pipeline
from handlers.answers.acts import check_may_act, note, signed
from handlers.caller import Answer, Audience, Caller
from handlers.finding import NotNamed, app_by_slug, find_app

MOST = 10
TITLE = "Pipeline"


async def show(ask: ShowPipeline, caller: Caller) -> Answer:
    """One pipeline's card."""
    app = await app_by_slug(caller, ask.app_slug) if ask.app_slug else await find_app(caller, ask.app)
    identity = ask.pipeline_id or await _by_number(app, ask.number or 0, caller)
    return Answer(await card(app, identity, caller), title=TITLE)


async def list_pipelines(ask: ListPipelines, caller: Caller) -> Answer:
    """The app's latest pipelines."""
    app = await find_app(caller, ask.app)
    ids = (await caller.desk.bitrise.pipelines(app.slug))[:MOST]
    found = await asyncio.gather(*(caller.desk.bitrise.pipeline(app.slug, one) for one in ids))
    return Answer(messages.pipeline_list(found, app, now=caller.now()), title=TITLE)


async def card(app: App, pipeline_id: str, caller: Caller) -> Message:
    """The card of a pipeline as it is now. Raises ProviderError."""
    one = await caller.desk.bitrise.pipeline(app.slug, pipeline_id)
    return messages.pipeline_card(one, app, now=caller.now())


async def found(about: PipelineButton, caller: Caller) -> tuple[App, Pipeline]:
    """The pipeline that a button names. Raises ProviderError."""
    app = await app_by_slug(caller, about.app)
    return app, await caller.desk.bitrise.pipeline(app.slug, about.pipeline)


async def abort(app: App, pipeline_id: str, order: AbortOrder, caller: Caller) -> Answer:
    """Abort a pipeline. Raises NotAllowed, NotNamed where it has ended, ProviderError."""
    check_may_act(caller)
    one = await caller.desk.bitrise.pipeline(app.slug, pipeline_id)
    if one.ended:
        raise NotNamed(f"{one.name} {one.label} has ended already, so it can't be aborted.")
    in_words = order.model_copy(update={"reason": signed(order.reason, await caller.signature())})
    await caller.desk.bitrise.abort_pipeline(app.slug, one.id, in_words)
    note("abort_pipeline", caller, app, pipeline=one.id, reason=order.reason)
    caller.desk.look_now()
    said = messages.pipeline_aborted(one, app, by=caller.person, reason=order.reason)
    return Answer(said, Audience.CHANNEL, title=TITLE)


async def rebuild(about: PipelineButton, caller: Caller, *, failed_only: bool) -> Answer:
    """Start a new attempt of a pipeline. Raises NotAllowed, NotNamed where it still runs, ProviderError."""
    check_may_act(caller)
    app, one = await found(about, caller)
    if not one.ended:
        raise NotNamed(f"{one.name} {one.label} still runs; abort it first, or wait for its end.")
    by = await caller.signature()
    await caller.desk.bitrise.rebuild_pipeline(app.slug, one.id, failed_only=failed_only, by=by)
    note("rebuild_pipeline", caller, app, pipeline=one.id, failed_only=failed_only)
    caller.desk.look_now()
    said = messages.pipeline_rebuilt(one, app, by=caller.person, failed_only=failed_only)
    return Answer(said, Audience.CHANNEL, title=TITLE)


async def _by_number(app: App, number: int, caller: Caller) -> str:
    for identity in await caller.desk.bitrise.pipelines(app.slug, number=number):
        if (await caller.desk.bitrise.pipeline(app.slug, identity)).number == number:
            return identity
    raise NotNamed(f"{app.title} has no pipeline #{number}. `/bitrise pipelines` lists the latest ones.")
