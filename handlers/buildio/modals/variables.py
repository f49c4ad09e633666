"""The forms that set and remove config vars. What was typed as a value is put into no view again."""

from __future__ import annotations

from collections.abc import Mapping

from bot.messages import NotAButton, actions, buildio
from bot.messages.buildio import FilledUnset, FilledVars, VarsOrigin
from bot.messages.buildio.variable_modals import KEY, KEYS
from bot.messages.message import Block
from bot.provider import Provider
from handlers import doing
from handlers.buildio import config, environments
from handlers.buildio.modals.submitted import Submission, Submitted, course_of
from handlers.buildio.variables import OfApp, Vars
from handlers.caller import Answer, Caller
from handlers.finding import app_by_slug


async def _set(sent: Submitted) -> None:
    filled, origin = buildio.read_vars(sent.values), _origin_of(sent)
    if await sent.is_wrong(filled.problems):
        return

    def again(problem: str) -> Block:
        problem = f"{problem} What you had typed is not kept: type it once more."
        return buildio.vars_modal(origin.of, origin=origin, key=filled.key, problem=problem)

    course = course_of(config.SET, "Setting them…", again, field=KEY)
    await sent.answer(_carry_out_set(filled, origin, sent.caller), course)


async def _unset(sent: Submitted) -> None:
    filled, origin = buildio.read_unset(sent.values), _origin_of(sent)
    if await sent.is_wrong(filled.problems):
        return

    def again(problem: str) -> Block:
        return buildio.unset_modal(origin.of, filled.keys, origin=origin, chosen=filled.keys, problem=problem)

    course = course_of(config.REMOVE, "Removing them…", again, field=KEYS)
    await sent.answer(_carry_out_unset(filled, origin, sent.caller), course)


async def _carry_out_set(filled: FilledVars, origin: VarsOrigin, caller: Caller) -> Answer | None:
    its = await _meant(origin, caller)
    return (await doing.do(its.setting(filled.values), caller)).answer


async def _carry_out_unset(filled: FilledUnset, origin: VarsOrigin, caller: Caller) -> Answer | None:
    return await config.remove(await _meant(origin, caller), filled.keys, caller)


def _origin_of(sent: Submitted) -> VarsOrigin:
    origin = VarsOrigin.read(sent.metadata)
    if not origin.app and not origin.environment:
        raise NotAButton  # a form of another version: whose they are is not in it
    return origin


async def _meant(origin: VarsOrigin, caller: Caller) -> Vars:
    """Those that the form is about, looked up once more. Raises NotNamed, ProviderError."""
    if origin.environment:
        return await environments.find(origin.environment, caller)
    return OfApp(await app_by_slug(caller, origin.app, Provider.BUILDIO))


SUBMISSIONS: Mapping[str, Submission] = {
    actions.BUILDIO_VARS_MODAL: _set,
    actions.BUILDIO_UNSET_MODAL: _unset,
}
