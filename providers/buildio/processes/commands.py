"""Commands for an app's processes: list and restart."""

from __future__ import annotations

from domain.build import App
from domain.commands.command import AppArgument, ArgumentReader, Command, WordArgument
from domain.message import Block, Message
from messages.kit.mrkdwn import plain
from providers.buildio.api.access import reading_client
from providers.buildio.processes import messages, restart_form
from providers.buildio.processes.actions import RestartAction
from providers.buildio.processes.restart_form import RestartForm, RestartOrigin
from providers.buildio.provider import BUILDIO
from providers.buildio.shared import error_texts
from providers.buildio.shared.arguments import is_dyno
from services.actions import run
from services.command_spec import CommandSpec
from services.request.context import Reply, RequestContext
from services.request.errors import UserError
from services.request.finder import find_app
from services.request.modals import open_in_time

TITLE = "Processes"


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


async def list_dynos(command: ListDynos, context: RequestContext) -> Reply:
    """Reply with the processes of the app, or of the channel's app."""
    app = await find_app(context, command.app, BUILDIO)
    return Reply(await build_list(app, context), title=TITLE)


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
    if not context.trigger_id:
        return Reply(restart_form.restart_question(app))
    await open_form(app, RestartForm(), context)
    return None


async def restart_one(app: App, dyno: str, context: RequestContext) -> Reply | None:
    """Restart this process. Raises UserError if it does not exist, PermissionDenied, ProviderError."""
    names = [dyno_info.name for dyno_info in await reading_client(context).dynos(app.slug)]
    if dyno not in names:
        raise UserError(error_texts.unknown_thing("process", dyno, names, lists=f"ps {app.title}"))
    return (await run.run_action(RestartAction(app=app, dyno=dyno), context)).answer


async def restart_all(app: App, context: RequestContext) -> Reply | None:
    """Restart all processes. Raises PermissionDenied, ProviderError."""
    return (await run.run_action(RestartAction(app=app), context)).answer


async def open_form(app: App, form: RestartForm, context: RequestContext) -> None:
    """Open the form that asks which processes to restart. Raises ProviderError, SlackCallFailed."""
    await open_in_time(_form(app, form, context), context, "Restart")


async def _form(app: App, form: RestartForm, context: RequestContext) -> Block:
    dynos = await reading_client(context).dynos(app.slug)
    origin = RestartOrigin(
        channel=context.channel, provider=BUILDIO, app=app.slug, title=plain(app.title, 100)
    )
    return restart_form.restart_modal(form, app, dynos, origin=origin)


COMMANDS = (
    CommandSpec(
        ListDynos,
        "ps",
        "An app's processes, each with a button to restart it.",
        ("ps shop",),
        handler=list_dynos,
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
