"""Questions about apps, and the channel's choice of one."""

from __future__ import annotations

from bot import messages
from bot.commands import ListApps, UseApp, grammar_of
from bot.messages import Message
from bot.provider import Provider
from handlers.answers.subscriptions import current_app
from handlers.caller import Answer, Audience, Caller
from handlers.doing import permitted
from handlers.finding import NotNamed
from handlers.membership import NotAMember

PAGE = 20


async def list_apps(ask: ListApps, caller: Caller) -> Answer:
    """A page of the apps that the person may see."""
    apps = sorted(await caller.apps.all(), key=lambda app: app.title.casefold())
    start = (ask.page - 1) * PAGE
    said = messages.app_list(apps[start : start + PAGE], total=len(apps), page=ask.page, size=PAGE)
    return Answer(await with_limit(said, caller, Provider.BITRISE, empty=not apps))


async def with_limit(said: Message, caller: Caller, provider: Provider, *, empty: bool) -> Message:
    """The list with the reason why there is no more in it, where somebody sees what the channel follows alone.

    Raises that reason where there is nothing in it at all.
    """
    limit = await caller.apps_of(provider).limit()
    if limit is None or isinstance(limit, NotAMember):
        return said
    if empty:
        raise limit
    return messages.with_connect_button(said, str(limit), provider)


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
