"""The presentation of Bitrise in messages: its page URLs, its texts, and the buttons of its builds."""

from __future__ import annotations

from domain.build import App, Build, BuildState
from domain.message import Block
from messages.kit import action_ids as shared_action_ids
from messages.kit.blocks import button, confirm
from messages.kit.button_values import BuildButton
from messages.kit.mrkdwn import plain
from messages.provider_presentation import ProviderPresentation
from providers.bitrise import action_ids
from providers.bitrise.provider import BITRISE


def card_buttons(build: Build, app: App) -> list[Block | None]:
    """Return the buttons below a build's card."""
    value = BuildButton.of(build, app).encode()
    return [
        button("View log", action_ids.BUILD_LOG, value),
        button("View artifacts", action_ids.BUILD_ARTIFACTS, value),
        button("Refresh", action_ids.BUILD_REFRESH, value),
        None if build.ended else button("Notify me", action_ids.BUILD_TELL_ME, value),
        button("Compare", action_ids.BUILD_COMPARE, value, label="Compare with the last passed build")
        if build.state in (BuildState.FAILED, BuildState.ABORTED)
        else None,
        _rebuild_button(build, app, value)
        if build.ended
        else button("Abort…", shared_action_ids.BUILD_ABORT, value, style="danger"),
    ]


def streak_buttons(build: Build, app: App) -> list[Block | None]:
    """Return the buttons below the card of a failure streak; `build` is its last build."""
    value = BuildButton.of(build, app).encode()
    return [_rebuild_button(build, app, value), button("View log", action_ids.BUILD_LOG, value)]


def details_button(build: Build, app: App) -> Block:
    """Return the button that shows the card of a build in a list."""
    label = f"View details of {app.title} {build.label}"
    value = BuildButton.of(build, app).encode()
    return button("View details", shared_action_ids.BUILD_SHOW, value, label=label)


def _rebuild_button(build: Build, app: App, value: str) -> Block:
    question = confirm(
        f"Rebuild {plain(build.label, 50)}?",
        f"Starts a new build of {plain(app.title, 100)} with the parameters of {build.label}.",
        "Rebuild",
    )
    return button("Rebuild", action_ids.BUILD_REBUILD, value, confirm=question)


PRESENTATION = ProviderPresentation(
    BITRISE,
    app_page="https://app.bitrise.io/app/{slug}",
    build_page="https://app.bitrise.io/build/{slug}",
    notified_run="build",
    filter_examples="target:main tag:v* event:push ",
    subscribe_example="subscribe by:@me -by:bot target:main",
    token_label="Personal access token",  # noqa: S106 - a label
    token_instructions=(  # noqa: S106 - a text
        "Create a *personal access token* at Bitrise (_Account settings → Security_) and paste it here."
        " With it, Buildbell can see and do what you can there, and Bitrise shows your name with what you change."
    ),
    token_placeholder="bitpat_…",  # noqa: S106 - a placeholder
    first_command="`/bitrise status` to see what is running",
    card_buttons=card_buttons,
    streak_buttons=streak_buttons,
    details_button=details_button,
)
