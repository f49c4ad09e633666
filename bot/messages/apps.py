"""Apps, and whose token sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from bot.build import App
from bot.messages import actions
from bot.messages.blocks import button, context, paragraphs, plain_text, row, section
from bot.messages.buttons import AppsButton
from bot.messages.message import Block, Message
from bot.messages.modals import found, option, pickable
from bot.messages.text import code, escape, link, mention
from bot.provider import Provider

NO_NOTES: Mapping[str, str] = MappingProxyType({})


def app_list(
    apps: Sequence[App],
    provider: Provider = Provider.BITRISE,
    *,
    total: int,
    page: int,
    size: int,
    team: str | None = None,
    notes: Mapping[str, str] = NO_NOTES,
) -> Message:
    """A page of the apps that somebody sees, or of a team's; `notes` says more of some, by their slugs."""
    if not apps:
        words = "There is no such page." if total else _none(provider, team)
        return Message(words, [section(words)])
    pages = -(-total // size)

    def turn(words: str, action_id: str, to: int) -> Block:
        return button(words, action_id, AppsButton(provider=provider, page=to, team=team).encode())

    earlier = turn("Previous page", actions.APPS_PAGE, page - 1) if page > 1 else None
    later = turn("Next page", f"{actions.APPS_PAGE}_next", page + 1) if page < pages else None
    title = f"*{total} app{'s' if total != 1 else ''}*" + (f", page {page} of {pages}" if pages > 1 else "")
    blocks = [section(title), *paragraphs([_line(app, notes.get(app.slug)) for app in apps])]
    if earlier or later:
        blocks.append(row(earlier, later))
    blocks.append(context(f"`{provider.command} use APP` makes one of them this channel's app."))
    return Message(escape(f"{total} apps: {', '.join(app.title for app in apps)}", 2000), blocks)


def app_options(typed: str, apps: Sequence[App]) -> list[Block]:
    """What a list of one provider's apps offers for what was typed: those with that in their title or repository."""
    return [option(app.title or app.slug, app.slug, app.repository) for app in _found(typed, apps)]


def any_app_options(typed: str, apps: Sequence[App]) -> dict[str, list[Block]]:
    """What a list of all providers' apps offers, as Slack wants it: by provider, where there are apps of several."""
    groups = {
        provider: [
            any_app_option(app) for app in _found(typed, [one for one in apps if one.provider is provider])
        ]
        for provider in dict.fromkeys(app.provider for app in apps)
    }
    offered = {provider: options for provider, options in groups.items() if options}
    if len(groups) < 2 or not offered:
        return {"options": [one for options in offered.values() for one in options]}
    return {
        "option_groups": [
            {"label": plain_text(provider.label, 75), "options": options}
            for provider, options in offered.items()
        ]
    }


def any_app_option(app: App) -> Block:
    """The app, as it stands in a list of all providers' apps."""
    at = "" if app.provider is Provider.BITRISE else f"{app.provider}/"
    return option(app.title or app.slug, f"{at}{app.slug}", app.repository)


def read_any_app(value: str, title: str | None = None) -> App | None:
    """The app that was picked from a list of all providers' apps; None for a value that can't have been offered."""
    name, slash, slug = value.rpartition("/")
    try:
        provider = Provider.named(name) if slash else Provider.BITRISE
    except ValueError:
        return None
    return App(provider=provider, slug=slug, title=title or slug) if slug else None


def _found(typed: str, apps: Sequence[App]) -> list[App]:
    named = {f"{app.title} {app.repository or ''} {app.slug}": app for app in apps}
    offered = [named[name] for name in found(typed, sorted(named, key=str.casefold))]
    return [app for app in offered if pickable(app.slug)]


def using_app(app: App, *, by: str) -> Message:
    """The channel's app was chosen."""
    words = "is this channel's app now: commands that name none mean it"
    return Message(
        f"{escape(app.title)} {words}, says {mention(by)}.",
        [section(f"*{escape(app.title)}* {words}, says {mention(by)}.")],
    )


def _none(provider: Provider, team: str | None) -> str:
    if team is not None:
        return f"There are no apps of that team that I may show. `{provider.command} apps` lists all."
    return f"The token sees no apps. Give its owner access to some at {provider.label}."


def _line(app: App, note: str | None) -> str:
    if app.provider is not Provider.BITRISE:
        return f"*{escape(app.title, 120)}*" + (f" · {escape(note, 200)}" if note else "")
    repository = f" · {escape(app.repository)}" if app.repository else ""
    disabled = " · _disabled at Bitrise_" if app.disabled else ""
    page = f"https://app.bitrise.io/app/{app.slug}"
    return f"*{link(page, app.title, 120)}*{repository} · {code(app.slug)}{disabled}"
