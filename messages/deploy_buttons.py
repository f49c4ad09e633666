"""What a successful build can be deployed to, below its card. Pure; no I/O."""

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
from messages.kit.blocks import button, confirm, plain_text, row
from messages.kit.button_values import BuildButton, InvalidButtonValue, OptionalButtonValue, Slug
from messages.kit.mrkdwn import plain
from messages.kit.views import LONGEST_OPTION, MOST_OPTIONS, option

# So many have buttons of their own; more are picked from a list.
MOST_BUTTONS = 2
_NAME = "offer"


class OfferButton(OptionalButtonValue):
    """Which build a button deploys, and by which of the channel's ties: names alone, to be looked up again."""

    app: Slug
    build: Slug
    tie: Annotated[int, Field(ge=1, le=10**15)]


def offer_row(build: Build, app: App, ties: Sequence[DeployLink]) -> list[Block]:
    """A button for each app that the build can be deployed to, or a list of them; nothing where there are none."""
    fitting = links_offered(ties, build)
    if len(fitting) > MOST_BUTTONS:
        return _list(build, app, fitting)
    buttons = [_button(build, app, tie, "_next" if at else "") for at, tie in enumerate(fitting)]
    return [row(*buttons)] if any(buttons) else []


def read_offer(value: str, block_id: str) -> OfferButton:
    """What was pressed, or picked from the list in this block. Raises InvalidButtonValue."""
    if not block_id.startswith(f"{_NAME} "):
        return OfferButton.decode(value)
    parts = block_id.split(" ")
    if len(parts) != 3 or re.fullmatch(r"\d{1,15}", value, re.ASCII) is None:
        raise InvalidButtonValue
    return OfferButton.read({"app": parts[1], "build": parts[2], "tie": value})


def _button(build: Build, app: App, tie: DeployLink, number: str) -> Block | None:
    value = OfferButton.fitting(app=build.app_slug, build=build.slug, tie=tie.number)
    if value is None:
        return None
    title = plain(tie.app.title, 40)
    return button(
        f"Deploy to {title} on {tie.app.provider.label}",
        f"{action_ids.DEPLOY_BUILD}{number}",
        value,
        confirm=_question(build, app, f"{plain(tie.app.title, 100)} at {tie.app.provider.label}"),
        label=f"Deploy {build.label} to {title} on {tie.app.provider.label}",
    )


def _list(build: Build, app: App, fitting: Sequence[DeployLink]) -> list[Block]:
    provider = fitting[0].app.provider.label
    try:
        BuildButton(app=build.app_slug, build=build.slug)
    except ValidationError:
        return []
    select: Block = {
        "type": "static_select",
        "action_id": action_ids.DEPLOY_BUILD,
        "placeholder": plain_text(f"Deploy on {provider} to…", 150),
        "options": [
            option(plain(tie.app.title, LONGEST_OPTION), str(tie.number)) for tie in fitting[:MOST_OPTIONS]
        ],
        "confirm": _question(build, app, f"the app at {provider} that you picked"),
    }
    return [row(select) | {"block_id": f"{_NAME} {build.app_slug} {build.slug}"}]


def _question(build: Build, app: App, where: str) -> Block:
    commit = plain(build_text.short_hash(build.commit_hash or ""), 20)
    branch = f" of {plain(build.branch, 60)}" if build.branch else ""
    return confirm(
        "Deploy it?",
        f"Commit {commit}{branch}, which is {plain(app.title, 80)} {build.label}, goes live at {where}.",
        "Deploy",
    )
