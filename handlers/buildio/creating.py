"""Making an app: by words, or by filling in a form."""

from __future__ import annotations

from bot import acts, messages
from bot.commands.buildio import CreateApp
from bot.messages import actions, buildio
from bot.messages.buildio import CreateForm
from bot.messages.message import Block
from handlers import doing
from handlers.buildio.opening import origin_of
from handlers.buildio.owners import with_team
from handlers.caller import Answer, Caller
from handlers.finding import NotNamed
from handlers.modal_opening import open_in_time


async def create(ask: CreateApp, caller: Caller) -> Answer | None:
    """Make the app that the words name; without a name, ask for it. Raises NotAllowed, NotNamed, ProviderError."""
    form = CreateForm(**ask.model_dump())
    if ask.name is None:
        return await open_form(form, caller)
    for problem in form.problems.values():
        raise NotNamed(problem)
    return await make(ask, caller)


async def make(ask: CreateApp, caller: Caller) -> Answer | None:
    """Make this app. Raises NotAllowed, NotNamed, ProviderError."""
    form = await with_team(CreateForm(**ask.model_dump()), caller)
    act = acts.CreateApp(name=form.name or "", team=form.team, team_title=form.team_title, region=form.region)
    return (await doing.do(act, caller)).answer


async def open_form(form: CreateForm, caller: Caller) -> Answer | None:
    """Show the form, or a button for it where none can be opened. Raises NotNamed, ProviderError, SlackCallFailed."""
    if not caller.trigger_id:
        words = "What is the app called?"
        return Answer(messages.form_button(words, "Create an app…", actions.BUILDIO_CREATE, "create"))
    await open_in_time(_form(form, caller), caller, "Create an app")
    return None


async def _form(form: CreateForm, caller: Caller) -> Block:
    return buildio.create_modal(await with_team(form, caller), origin=origin_of(caller))
