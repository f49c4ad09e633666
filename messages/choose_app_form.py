"""The form that chooses a channel's app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.message import Block
from messages.kit import action_ids
from messages.kit.blocks import section
from messages.kit.view_metadata import ViewMetadata
from messages.kit.views import FormValues, field, modal, search_select, warning

TITLE = "Choose an app"
# The block of the field.
APP = "app"


def choose_app_modal(*, origin: ViewMetadata, problem: str | None = None) -> Block:
    """Render the form that asks which app is the channel's."""
    return modal(
        TITLE,
        [
            *warning(problem),
            section("Commands here that name no app will mean this one. The channel is told."),
            field(APP, "App", search_select(action_ids.PICK_APP, "Type a part of its name"), optional=False),
        ],
        callback_id=action_ids.CHOOSE_APP_MODAL,
        private_metadata=origin.encode(),
        submit="Choose",
        close="Cancel",
    )


def read_app(values: Mapping[str, Any]) -> str | None:
    """Read the slug of the picked app. `values` is the view's state as Slack sends it."""
    return FormValues(values).picked(APP)
