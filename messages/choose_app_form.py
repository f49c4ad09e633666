"""The form that chooses a channel's app."""

from __future__ import annotations

from domain.build import App, FrozenModel
from domain.message import Block
from domain.provider import Provider
from messages.kit import action_ids
from messages.kit.blocks import section
from messages.kit.views import FormValues, app_option, field, search_select

# The block of the field.
APP = "app"


class PickedApp(FrozenModel):
    """The picked app, as the list showed it."""

    slug: str
    title: str


def choose_app_fields(picked: PickedApp | None, provider: Provider) -> list[Block]:
    """Render the fields of the form that asks which app is the channel's."""
    app = App(provider=provider, slug=picked.slug, title=picked.title) if picked else None
    select = search_select(action_ids.PICK_APP, "Type a part of its name", app_option(app))
    return [
        section("Commands here that name no app will mean this one. The channel is told."),
        field(APP, "App", select, optional=False),
    ]


def read_app(values: FormValues) -> PickedApp | None:
    """Read the picked app."""
    slug = values.picked(APP)
    return PickedApp(slug=slug, title=values.picked_words(APP) or slug) if slug else None
