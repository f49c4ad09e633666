"""Buttons about pipelines, and about builds that wait for approval."""

from __future__ import annotations

from collections.abc import Mapping

from bot import messages
from bot.messages import PipelineButton, RequestButton, actions
from handlers import cards
from handlers.actions.press import Press, Respond
from handlers.answers import approvals, pipelines
from handlers.caller import Answer
from handlers.doing.performing.bitrise import PIPELINE
from handlers.finding import app_by_slug


async def _pipeline(press: Press) -> Answer:
    app, one = await pipelines.found(PipelineButton.decode(press.value), press.caller)
    return Answer(messages.pipeline_card(one, app, now=press.caller.now()), title=PIPELINE)


async def _pipeline_refresh(press: Press) -> None:
    # Who presses must see the app: a subscription's message, too, says then what has come of it since.
    await app_by_slug(press.caller, PipelineButton.decode(press.value).app)
    if await cards.refresh(press.on, press.caller):
        return  # a subscription's message is kept up to date by what the watcher sees
    await press.say.instead((await _pipeline(press)).message)


async def _pipeline_rebuild(press: Press) -> Answer | None:
    return await pipelines.rebuild(PipelineButton.decode(press.value), press.caller, failed_only=False)


async def _pipeline_rebuild_failed(press: Press) -> Answer | None:
    return await pipelines.rebuild(PipelineButton.decode(press.value), press.caller, failed_only=True)


async def _approve(press: Press) -> Answer | None:
    return await _decide(press, approved=True)


async def _decline(press: Press) -> Answer | None:
    return await _decide(press, approved=False)


async def _decide(press: Press, *, approved: bool) -> Answer | None:
    said = await approvals.decide(RequestButton.decode(press.value), press.caller, approved=approved)
    # A message that asks for the decision is itself changed, and says who decided.
    asked = await cards.is_ours(press.on, press.caller)
    return None if asked else said


ANSWERS: Mapping[str, Respond] = {
    actions.PIPELINE_SHOW: _pipeline,
    actions.REQUEST_APPROVE: _approve,
    actions.REQUEST_DECLINE: _decline,
    actions.PIPELINE_REFRESH: _pipeline_refresh,
    actions.PIPELINE_REBUILD: _pipeline_rebuild,
    actions.PIPELINE_REBUILD_FAILED: _pipeline_rebuild_failed,
}
FORMS: Mapping[str, Respond] = {}
