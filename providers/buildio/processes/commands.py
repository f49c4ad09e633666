"""Commands for an app's processes: list and restart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.build import App
from domain.commands.command import AppArgument, ArgumentReader, Command, WordArgument
from domain.commands.errors import UserError
from domain.message import Block, Message
from messages.kit.blocks import section
from messages.kit.views import FormValues, field, is_pickable, option, pickable_options, select
from providers.buildio import action_ids
from providers.buildio.api.access import reading_client
from providers.buildio.api.models import Dyno
from providers.buildio.processes import messages, restart_form
from providers.buildio.processes.actions import RestartAction
from providers.buildio.processes.restart_form import ALL, DYNO, RestartForm
from providers.buildio.provider import BUILDIO
from providers.buildio.shared import lookup
from providers.buildio.shared.arguments import is_dyno
from providers.buildio.shared.blocks import app_name
from providers.buildio.shared.lookup import AppOrigin
from services.actions import run
from services.provider_spec import CommandSpec
from services.request.context import Reply, RequestContext
from services.request.finder import app_by_slug, find_app
from services.request.forms import FieldError, Form, open_or_offer


class ListDynos(Command):
    """List an app's processes."""

    app: AppArgument = None


class RestartDynos(Command):
    """Restart a process of an app, or all of them."""

    app: AppArgument = None
    dyno: WordArgument = None

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> RestartDynos:
        """Parse the app and the process. A single word that looks like a process is one."""
        app, dyno = arguments.take_app_and_word(is_dyno)
        return cls(app=app, dyno=dyno)


@dataclass
class RestartProcessesForm(Form[AppOrigin, RestartForm, Reply | None]):
    """Restarts a process or all; `dynos` are those to pick from."""

    callback_id = action_ids.RESTART_MODAL
    title = "Restart"
    error_field = DYNO
    progress = "Restarting…"
    read_origin = AppOrigin.read

    dynos: Sequence[Dyno] = ()

    @staticmethod
    def read_input(values: FormValues) -> RestartForm:
        """Read the picked process. Raises FieldError."""
        filled = restart_form.read_restart(values)
        if filled is None:
            raise FieldError(DYNO, "Pick a process, or all of them.")
        return filled

    def render(self, problem: str | None = None) -> Block:
        """Draw the form with the picked process."""
        dyno = self.filled.dyno
        names = dict.fromkeys([*([dyno] if dyno else []), *(known.name for known in self.dynos)])
        options = [option("All processes", ALL), *pickable_options(names)]
        chosen = dyno if dyno and is_pickable(dyno) else ALL
        return self.draw(
            section(
                f"Processes of *{app_name(self.origin.of_app)}* stop and start again. Work in progress stops."
            ),
            field(DYNO, "Process", select(options, "Pick a process", chosen), optional=False),
            submit="Restart",
            problem=problem,
        )

    async def submit(self) -> Reply | None:
        """Restart the processes. Raises PermissionDenied, UserError, ProviderError."""
        app = await app_by_slug(self.context, self.origin.app, BUILDIO)
        if self.filled.dyno is None:
            return await restart_all(app, self.context)
        return await restart_one(app, self.filled.dyno, self.context)


async def list_dynos(command: ListDynos, context: RequestContext) -> Reply:
    """Reply with the processes of the app, or of the channel's app."""
    return await reply_with_list(await find_app(context, command.app, BUILDIO), context)


async def reply_with_list(app: App, context: RequestContext) -> Reply:
    """Reply with the current list of the app's processes. Raises ProviderError."""
    return Reply(await build_list(app, context), title="Processes")


async def build_list(app: App, context: RequestContext) -> Message:
    """Build the current list of the app's processes. Raises ProviderError."""
    return messages.dyno_list(
        app, await reading_client(context).dynos(app.slug), now=context.provider_now(app.provider)
    )


async def restart(command: RestartDynos, context: RequestContext) -> Reply | None:
    """Restart the named process; ask for confirmation before all restart. Raises the errors of `restart_one`."""
    app = await find_app(context, command.app, BUILDIO)
    if command.dyno is not None:
        return await restart_one(app, command.dyno, context)
    return await open_form(app, RestartForm(), context)


async def restart_one(app: App, dyno: str, context: RequestContext) -> Reply | None:
    """Restart this process. Raises UserError if it does not exist, PermissionDenied, ProviderError."""
    names = [dyno_info.name for dyno_info in await reading_client(context).dynos(app.slug)]
    if dyno not in names:
        raise UserError(lookup.unknown_thing("process", dyno, names, lists=f"ps {app.title}"))
    return (await run.run_action(RestartAction(app=app, dyno=dyno), context)).answer


async def restart_all(app: App, context: RequestContext) -> Reply | None:
    """Restart all processes. Raises PermissionDenied, ProviderError."""
    return (await run.run_action(RestartAction(app=app), context)).answer


async def open_form(app: App, filled: RestartForm, context: RequestContext) -> Reply | None:
    """Open the form that asks which processes to restart; without one, ask whether to restart all.

    Raises ProviderError, SlackCallFailed.
    """

    async def load() -> RestartProcessesForm:
        dynos = await reading_client(context).dynos(app.slug)
        return RestartProcessesForm(context, AppOrigin.of(app, context), filled, dynos)

    question = Reply(restart_form.restart_question(app))
    return await open_or_offer(load, context, RestartProcessesForm.title, question)


COMMANDS = (
    CommandSpec(
        ListDynos,
        "ps",
        "List an app's processes, each with a button to restart it.",
        ("ps shop",),
        handler=list_dynos,
        read_only=True,
        aliases=("dynos", "processes"),
    ),
    CommandSpec(
        RestartDynos,
        "restart",
        "Restart all processes of an app, or one.",
        ("restart shop", "restart shop web.1", "restart web.1"),
        handler=restart,
        aliases=("reboot",),
    ),
)
