"""Buttons about pipelines, and about builds that wait for approval."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from bot import messages
from bot.http import ProviderError
from bot.messages import PipelineButton, RequestButton, actions
from bot.slack_errors import SlackCallFailed
from handlers import cards
from handlers.actions.press import Press, Respond
from handlers.answers import approvals, pipelines
from handlers.caller import Answer
from handlers.doing.performing.bitrise import PIPELINE
from handlers.finding import app_by_slug
from storage import Recipient, subject_of_request

log = structlog.get_logger()


async def _pipeline(press: Press) -> Answer:
    app, one = await pipelines.found(PipelineButton.decode(press.value), press.caller)
    return Answer(messages.pipeline_card(one, app, now=press.caller.now_at(app.provider)), title=PIPELINE)


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
    button, caller = RequestButton.decode(press.value), press.caller
    done = await approvals.decide(button, caller, approved=approved)
    # A message that asks for the decision is itself changed, and says who decided.
    if done.waits or await cards.is_ours(press.on, caller):
        return done.answer if done.waits else None
    await _show_the_rest(press, button)
    here = Recipient(team=caller.team, channel=caller.channel)
    told = await caller.desk.storage.messages.is_there(here, subject_of_request(button.request))
    return None if told else done.answer


async def _show_the_rest(press: Press, button: RequestButton) -> None:
    """Let the list in which it was decided show those that wait still; where it stays as it was, that is no harm."""
    try:
        app = await app_by_slug(press.caller, button.app)
        await press.say.instead(await approvals.listed(app, press.caller))
    except (ProviderError, SlackCallFailed) as problem:
        log.info("approvals.list_stays", reason=type(problem).__name__)


ANSWERS: Mapping[str, Respond] = {
    actions.PIPELINE_SHOW: _pipeline,
    actions.REQUEST_APPROVE: _approve,
    actions.REQUEST_DECLINE: _decline,
    actions.PIPELINE_REFRESH: _pipeline_refresh,
    actions.PIPELINE_REBUILD: _pipeline_rebuild,
    actions.PIPELINE_REBUILD_FAILED: _pipeline_rebuild_failed,
}
FORMS: Mapping[str, Respond] = {}
