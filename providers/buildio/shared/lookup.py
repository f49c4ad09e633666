"""Lookup of what a request names at Build.io: an app, another resource, and the error if there is none.

Texts of errors are not escaped, as with exceptions.
"""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol, Self, TypeVar

from domain.build import App
from domain.commands.errors import UserError, redact_typed
from domain.message import Message
from domain.provider_errors import NotFound, RequestRejected
from messages.kit.mrkdwn import plain
from messages.kit.views import ViewMetadata
from providers.buildio.provider import BUILDIO
from providers.buildio.shared.blocks import COMMAND
from providers.buildio.shared.button_values import LONGEST_TITLE, BuildioAppButton, Title
from services.lookup.app_matching import describe_total
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply, RequestContext
from services.request.finder import app_by_slug


class AppOrigin(ViewMetadata):
    """Metadata with the app's name."""

    title: Title = ""

    @classmethod
    def of(cls, app: App, context: RequestContext) -> Self:
        """Return the metadata of a form about this app that is opened here."""
        return cls(
            channel=context.channel, provider=BUILDIO, app=app.slug, title=plain(app.title, LONGEST_TITLE)
        )

    @property
    def of_app(self) -> App:
        """Return the app, as far as the form shows it."""
        return App(provider=BUILDIO, slug=self.app, title=self.title)


def form_metadata(context: RequestContext) -> ViewMetadata:
    """Return the metadata of a form that is opened here."""
    return ViewMetadata(channel=context.channel, provider=BUILDIO)


async def find_button_app(press: ButtonPress) -> App:
    """Find the app that the button names. Raises InvalidButtonValue, ProviderError."""
    return await app_by_slug(press.context, BuildioAppButton.decode(press.value).app, BUILDIO)


def on_app(handle: Callable[[App, RequestContext], Awaitable[Reply | None]]) -> ButtonHandler:
    """Return the handler of a button that does something with its app."""

    async def handle_press(press: ButtonPress) -> Reply | None:
        return await handle(await find_button_app(press), press.context)

    return handle_press


def refresh_with(build: Callable[[App, RequestContext], Awaitable[Message]]) -> ButtonHandler:
    """Return the handler of a button that builds its message again."""

    async def handle_press(press: ButtonPress) -> None:
        await press.responder.replace_original(await build(await find_button_app(press), press.context))

    return handle_press


_NAMES_SAID = 3


def unknown_thing(kind: str, typed: str, names: Iterable[str], *, lists: str) -> str:
    """Explain that there is no such resource, with similar names and the command that lists all."""
    known = list(names)
    by_case = {name.casefold(): name for name in known}
    matches = difflib.get_close_matches(typed.casefold(), by_case, n=_NAMES_SAID, cutoff=0.5)
    similar = [by_case[name] for name in matches]
    hint = f" Did you mean {' or '.join(f'`{name}`' for name in similar)}?" if similar else ""
    return (
        f"No {kind} named `{redact_typed(typed, 80)}`.{hint} `{COMMAND} {lists}` lists"
        f" {describe_total(len(known))}."
    )


def unknown_key(key: str, keys: Iterable[str], *, lists: str) -> str:
    """Explain that there is no such config var, with similar keys."""
    return unknown_thing("config var", key, keys, lists=lists)


def platform_domain(host: str) -> str:
    """Explain that Build.io's own domain can't be removed."""
    return f"`{host[:260]}` is Build.io's own domain for the app and can't be removed."


def no_process() -> str:
    """Explain that there is no running process for a command."""
    return f"The app has no running process to run a command in. Deploy it, or check `{COMMAND} ps`."


def which_process(names: Iterable[str]) -> str:
    """Ask for the process if several are running."""
    return f"Which process? Add `dyno:NAME` with one of {', '.join(sorted(names))}."


# A sentence of the help.
NAMES = "Name a pipeline, namespace or team by its name or ID."


class NamedResource(Protocol):
    """A resource with a name."""

    @property
    def name(self) -> str:
        """The display name."""


T = TypeVar("T")


async def find_by_name(
    find: Callable[[str], Awaitable[T]],
    everything: Callable[[], Awaitable[Sequence[NamedResource]]],
    typed: str,
    *,
    what: str,
    lists: str,
) -> T:
    """Return what `find` finds by name or ID. Raises UserError with the most similar names of all, ProviderError."""
    try:
        return await find(typed)
    except (NotFound, RequestRejected) as problem:
        # Rejected: the text can't be a name in a URL.
        names = [resource.name for resource in await everything()]
        raise UserError(unknown_thing(what, typed, names, lists=lists)) from problem
