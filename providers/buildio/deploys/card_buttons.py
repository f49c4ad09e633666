"""The buttons below Build.io's deployments and dynos. Pure; no I/O."""

from __future__ import annotations

from domain.build import App, Build
from domain.message import Block
from messages.kit.blocks import button
from providers.buildio import action_ids
from providers.buildio.shared.button_values import BuildioButton, RedeployButton


def card_buttons(build: Build, app: App) -> list[Block | None]:
    """Return the buttons below the card of a deployment or dyno, and of its failure streak."""
    value = BuildioButton.of(build, app).encode()
    return [
        button("Processes", action_ids.PS, value),
        button("Restart…", action_ids.RESTART, value),
        button("Refresh", action_ids.REFRESH, value),
        button("Deploy again…", action_ids.DEPLOY, RedeployButton.again(build, app).encode())
        if build.ended
        else None,
    ]


def details_button(build: Build, app: App) -> Block:
    """Return the button that shows the app of a deployment or dyno in a list."""
    label = f"Details of {app.title} {build.label}"
    return button("Details", action_ids.APP, BuildioButton.of(build, app).encode(), label=label)
