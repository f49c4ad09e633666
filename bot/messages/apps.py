"""Apps, and whose token sees them."""

from __future__ import annotations

from collections.abc import Sequence

from bot.build import App
from bot.messages import actions
from bot.messages.blocks import button, context, paragraphs, row, section
from bot.messages.buttons import AppsButton
from bot.messages.message import Block, Message
from bot.messages.modals import found, option, pickable
from bot.messages.text import code, escape, link, mention


def app_list(apps: Sequence[App], *, total: int, page: int, size: int) -> Message:
    """A page of the apps that the bot sees."""
    if not apps:
        words = (
            "There is no such page."
            if total
            else "The token sees no apps. Give its owner access to some at Bitrise."
        )
        return Message(words, [section(words)])
    pages = -(-total // size)
    earlier = (
        button("Previous page", actions.APPS_PAGE, AppsButton(page=page - 1).encode()) if page > 1 else None
    )
    later = (
        button("Next page", f"{actions.APPS_PAGE}_next", AppsButton(page=page + 1).encode())
        if page < pages
        else None
    )
    title = f"*{total} app{'s' if total != 1 else ''}*" + (f", page {page} of {pages}" if pages > 1 else "")
    blocks = [section(title), *paragraphs([_line(app) for app in apps])]
    if earlier or later:
        blocks.append(row(earlier, later))
    blocks.append(context("`/bitrise use APP` makes one of them this channel's app."))
    return Message(escape(f"{total} apps: {', '.join(app.title for app in apps)}", 2000), blocks)


def app_options(typed: str, apps: Sequence[App]) -> list[Block]:
    """What a list of apps offers for what was typed: those with that in their title or repository."""
    named = {f"{app.title} {app.repository or ''} {app.slug}": app for app in apps}
    offered = [named[name] for name in found(typed, sorted(named, key=str.casefold))]
    return [option(app.title or app.slug, app.slug, app.repository) for app in offered if pickable(app.slug)]


def using_app(app: App, *, by: str) -> Message:
    """The channel's app was chosen."""
    words = "is this channel's app now: commands that name none mean it"
    return Message(
        f"{escape(app.title)} {words}, says {mention(by)}.",
        [section(f"*{escape(app.title)}* {words}, says {mention(by)}.")],
    )


def _line(app: App) -> str:
    repository = f" · {escape(app.repository)}" if app.repository else ""
    disabled = " · _disabled at Bitrise_" if app.disabled else ""
    page = f"https://app.bitrise.io/app/{app.slug}"
    return f"*{link(page, app.title, 120)}*{repository} · {code(app.slug)}{disabled}"
