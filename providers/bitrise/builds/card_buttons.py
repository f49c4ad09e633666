"""The buttons below Bitrise's builds. Pure; no I/O."""

from __future__ import annotations

from domain.build import App, Build, BuildState
from domain.message import Block
from messages.kit import action_ids as shared_action_ids
from messages.kit.blocks import button, confirm
from messages.kit.button_values import BuildButton
from messages.kit.mrkdwn import plain
from providers.bitrise import action_ids


def card_buttons(build: Build, app: App) -> list[Block | None]:
    """Return the buttons below a build's card."""
    value = BuildButton.of(build, app).encode()
    return [
        button("Log", action_ids.BUILD_LOG, value),
        button("Artifacts", action_ids.BUILD_ARTIFACTS, value),
        button("Refresh", action_ids.BUILD_REFRESH, value),
        None if build.ended else button("Tell me", action_ids.BUILD_TELL_ME, value),
        button("Compare", action_ids.BUILD_COMPARE, value, label="Compare with the last success")
        if build.state in (BuildState.FAILED, BuildState.ABORTED)
        else None,
        _rebuild_button(build, app, value)
        if build.ended
        else button("Abort", shared_action_ids.BUILD_ABORT, value, style="danger"),
    ]


def streak_buttons(build: Build, app: App) -> list[Block | None]:
    """Return the buttons below the card of a failure streak; `build` is its last build."""
    value = BuildButton.of(build, app).encode()
    return [_rebuild_button(build, app, value), button("Log", action_ids.BUILD_LOG, value)]


def details_button(build: Build, app: App) -> Block:
    """Return the button that shows the card of a build in a list."""
    label = f"Details of {app.title} {build.label}"
    return button("Details", shared_action_ids.BUILD_SHOW, BuildButton.of(build, app).encode(), label=label)


def _rebuild_button(build: Build, app: App, value: str) -> Block:
    question = confirm(
        "Start it again?", f"A new build of {plain(app.title, 100)} starts as {build.label} did.", "Start it"
    )
    return button("Rebuild", action_ids.BUILD_REBUILD, value, confirm=question)
