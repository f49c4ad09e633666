"""An app's processes: listed, restarted."""

from __future__ import annotations

from bot import acts
from bot.build import App
from bot.commands.buildio import ListDynos, RestartDynos
from bot.messages import Message, buildio
from bot.messages.buildio import RestartForm, RestartOrigin
from bot.messages.message import Block
from bot.messages.text import plain
from bot.provider import Provider
from handlers import doing
from handlers.caller import Answer, Caller
from handlers.finding import NotNamed, find_app
from handlers.modal_opening import open_in_time

TITLE = "Processes"


async def list_dynos(ask: ListDynos, caller: Caller) -> Answer:
    """The processes of the app that the words name, or of the channel's."""
    app = await find_app(caller, ask.app, Provider.BUILDIO)
    return Answer(await shown(app, caller), title=TITLE)


async def shown(app: App, caller: Caller) -> Message:
    """The processes of this app as they are now. Raises ProviderError."""
    return buildio.dyno_list(app, await caller.buildio.dynos(app.slug), now=caller.now_at(app.provider))


async def restart(ask: RestartDynos, caller: Caller) -> Answer | None:
    """Restart the process that is named; before all of them restart, it is asked. Raises what `restart_one` does."""
    app = await find_app(caller, ask.app, Provider.BUILDIO)
    if ask.dyno is not None:
        return await restart_one(app, ask.dyno, caller)
    if not caller.trigger_id:
        return Answer(buildio.restart_question(app))
    await open_form(app, RestartForm(), caller)
    return None


async def restart_one(app: App, dyno: str, caller: Caller) -> Answer | None:
    """Restart this process. Raises NotNamed where there is none, NotAllowed, ProviderError."""
    names = [one.name for one in await caller.buildio.dynos(app.slug)]
    if dyno not in names:
        raise NotNamed(buildio.unknown_thing("process", dyno, names, lists=f"ps {app.title}"))
    return (await doing.do(acts.Restart(app=app, dyno=dyno), caller)).answer


async def restart_all(app: App, caller: Caller) -> Answer | None:
    """Restart all processes. Raises NotAllowed, ProviderError."""
    return (await doing.do(acts.Restart(app=app), caller)).answer


async def open_form(app: App, form: RestartForm, caller: Caller) -> None:
    """Ask which processes restart. Raises ProviderError, SlackCallFailed."""
    await open_in_time(_form(app, form, caller), caller, "Restart")


async def _form(app: App, form: RestartForm, caller: Caller) -> Block:
    dynos = await caller.buildio.dynos(app.slug)
    origin = RestartOrigin(
        channel=caller.channel, provider=Provider.BUILDIO, app=app.slug, title=plain(app.title, 100)
    )
    return buildio.restart_modal(form, app, dynos, origin=origin)
