"""The form that finds builds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.build import App, FrozenModel
from domain.message import Block, Message
from messages.kit import action_ids as shared_action_ids
from messages.kit.blocks import section
from messages.kit.view_metadata import ViewMetadata
from messages.kit.views import (
    FormValues,
    app_option,
    field,
    modal,
    search_select,
    shown_in_modal,
    text_element,
    warning,
)
from providers.bitrise import action_ids
from providers.bitrise.provider import BITRISE

APP = "app"
WORDS = "words"
LONGEST_WORDS = 1000


class BuildSearch(FrozenModel):
    """A search: the slug and title of the picked app, if any, and `words` with the syntax of the command."""

    app: str | None = None
    title: str | None = None
    words: str = ""


def find_modal(search: BuildSearch, *, origin: ViewMetadata, problem: str | None = None) -> Block:
    """Render the form, filled in with a search."""
    return modal(
        "Find a build",
        [
            *warning(problem),
            field(
                APP,
                "App",
                search_select(
                    shared_action_ids.PICK_APP, "None picked: the channel's own", _app_option(search)
                ),
            ),
            field(
                WORDS,
                "Number, link, or what it is like",
                text_element(search.words, most=LONGEST_WORDS, placeholder="#123"),
                hint="#123, a pasted link, or filters: branch:main status:failed by:@me since:2d. Empty: the latest.",
            ),
        ],
        callback_id=action_ids.FIND_MODAL,
        private_metadata=origin.encode(),
        submit="Find",
        close="Cancel",
    )


def found_builds(message: Message, *, origin: ViewMetadata) -> Block:
    """Render the search results, shown on top of the form."""
    return shown_in_modal("Find a build", message, private_metadata=origin.encode())


def search_in_progress() -> Block:
    """Render the modal while Bitrise takes long."""
    return modal(
        "Find a build",
        [section("⏳ Looking…")],
    )


def read_search(values: Mapping[str, Any]) -> BuildSearch:
    """Read the form. `values` is the view's state as Slack sends it."""
    form_values = FormValues(values)
    return BuildSearch(
        app=form_values.picked(APP),
        title=form_values.picked_words(APP),
        words=" ".join(form_values.text(WORDS).split()),
    )


def _app_option(search: BuildSearch) -> Block | None:
    return (
        app_option(App(provider=BITRISE, slug=search.app, title=search.title or ""))
        if search.app is not None
        else None
    )


def picked_app(values: Mapping[str, Any]) -> App | None:
    """Return the app that was picked, if any."""
    search = read_search(values)
    return App(provider=BITRISE, slug=search.app, title=search.title or search.app) if search.app else None
