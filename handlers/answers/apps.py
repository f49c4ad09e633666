"""Questions about apps, and the channel's choice of one."""

from __future__ import annotations

from bot import messages
from bot.commands import ListApps, UseApp, grammar_of
from bot.provider import Provider
from handlers.answers.subscriptions import current_app
from handlers.caller import Answer, Audience, Caller
from handlers.doing import permitted
from handlers.finding import NotNamed

PAGE = 20


async def list_apps(ask: ListApps, caller: Caller) -> Answer:
    """A page of the apps that the person may see."""
    apps = sorted(await caller.apps.all(), key=lambda app: app.title.casefold())
    start = (ask.page - 1) * PAGE
    return Answer(messages.app_list(apps[start : start + PAGE], total=len(apps), page=ask.page, size=PAGE))


async def use_app(ask: UseApp, caller: Caller, provider: Provider) -> Answer:
    """Make an app the channel's default. Raises NotAllowed, and NotNamed where none is named."""
    if ask.app is None:
        example = grammar_of(provider).entry_for("use")
        raise NotNamed(
            f"Which app? For example `{provider.command} {example.example if example else 'use APP'}`;"
            f" `{provider.command} apps` lists them all."
        )
    app = await current_app(await caller.apps_of(provider).find(ask.app), caller)
    async with permitted(caller, "use", provider, app):
        await caller.storage.channels.use(
            caller.channel, provider, app.slug, by=caller.person, at=caller.now()
        )
    return Answer(messages.using_app(app, by=caller.person), Audience.CHANNEL)
