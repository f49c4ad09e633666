"""What the policy is asked about an act, with what the act does not know itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from bot.acts import Act
from bot.build import App
from bot.http import ProviderError
from bot.policy import Question, protections
from bot.provider import Provider
from handlers.caller import Caller

log = structlog.get_logger()


async def question_about(act: Act, caller: Caller, channel: str) -> Question:
    """The question, as `caller` would do the act: its app's stage is asked for where a rule depends on it."""
    question = act.question(channel)
    ask = _STAGES.get(act.provider)
    if ask is None or act.app is None or question.stage is not None or not await _matters(question, caller):
        return question
    try:
        stage = await ask(act.app, caller)
    except ProviderError as problem:
        log.info("policy.stage_unknown", reason=type(problem).__name__)
        return question
    return question.model_copy(update={"stage": stage})


async def _matters(question: Question, caller: Caller) -> bool:
    of_workspace = [one.rule for one in await caller.storage.policies.all()]
    rules = [*caller.desk.rulings.operators(caller.team), *of_workspace]
    return any(rule.stages for rule in protections(rules, question))


async def _at_buildio(app: App, caller: Caller) -> str | None:
    """The one stage that the app stands in, as far as this person sees pipelines; None where it can't be told."""
    stages: set[str | None] = set()
    for pipeline in await caller.own_buildio.pipelines():
        for one in await caller.own_buildio.pipeline_apps(pipeline.id):
            if app.slug == one.id or app.title == one.name:
                stages.add(one.stage)
    return stages.pop() if len(stages) == 1 else None


_STAGES: Mapping[Any, Callable[[App, Caller], Awaitable[str | None]]] = {Provider.BUILDIO: _at_buildio}
