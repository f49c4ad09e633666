"""An app's processes: listed, restarted."""

from __future__ import annotations

from domain.build import App
from domain.message import Block, Message
from domain.provider import Provider
from messages.kit.mrkdwn import plain
from providers.buildio.commands import ListDynos, RestartDynos
from providers.buildio.processes import messages, restart_form
from providers.buildio.processes.restart_form import RestartForm, RestartOrigin
from providers.buildio.shared import error_texts
from services.actions import action_types, run
from services.request.context import Reply, RequestContext
from services.request.finder import UserError, find_app
from services.request.modals import open_in_time

TITLE = "Processes"


async def list_dynos(ask: ListDynos, caller: RequestContext) -> Reply:
    """The processes of the app that the words name, or of the channel's."""
    app = await find_app(caller, ask.app, Provider.BUILDIO)
    return Reply(await shown(app, caller), title=TITLE)


async def shown(app: App, caller: RequestContext) -> Message:
    """The processes of this app as they are now. Raises ProviderError."""
    return messages.dyno_list(app, await caller.buildio.dynos(app.slug), now=caller.now_at(app.provider))


async def restart(ask: RestartDynos, caller: RequestContext) -> Reply | None:
    """Restart the process that is named; before all of them restart, it is asked. Raises what `restart_one` does."""
    app = await find_app(caller, ask.app, Provider.BUILDIO)
    if ask.dyno is not None:
        return await restart_one(app, ask.dyno, caller)
    if not caller.trigger_id:
        return Reply(restart_form.restart_question(app))
    await open_form(app, RestartForm(), caller)
    return None


async def restart_one(app: App, dyno: str, caller: RequestContext) -> Reply | None:
    """Restart this process. Raises UserError where there is none, PermissionDenied, ProviderError."""
    names = [one.name for one in await caller.buildio.dynos(app.slug)]
    if dyno not in names:
        raise UserError(error_texts.unknown_thing("process", dyno, names, lists=f"ps {app.title}"))
    return (await run.run_action(action_types.RestartAction(app=app, dyno=dyno), caller)).answer


async def restart_all(app: App, caller: RequestContext) -> Reply | None:
    """Restart all processes. Raises PermissionDenied, ProviderError."""
    return (await run.run_action(action_types.RestartAction(app=app), caller)).answer


async def open_form(app: App, form: RestartForm, caller: RequestContext) -> None:
    """Ask which processes restart. Raises ProviderError, SlackCallFailed."""
    await open_in_time(_form(app, form, caller), caller, "Restart")


async def _form(app: App, form: RestartForm, caller: RequestContext) -> Block:
    dynos = await caller.buildio.dynos(app.slug)
    origin = RestartOrigin(
        channel=caller.channel, provider=Provider.BUILDIO, app=app.slug, title=plain(app.title, 100)
    )
    return restart_form.restart_modal(form, app, dynos, origin=origin)
