"""Questions about apps, and the channel's choice of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot import messages
from bot.build import App
from bot.commands import ListApps, UseApp, grammar_of
from bot.messages.apps import NO_NOTES
from bot.provider import Provider
from handlers.caller import Answer, Audience, Caller
from handlers.doing import permitted
from handlers.finding import NotNamed

PAGE = 20


async def list_apps(ask: ListApps, caller: Caller) -> Answer:
    """A page of the apps that the person may see."""
    return page_of(await caller.apps.all(), Provider.BITRISE, page=ask.page)


def page_of(
    apps: Sequence[App],
    provider: Provider,
    *,
    page: int,
    team: str | None = None,
    notes: Mapping[str, str] = NO_NOTES,
) -> Answer:
    """A page of these apps, by their titles; those of a team, where that was asked for."""
    ordered = sorted(apps, key=lambda app: app.title.casefold())
    start = (page - 1) * PAGE
    shown = ordered[start : start + PAGE]
    return Answer(
        messages.app_list(shown, provider, total=len(ordered), page=page, size=PAGE, team=team, notes=notes)
    )


async def use_app(ask: UseApp, caller: Caller, provider: Provider) -> Answer:
    """Make an app the channel's default. Raises NotAllowed, and NotNamed where none is named."""
    if ask.app is None:
        example = grammar_of(provider).entry_for("use")
        raise NotNamed(
            f"Which app? For example `{provider.command} {example.example if example else 'use APP'}`;"
            f" `{provider.command} apps` lists them all."
        )
    app = await caller.apps_of(provider).find(ask.app)
    async with permitted(caller, "use", provider, app):
        await caller.storage.channels.use(
            caller.channel, provider, app.slug, by=caller.person, at=caller.now()
        )
    return Answer(messages.using_app(app, by=caller.person), Audience.CHANNEL)
