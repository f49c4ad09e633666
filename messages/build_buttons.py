"""The rows of buttons below a build, a failure streak, and a build in a list. Pure; no I/O."""

from __future__ import annotations

from domain.build import App, Build
from domain.message import Block
from messages.kit import action_ids
from messages.kit.blocks import button, button_row, link_button
from messages.kit.button_values import BuildButton
from messages.provider_presentation import ProviderPresentation


def open_button(build: Build, presentation: ProviderPresentation) -> Block | None:
    """Return the button that opens the build's page; None if it has none."""
    return link_button(presentation.fill_in(presentation.open_label), build.url, action_ids.OPEN_LINK)


def card_row(build: Build, app: App, presentation: ProviderPresentation) -> list[Block]:
    """Return the row of buttons below a card; empty if there is no button."""
    return button_row(*presentation.card_buttons(build, app), open_button(build, presentation))


def streak_row(
    build: Build, app: App, presentation: ProviderPresentation, *, claimed: bool, snoozed: bool
) -> list[Block]:
    """Return the row below the card of a failure streak. Anyone can take back a claim or a snooze."""
    value = BuildButton.of(build, app).encode()
    return button_row(
        button("Take over", action_ids.CARD_CLAIM, value)
        if claimed
        else button("I'm on it", action_ids.CARD_CLAIM, value, style="primary"),
        button("Unassign", action_ids.CARD_UNCLAIM, value) if claimed else None,
        button("End snooze", action_ids.CARD_UNSNOOZE, value)
        if snoozed
        else button("Snooze 4 hours", action_ids.CARD_SNOOZE, value),
        *presentation.streak_buttons(build, app),
        open_button(build, presentation),
    )
