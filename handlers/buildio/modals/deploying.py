"""The form that deploys an app."""

from __future__ import annotations

from collections.abc import Mapping

from bot.build import App
from bot.messages import FilledIn, Origin, actions, buildio
from bot.messages.buildio import DeployForm
from bot.messages.buildio.deploying import APP
from bot.provider import Provider
from handlers.buildio import deploying
from handlers.buildio.modals.submitted import Submission, Submitted, course_of
from handlers.caller import Answer, Caller
from handlers.finding import app_by_slug


async def _deploy(sent: Submitted) -> None:
    form, origin = buildio.read_deploy(sent.values), Origin.read(sent.metadata)
    if await sent.is_wrong(form.problems):
        return
    title = FilledIn(sent.values).picked_words(APP) or "?"
    picked = App(provider=Provider.BUILDIO, slug=form.app or "", title=title)
    course = course_of(
        "Deploy",
        f"Deploying {title}…",
        lambda problem: buildio.deploy_modal(form, picked, origin=origin, problem=problem),
        field=APP,
    )
    await sent.answer(_start(form, sent.caller), course)


async def _start(form: DeployForm, caller: Caller) -> Answer | None:
    return await deploying.start(await app_by_slug(caller, form.app or "", Provider.BUILDIO), form, caller)


SUBMISSIONS: Mapping[str, Submission] = {actions.BUILDIO_DEPLOY_MODAL: _deploy}
