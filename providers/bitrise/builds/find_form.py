"""The form that finds builds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.build import App, FrozenModel
from domain.message import Block, Message
from messages.choose_app_form import APP
from messages.kit import action_ids
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

WORDS = "words"
LONGEST_WORDS = 1000


class BuildSearch(FrozenModel):
    """What is looked for: an app's slug and title where one was picked, and words as somebody would type them."""

    app: str | None = None
    title: str | None = None
    words: str = ""


def find_modal(sought: BuildSearch, *, origin: ViewMetadata, problem: str | None = None) -> Block:
    """Which build?"""
    return modal(
        "Find a build",
        [
            *warning(problem),
            field(
                APP,
                "App",
                search_select(action_ids.PICK_APP, "None picked: the channel's own", _option(sought)),
            ),
            field(
                WORDS,
                "Number, link, or what it is like",
                text_element(sought.words, most=LONGEST_WORDS, placeholder="#123"),
                hint="#123, a pasted link, or filters: branch:main status:failed by:@me since:2d. Empty: the latest.",
            ),
        ],
        callback_id=action_ids.FIND_MODAL,
        private_metadata=origin.encode(),
        submit="Find",
        close="Cancel",
    )


def found_builds(message: Message, *, origin: ViewMetadata) -> Block:
    """What was found, on top of the question."""
    return shown_in_modal("Find a build", message, private_metadata=origin.encode())


def search_in_progress() -> Block:
    """Bitrise takes its time."""
    return modal(
        "Find a build",
        [section("⏳ Looking…")],
    )


def read_search(values: Mapping[str, Any]) -> BuildSearch:
    """What was filled in. `values` is the view's state as Slack sends it."""
    filled = FormValues(values)
    return BuildSearch(
        app=filled.picked(APP), title=filled.picked_words(APP), words=" ".join(filled.text(WORDS).split())
    )


def _option(sought: BuildSearch) -> Block | None:
    return app_option(App(slug=sought.app, title=sought.title or "")) if sought.app is not None else None


def picked_app(values: Mapping[str, Any]) -> App | None:
    """The app that was picked."""
    sought = read_search(values)
    return App(slug=sought.app, title=sought.title or sought.app) if sought.app else None
