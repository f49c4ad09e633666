"""Buttons below a successful build that deploy it by the channel's deploy links. Pure; no I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, ValidationError

from domain.build import App, Build
from domain.message import Block
from domain.notifications.deploy_link import DeployLink, links_offered
from messages import build_text
from messages.kit import action_ids
from messages.kit.blocks import button, button_row, confirm, row
from messages.kit.button_values import BuildButton, InvalidButtonValue, OptionalButtonValue, Slug
from messages.kit.mrkdwn import plain
from messages.kit.views import LONGEST_OPTION, option, select

# Up to this many links are buttons; more are a select menu.
MAX_BUTTONS = 2
_NAME = "offer"


class DeployButton(OptionalButtonValue):
    """The build that a button deploys, and the number of the deploy link (`tie`). Both are looked up again."""

    app: Slug
    build: Slug
    tie: Annotated[int, Field(ge=1, le=10**15)]


def deploy_row(build: Build, app: App, links: Sequence[DeployLink]) -> list[Block]:
    """Return a button for each app that the build can be deployed to, or a list of them; empty if there is none."""
    offered = links_offered(links, build)
    if len(offered) > MAX_BUTTONS:
        return _deploy_select(build, app, offered)
    buttons = [
        _deploy_button(build, app, link, "_next" if index else "") for index, link in enumerate(offered)
    ]
    return button_row(*buttons)


def read_deploy_button(value: str, block_id: str) -> DeployButton:
    """Read the button that was pressed, or the option picked from this block's list. Raises InvalidButtonValue."""
    if not block_id.startswith(f"{_NAME} "):
        return DeployButton.decode(value)
    parts = block_id.split(" ")
    if len(parts) != 3 or re.fullmatch(r"\d{1,15}", value, re.ASCII) is None:
        raise InvalidButtonValue
    return DeployButton.read({"app": parts[1], "build": parts[2], "tie": value})


def _deploy_button(build: Build, app: App, link: DeployLink, number: str) -> Block | None:
    value = DeployButton.fitting(app=build.app_slug, build=build.slug, tie=link.number)
    if value is None:
        return None
    title = plain(link.app.title, 40)
    return button(
        f"Deploy to {title} on {link.app.provider.label}",
        f"{action_ids.DEPLOY_BUILD}{number}",
        value,
        confirm=_deploy_question(build, app, f"{plain(link.app.title, 100)} on {link.app.provider.label}"),
        label=f"Deploy {build.label} to {title} on {link.app.provider.label}",
    )


def _deploy_select(build: Build, app: App, links: Sequence[DeployLink]) -> list[Block]:
    provider = links[0].app.provider.label
    try:
        BuildButton(app=build.app_slug, build=build.slug)
    except ValidationError:
        return []
    options = [option(plain(tie.app.title, LONGEST_OPTION), str(tie.number)) for tie in links]
    menu = select(options, f"Deploy on {provider} to…") | {
        "action_id": action_ids.DEPLOY_BUILD,
        "confirm": _deploy_question(build, app, f"the {provider} app that you picked"),
    }
    return [row(menu) | {"block_id": f"{_NAME} {build.app_slug} {build.slug}"}]


def _deploy_question(build: Build, app: App, where: str) -> Block:
    commit = plain(build_text.short_hash(build.commit_hash or ""), 20)
    branch = f" of {plain(build.branch, 60)}" if build.branch else ""
    return confirm(
        "Deploy this build?",
        f"Deploys commit {commit}{branch}, built as {plain(app.title, 80)} {build.label}, to {where}.",
        "Deploy",
    )
