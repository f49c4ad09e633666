"""What can be pressed below a build, by its provider: each can do other things. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from domain.build import App, Build, BuildState
from domain.message import Block
from domain.provider import Provider
from messages.kit import action_ids
from messages.kit.blocks import button, confirm, link_button, row
from messages.kit.button_values import BuildButton, BuildioButton, RedeployButton
from messages.kit.mrkdwn import plain

Buttons = list[Block | None]


def open_button(build: Build) -> Block | None:
    """What leads to the build's page; None where it has none."""
    # Build.io's reference names no page of its own for an app: the address is that of the app itself.
    words = "Open the app" if build.provider is Provider.BUILDIO else f"Open in {build.provider.label}"
    return link_button(words, build.url, action_ids.OPEN_LINK)


def card_row(build: Build, app: App) -> list[Block]:
    """The row of buttons below a card; empty where nothing can be pressed."""
    return _row(*_CARD.get(build.provider, _nothing)(build, app), open_button(build))


def series_row(build: Build, app: App, *, claimed: bool, snoozed: bool) -> list[Block]:
    """The row below the card of a series; what somebody has said on it can be taken back, by whomever."""
    value = BuildButton.of(build, app).encode()
    return _row(
        button("Take over", action_ids.CARD_CLAIM, value)
        if claimed
        else button("I'm on it", action_ids.CARD_CLAIM, value, style="primary"),
        button("Unassign", action_ids.CARD_UNCLAIM, value) if claimed else None,
        button("End snooze", action_ids.CARD_UNSNOOZE, value)
        if snoozed
        else button("Snooze 4 hours", action_ids.CARD_SNOOZE, value),
        *_SERIES.get(build.provider, _nothing)(build, app),
        open_button(build),
    )


def details_button(build: Build, app: App) -> Block | None:
    """What shows the card of a build in a list; None where its provider has none."""
    label = f"Details of {app.title} {build.label}"
    match build.provider:
        case Provider.BITRISE:
            return button("Details", action_ids.BUILD_SHOW, BuildButton.of(build, app).encode(), label=label)
        case Provider.BUILDIO:
            return button(
                "Details", action_ids.BUILDIO_APP, BuildioButton.of(build, app).encode(), label=label
            )
        case _:
            return None


def _row(*buttons: Block | None) -> list[Block]:
    return [row(*buttons)] if any(buttons) else []


def _nothing(_build: Build, _app: App) -> Buttons:
    return []


def _at_bitrise(build: Build, app: App) -> Buttons:
    value = BuildButton.of(build, app).encode()
    return [
        button("Log", action_ids.BUILD_LOG, value),
        button("Artifacts", action_ids.BUILD_ARTIFACTS, value),
        button("Refresh", action_ids.BUILD_REFRESH, value),
        None if build.ended else button("Tell me", action_ids.BUILD_TELL_ME, value),
        button("Compare", action_ids.BUILD_COMPARE, value, label="Compare with the last success")
        if build.state in (BuildState.FAILED, BuildState.ABORTED)
        else None,
        _rebuild(build, app, value)
        if build.ended
        else button("Abort", action_ids.BUILD_ABORT, value, style="danger"),
    ]


def _series_at_bitrise(build: Build, app: App) -> Buttons:
    value = BuildButton.of(build, app).encode()
    return [_rebuild(build, app, value), button("Log", action_ids.BUILD_LOG, value)]


def _rebuild(build: Build, app: App, value: str) -> Block:
    question = confirm(
        "Start it again?", f"A new build of {plain(app.title, 100)} starts as {build.label} did.", "Start it"
    )
    return button("Rebuild", action_ids.BUILD_REBUILD, value, confirm=question)


def _at_buildio(build: Build, app: App) -> Buttons:
    value = BuildioButton.of(build, app).encode()
    return [
        button("Processes", action_ids.BUILDIO_PS, value),
        button("Restart…", action_ids.BUILDIO_RESTART, value),
        button("Refresh", action_ids.BUILDIO_REFRESH, value),
        button("Deploy again…", action_ids.BUILDIO_DEPLOY, RedeployButton.again(build, app).encode())
        if build.ended
        else None,
    ]


_CARD: Mapping[Provider, Callable[[Build, App], Buttons]] = {
    Provider.BITRISE: _at_bitrise,
    Provider.BUILDIO: _at_buildio,
}
_SERIES: Mapping[Provider, Callable[[Build, App], Buttons]] = {
    Provider.BITRISE: _series_at_bitrise,
    Provider.BUILDIO: _at_buildio,
}
