"""Submissions of the forms that set and remove config vars. A typed value is never put into a view again."""

from __future__ import annotations

from collections.abc import Mapping

from domain.message import Block
from messages.kit.button_values import InvalidButtonValue
from providers.buildio import action_ids
from providers.buildio.config_vars import commands, forms
from providers.buildio.config_vars.forms import KEY, KEYS, SetConfigVarsForm, UnsetConfigVarsForm, VarsOrigin
from providers.buildio.config_vars.scope import AppScope, ConfigVarScope
from providers.buildio.pipelines import environment_commands
from providers.buildio.provider import BUILDIO
from services.actions import run
from services.request.context import Reply, RequestContext
from services.request.finder import app_by_slug
from services.request.form_submission import FormHandler, FormSubmission, submission_flow


async def _set(sent: FormSubmission) -> None:
    filled, origin = forms.read_vars(sent.values), _origin_of(sent)
    if await sent.report_field_errors(filled.problems):
        return

    def rebuild_form(problem: str) -> Block:
        problem = f"{problem} What you had typed is not kept: type it once more."
        return forms.vars_modal(origin.owner, origin=origin, key=filled.key, problem=problem)

    flow = submission_flow(commands.SET, "Setting them…", rebuild_form, field=KEY)
    await sent.run_and_reply(_carry_out_set(filled, origin, sent.context), flow)


async def _unset(sent: FormSubmission) -> None:
    filled, origin = forms.read_unset(sent.values), _origin_of(sent)
    if await sent.report_field_errors(filled.problems):
        return

    def rebuild_form(problem: str) -> Block:
        return forms.unset_modal(
            origin.owner, filled.keys, origin=origin, chosen=filled.keys, problem=problem
        )

    flow = submission_flow(commands.REMOVE, "Removing them…", rebuild_form, field=KEYS)
    await sent.run_and_reply(_carry_out_unset(filled, origin, sent.context), flow)


async def _carry_out_set(
    filled: SetConfigVarsForm, origin: VarsOrigin, context: RequestContext
) -> Reply | None:
    scope = await _find_scope(origin, context)
    return (await run.run_action(scope.setting(filled.values), context)).answer


async def _carry_out_unset(
    filled: UnsetConfigVarsForm, origin: VarsOrigin, context: RequestContext
) -> Reply | None:
    return await commands.remove(await _find_scope(origin, context), filled.keys, context)


def _origin_of(sent: FormSubmission) -> VarsOrigin:
    origin = VarsOrigin.read(sent.metadata)
    if not origin.app and not origin.environment:
        raise InvalidButtonValue  # the form comes from another version of the bot, and names no owner
    return origin


async def _find_scope(origin: VarsOrigin, context: RequestContext) -> ConfigVarScope:
    """Find the scope of the form again. Raises UserError, ProviderError."""
    if origin.environment:
        return await environment_commands.find(origin.environment, context)
    return AppScope(await app_by_slug(context, origin.app, BUILDIO))


FORMS: Mapping[str, FormHandler] = {
    action_ids.VARS_MODAL: _set,
    action_ids.UNSET_MODAL: _unset,
}
