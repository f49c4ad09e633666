"""Lists of apps, the channel's app, and the form that chooses it."""

from __future__ import annotations

from collections.abc import Sequence

from domain.build import App, FrozenModel
from domain.message import Block, Message
from domain.provider import Provider
from messages.kit import action_ids
from messages.kit.blocks import context, page_row, paragraphs, section, text_message
from messages.kit.button_values import AppsButton
from messages.kit.mrkdwn import code, escape, link, mention
from messages.kit.views import (
    FormValues,
    app_option,
    field,
    is_pickable,
    matching_names,
    option,
    option_groups,
    search_select,
)
from messages.provider_presentation import ProviderPresentation


def app_list(
    apps: Sequence[App], *, presentation: ProviderPresentation, total: int, page: int, size: int
) -> Message:
    """Render a page of a provider's apps."""
    if not apps:
        words = (
            "There is no such page."
            if total
            else f"This token can't see any apps. Give its owner access to an app at {presentation.label}."
        )
        return text_message(words)
    pages = -(-total // size)
    count = f"{total} app{'s' if total != 1 else ''}"
    title = f"*{count}*" + (f", page {page} of {pages}" if pages > 1 else "")
    blocks = [section(title), *paragraphs([_line(app, presentation) for app in apps])]
    blocks += page_row(page, pages, action_ids.APPS_PAGE, lambda number: AppsButton(page=number).encode())
    blocks.append(context(f"`{presentation.command} use APP` sets this channel's app."))
    return Message(escape(f"{count}: {', '.join(app.title for app in apps)}", 2000), blocks)


def app_options(typed: str, apps: Sequence[App]) -> list[Block]:
    """Return the options of one provider's apps whose title or repository contains what was typed."""
    return [option(app.title or app.slug, app.slug, app.repository) for app in _matching_apps(typed, apps)]


def any_app_options(typed: str, apps: Sequence[App]) -> dict[str, list[Block]]:
    """Return the options of all providers' apps as Slack takes them: grouped if there are several providers."""
    groups = {
        provider: [
            any_app_option(app)
            for app in _matching_apps(
                typed, [candidate for candidate in apps if candidate.provider is provider]
            )
        ]
        for provider in dict.fromkeys(app.provider for app in apps)
    }
    if len(groups) < 2 or not any(groups.values()):
        return {"options": [block for options in groups.values() for block in options]}
    return {"option_groups": option_groups({at.label: options for at, options in groups.items()})}


def any_app_option(app: App) -> Block:
    """Return the app's option in a list of all providers' apps."""
    at = "" if app.provider is Provider.legacy_default() else f"{app.provider}/"
    return option(app.title or app.slug, f"{at}{app.slug}", app.repository)


def read_any_app(value: str, title: str | None = None) -> App | None:
    """Return the app picked from a list of all providers' apps; None for a value that was never offered."""
    name, slash, slug = value.rpartition("/")
    try:
        provider = Provider.named(name) if slash else Provider.legacy_default()
    except ValueError:
        return None
    return App(provider=provider, slug=slug, title=title or slug) if slug else None


def _matching_apps(typed: str, apps: Sequence[App]) -> list[App]:
    named = {f"{app.title} {app.repository or ''} {app.slug}": app for app in apps}
    offered = [named[name] for name in matching_names(typed, sorted(named, key=str.casefold))]
    return [app for app in offered if is_pickable(app.slug)]


def app_chosen(app: App, *, by: str) -> Message:
    """Tell the channel that its app was chosen."""
    words, note = f"{mention(by)} set this channel's app to", "Commands that name no app use it."
    return Message(
        f"{words} {escape(app.title)}. {note}", [section(f"{words} *{escape(app.title)}*. {note}")]
    )


def _line(app: App, presentation: ProviderPresentation) -> str:
    repository = f" · {escape(app.repository)}" if app.repository else ""
    disabled = f" · _disabled at {presentation.label}_" if app.disabled else ""
    return (
        f"*{link(presentation.app_url(app.slug), app.title, 120)}*{repository} · {code(app.slug)}{disabled}"
    )


# The block of the field.
APP_FIELD = "app"


class PickedApp(FrozenModel):
    """The picked app, as the list showed it."""

    slug: str
    title: str


def choose_app_fields(picked: PickedApp | None, provider: Provider) -> list[Block]:
    """Render the fields of the form that asks which app is the channel's."""
    app = App(provider=provider, slug=picked.slug, title=picked.title) if picked else None
    select = search_select(action_ids.PICK_APP, "Type part of its name", app_option(app))
    return [
        section("Commands that name no app will use this one. The channel is notified."),
        field(APP_FIELD, "App", select, optional=False),
    ]


def read_app(values: FormValues) -> PickedApp | None:
    """Read the picked app."""
    slug = values.picked(APP_FIELD)
    return PickedApp(slug=slug, title=values.picked_words(APP_FIELD) or slug) if slug else None
