"""Commands in a process: authorized first, shown exactly as they will run, and run only after confirmation."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from domain.build import App
from domain.commands.errors import UserError
from domain.message import Block, Message
from messages.kit.blocks import context as context_block
from messages.kit.blocks import section
from messages.kit.button_values import InvalidButtonValue
from messages.kit.mrkdwn import code
from messages.kit.views import field, pickable_options, select, text_element
from providers.buildio import action_ids
from providers.buildio.api.access import own_client
from providers.buildio.api.models import Dyno
from providers.buildio.processes import run_form
from providers.buildio.processes.actions import RunCommandAction
from providers.buildio.processes.run_form import DYNO, TITLE, TYPED, RunCommand, RunForm, RunOrigin
from providers.buildio.provider import BUILDIO
from providers.buildio.shared import lookup
from providers.buildio.shared.arguments import LONGEST_COMMAND
from providers.buildio.shared.blocks import app_name
from providers.buildio.shared.button_values import RunButton, ShareButton
from providers.buildio.shared.lookup import find_button_app
from services.actions import audit
from services.actions import run as action_run
from services.provider_spec import CommandSpec
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import app_by_slug, find_app
from services.request.forms import FollowUp, Form, open_in_time

# The process in the audit log if the action was refused before one was chosen.
ANY = "any process"
_ARRAY = (
    'What follows the dashes becomes an array of words: `rails runner "puts User.count"` is '
    '`["rails", "runner", "puts User.count"]`. No shell reads it, so `|`, `*` and `$HOME` have no special meaning; '
    'use `/bin/sh -c "…"` for a shell.'
)


@dataclass
class RunCommandForm(Form[RunOrigin, RunForm, Block]):
    """Asks for a command and a process; replaced by what will run. `dynos` are those to pick from."""

    callback_id = action_ids.RUN_MODAL
    title = TITLE
    error_field = TYPED
    follow_up = FollowUp.REPLACED
    read_origin = RunOrigin.read
    read_input = staticmethod(run_form.read_run)

    dynos: Sequence[Dyno] = ()

    def render(self, problem: str | None = None) -> Block:
        """Draw the form with its input."""
        form = self.filled
        options = pickable_options(dyno.name for dyno in self.dynos)
        typed = text_element(form.dyno, most=100, placeholder="web.1")
        dyno = select(options, "Pick a process", form.dyno) if options else typed
        return self.draw(
            section(f"Runs in a process of *{app_name(self.origin.of_app)}*, after you have reviewed it."),
            field(DYNO, "Process", dyno, optional=False),
            field(
                TYPED,
                "Command",
                text_element(form.typed, most=LONGEST_COMMAND, placeholder="bin/rails db:version"),
                hint="Words are split at spaces; \"…\" and '…' keep words together. No shell is used.",
                optional=False,
            ),
            submit="Review",
            problem=problem,
        )

    async def submit(self) -> Block:
        """Draw exactly what will run. Raises PermissionDenied, UserError, ProviderError."""
        app = await app_by_slug(self.context, self.origin.app, BUILDIO)
        dynos = await _list_running(app, self.context)
        return (await _review(app, self.filled, self.context, dynos)).render()

    def render_result(self, result: Block) -> Block:
        """Return what will run."""
        return result


@dataclass
class ReviewCommandForm(Form[RunOrigin, None, Reply | None]):
    """Shows exactly what will run, and runs it."""

    callback_id = action_ids.RUN_CHECK
    title = TITLE
    progress = "Running… Buildbell waits 30 seconds for the result."
    read_origin = RunOrigin.read
    read_input = staticmethod(lambda _: None)

    def render(self, problem: str | None = None) -> Block:
        """Draw what will run."""
        origin = self.origin
        return self.draw(
            section(
                f"This runs in {code(origin.dyno)} of *{app_name(origin.of_app)}*, as an array of these words:"
            ),
            *run_form.array_blocks(origin.command),
            context_block(
                "Runs once, with a time limit. The command is posted here and logged; only you see the output."
            ),
            submit="Run",
            problem=problem,
        )

    async def submit(self) -> Reply | None:
        """Run the command. Raises InvalidButtonValue, PermissionDenied, UserError, ProviderError."""
        if not self.origin.dyno or not self.origin.command:
            raise InvalidButtonValue  # nothing was shown
        app = await app_by_slug(self.context, self.origin.app, BUILDIO)
        action = RunCommandAction(app=app, dyno=self.origin.dyno, command=self.origin.command)
        return (await action_run.run_action(action, self.context)).answer


async def run(command: RunCommand, context: RequestContext) -> Reply | None:
    """Show what will run, or ask for it. Raises PermissionDenied, UserError, ProviderError."""
    app = await find_app(context, command.app, BUILDIO)
    if not context.trigger_id:
        await _check_command(app, command, context)
        return Reply(run_form.run_button(app, command))
    await open_form(app, command, context)
    return None


async def open_form(app: App, command: RunCommand, context: RequestContext) -> None:
    """Show what will run if everything is known, else the form.

    Raises PermissionDenied, UserError, SlackCallFailed.
    """
    await open_in_time(_load(app, command, context), context, TITLE)


async def _list_running(app: App, context: RequestContext) -> list[Dyno]:
    """List the processes in which commands can run. Raises UserError if there are none, ProviderError."""
    dynos = [
        dyno
        for dyno in await own_client(context).dynos(app.slug)
        if dyno.up is not False and not dyno.crashed
    ]
    if not dynos:
        raise UserError(lookup.no_process())
    return dynos


async def share(app: App, button: ShareButton, shown: Sequence[Block], context: RequestContext) -> Reply:
    """Share a command's output in a channel, as the person who ran it saw it.

    Raises PermissionDenied, SlackCallFailed.
    """
    channel_context = replace(context, channel=button.channel, view=None)
    await action_run.check_permission(
        RunCommandAction(app=app, dyno=button.dyno, command=()), channel_context
    )
    said: Message = run_form.command_result_shared(app, button.dyno, shown, by=context.person)
    async with audit.audited(channel_context, "share_output", app=app, about={"label": button.dyno}):
        await context.slack.chat_postMessage(
            channel=button.channel, text=said.text, blocks=said.blocks, unfurl_links=False, unfurl_media=False
        )
    return Reply(run_form.result_shared_notice(button.channel), Visibility.ONE_PERSON, title=TITLE)


async def _review(
    app: App, command: RunCommand, context: RequestContext, dynos: Sequence[Dyno]
) -> ReviewCommandForm:
    """Return the form that shows exactly what will run. Raises UserError, PermissionDenied."""
    names = [dyno.name for dyno in dynos]
    if command.dyno not in names:
        raise UserError(
            lookup.unknown_thing("running process", command.dyno or "", names, lists=f"ps {app.title}")
        )
    action = RunCommandAction(app=app, dyno=command.dyno, command=command.command)
    if (problem := action.problem()) is not None:
        raise UserError(problem)
    origin = RunOrigin.of(app, context).model_copy(update={"dyno": command.dyno, "command": command.command})
    return ReviewCommandForm(context, origin, None)


async def _load(app: App, command: RunCommand, context: RequestContext) -> RunCommandForm | ReviewCommandForm:
    await _check_command(app, command, context)
    dynos = await _list_running(app, context)
    if command.dyno is None and len(dynos) == 1:
        command = command.model_copy(update={"dyno": dynos[0].name})
    if command.dyno is not None and command.command:
        return await _review(app, command, context, dynos)
    typed = shlex.join(command.command)
    if len(typed) > LONGEST_COMMAND:
        # Truncated in the field, it would be another command.
        raise UserError(lookup.which_process(dyno.name for dyno in dynos))
    origin = RunOrigin.of(app, context).model_copy(update={"dyno": command.dyno or ""})
    return RunCommandForm(context, origin, RunForm(**command.model_dump(), typed=typed), dynos)


async def _check_command(app: App, command: RunCommand, context: RequestContext) -> None:
    """Check access and the command before anyone fills in a form in vain.

    Raises PermissionDenied, UserError.
    """
    action = RunCommandAction(app=app, dyno=command.dyno or ANY, command=command.command)
    await action_run.check_permission(action, context)
    if command.command and (problem := action.problem()) is not None:
        raise UserError(problem)


COMMANDS = (
    CommandSpec(
        RunCommand,
        "run",
        "Run a command in a running process and show you its output. Without a command, a form opens.",
        (
            "run shop -- bin/rails db:version",
            'run shop dyno:worker.1 -- rails runner "puts User.count"',
            'run -- /bin/sh -c "ps | grep rails"',
        ),
        handler=run,
        notes=(
            _ARRAY,
            "Not allowed unless an access rule says who may. The command is logged; only you see its output.",
        ),
        aliases=("exec",),
    ),
)


async def _run(press: ButtonPress) -> None:
    app = await find_button_app(press)
    button = RunButton.decode(press.value)
    command = RunCommand(dyno=button.dyno or None, command=button.command)
    await open_form(app, command, press.context)


async def _share(press: ButtonPress) -> Reply:
    button = ShareButton.decode(press.value)
    app = await app_by_slug(press.context, button.app, BUILDIO)
    return await share(app, button, press.shown, press.context)


BUTTONS: Mapping[str, ButtonHandler] = {action_ids.RUN_SHARE: _share}
FORM_BUTTONS: Mapping[str, ButtonHandler] = {action_ids.RUN: _run}
