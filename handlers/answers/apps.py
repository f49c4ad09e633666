"""Questions about apps, and the channel's choice of one."""

from __future__ import annotations

from bot import messages
from bot.build import Provider
from bot.commands import ListApps, UseApp, WhoAmI
from handlers.answers.acts import may_act
from handlers.caller import Answer, Audience, Caller
from handlers.finding import NotNamed

PAGE = 20


async def list_apps(ask: ListApps, caller: Caller) -> Answer:
    """A page of the apps that the bot sees."""
    apps = sorted(await caller.desk.apps.all(), key=lambda app: app.title.casefold())
    start = (ask.page - 1) * PAGE
    return Answer(messages.app_list(apps[start : start + PAGE], total=len(apps), page=ask.page, size=PAGE))


async def use_app(ask: UseApp, caller: Caller) -> Answer:
    """Make an app the channel's default. Raises NotNamed where none is named."""
    if ask.app is None:
        raise NotNamed("Which app? For example `/bitrise use android`; `/bitrise apps` lists them all.")
    app = await caller.desk.apps.find(ask.app)
    await caller.desk.storage.channels.use(
        caller.team, caller.channel, Provider.BITRISE, app.slug, by=caller.person, at=caller.now()
    )
    return Answer(messages.using_app(app, by=caller.person), Audience.CHANNEL)


async def who_am_i(_ask: WhoAmI, caller: Caller) -> Answer:
    """Whose token answers here, and what it may do for the person."""
    me = await caller.desk.bitrise.me()
    return Answer(messages.whoami(me.username or me.slug, person=caller.person, may_act=may_act(caller)))
