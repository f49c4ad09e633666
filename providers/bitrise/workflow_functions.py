"""Steps for Slack's Workflow Builder: start a build, wait for its end, abort it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from domain.build import App, Build
from domain.commands.arguments import BuildRef, parse_variable
from domain.commands.errors import UserError
from domain.commands.shared_commands import TriggerBuild
from domain.redaction.redactor import redact
from providers.bitrise.action_base import BuildTarget
from providers.bitrise.api.requests import AbortRequest
from providers.bitrise.builds.actions import AbortBuildAction, TriggerBuildAction
from providers.bitrise.links import parse_build_ref
from providers.bitrise.provider import BITRISE
from services.actions import run
from services.actions.permissions import PermissionDenied
from services.authorization.authorizer import NOT_VOUCHED
from services.jobs.workflow_steps import step_outputs
from services.request.context import RequestContext
from services.request.finder import find_app, find_build
from services.request.interactions import FunctionHandler
from storage.workflow_steps import WaitingStep

START, WAIT, ABORT = "start_bitrise_build", "wait_for_bitrise_build", "abort_bitrise_build"
LONGEST_WAIT = timedelta(days=2)
USUAL_WAIT_MINUTES = 180
LONGEST_INPUT = 3000

Inputs = Mapping[str, Any]
Outputs = Mapping[str, Any]


async def _start(inputs: Inputs, execution: str, context: RequestContext) -> Outputs | None:
    context.check_configured(BITRISE)
    command = TriggerBuild(
        branch=_read_text(inputs, "branch"),
        tag=_read_text(inputs, "tag"),
        commit=_read_text(inputs, "commit"),
        workflow=_read_text(inputs, "workflow"),
        pipeline=_read_text(inputs, "pipeline"),
        message=_read_text(inputs, "message"),
        environments=tuple(_parse_variables(str(inputs.get("variables") or ""))),
    )
    if not command.names_something:
        raise UserError("Choose what to build: a branch, tag, commit, workflow or pipeline.")
    await _check_may_act(context)
    app = await find_app(context, _read_text(inputs, "app") or "", BITRISE)
    result = await run.run_action(
        TriggerBuildAction(app=app, ask=command, remember=False), context, execution=execution
    )
    return None if result.is_pending else result.outputs


async def _wait(inputs: Inputs, execution: str, context: RequestContext) -> Outputs | None:
    context.check_configured(BITRISE)
    app, build = await _find_build(inputs, context)
    if build.ended:
        return step_outputs(app, build)
    minutes = inputs.get("minutes")
    duration = timedelta(minutes=float(minutes) if isinstance(minutes, int | float) else USUAL_WAIT_MINUTES)
    until = context.now() + min(max(duration, timedelta(minutes=1)), LONGEST_WAIT)
    step = WaitingStep(
        team=context.team, execution=execution, app_slug=app.slug, build_slug=build.slug, until=until
    )
    await context.services.storage.workflow_steps.wait(step)
    return None


async def _abort(inputs: Inputs, execution: str, context: RequestContext) -> Outputs | None:
    context.check_configured(BITRISE)
    await _check_may_act(context)
    app, build = await _find_build(inputs, context)
    order = AbortRequest(reason=_read_text(inputs, "reason"))
    action = AbortBuildAction(app=app, build=BuildTarget.of(build), order=order)
    result = await run.run_action(action, context, execution=execution)
    return None if result.is_pending else result.outputs


async def _check_may_act(context: RequestContext) -> None:
    """Check that the step names a user to act for, or that the bot's own token may act. Raises PermissionDenied."""
    if not context.person and not await context.may_act(BITRISE):
        raise PermissionDenied(NOT_VOUCHED)


async def _find_build(inputs: Inputs, context: RequestContext) -> tuple[App, Build]:
    text = _read_text(inputs, "build") or ""
    ref: BuildRef | None = parse_build_ref(text)
    if ref is None:
        what = f"{redact(text)[:60]} isn't a valid build." if text else "Which build?"
        raise UserError(f"{what} Give its number, slug or link.")
    return await find_build(context, _read_text(inputs, "app"), ref, BITRISE)


def _parse_variables(text: str) -> list[tuple[str, str]]:
    variables = []
    for line in (line.strip() for line in text.splitlines()):
        if line and (variable := parse_variable(line)) is None:
            raise UserError("Write one variable per line, as NAME=value.")
        if line and variable is not None:
            variables.append(variable)
    return variables


def _read_text(inputs: Inputs, name: str) -> str | None:
    """Return an input of the step as text; a link in Slack's markup becomes its URL."""
    value = str(inputs.get(name) or "").strip()[:LONGEST_INPUT]
    if value.startswith("<http") and value.endswith(">"):
        value = value[1:-1].partition("|")[0]
    return value or None


FUNCTIONS: Mapping[str, FunctionHandler] = {START: _start, WAIT: _wait, ABORT: _abort}
