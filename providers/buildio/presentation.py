"""The presentation of Build.io in messages: its texts, and the buttons of its deployments and dynos."""

from __future__ import annotations

from domain.build import App, Build
from domain.message import Block
from messages.kit.blocks import button
from messages.provider_presentation import ProviderPresentation
from providers.buildio import action_ids
from providers.buildio.provider import BUILDIO
from providers.buildio.shared.button_values import BuildioButton, RedeployButton


def card_buttons(build: Build, app: App) -> list[Block | None]:
    """Return the buttons below the card of a deployment or dyno, and of its failure streak."""
    value = BuildioButton.of(build, app).encode()
    return [
        button("View processes", action_ids.PS, value),
        button("Restart…", action_ids.RESTART, value),
        button("Refresh", action_ids.REFRESH, value),
        button("Deploy again…", action_ids.DEPLOY, RedeployButton.again(build, app).encode())
        if build.ended
        else None,
    ]


def details_button(build: Build, app: App) -> Block:
    """Return the button that shows the app of a deployment or dyno in a list."""
    label = f"View details of {app.title} {build.label}"
    return button("View details", action_ids.APP, BuildioButton.of(build, app).encode(), label=label)


PRESENTATION = ProviderPresentation(
    BUILDIO,
    # The reference names no dashboard page of an app: the URL is that of the app itself.
    open_label="Open app",
    run="deployment",
    notified_run="deployment or crash",
    every_end="all finished deployments, dyno crashes and recoveries",
    workflows_label="Deployments (deploy) and processes (web.1)",
    every_workflow="All",
    token_instructions=(  # noqa: S106 - words
        "Create an *API token* at Build.io and paste it here. With it, Buildbell can see and do what you can there,"
        " and changes are made in your name."
    ),
    token_placeholder="Your Build.io token",  # noqa: S106 - a placeholder
    permissions_hint=(
        "Select actions here or above. Running commands and logging in are off unless selected: All actions"
        " doesn't include them."
    ),
    has_pipeline_stages=True,
    first_command="`/buildio app` to view an app",
    card_buttons=card_buttons,
    streak_buttons=card_buttons,
    details_button=details_button,
)
