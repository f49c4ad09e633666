"""Inputs of a view or message, as Slack sends them with a request. Pure; no I/O.

Each object has the fields that the bot reads; others are dropped, because Slack adds fields.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from domain.slack_ids import SlackId

MaybeText: TypeAlias = str | None
MaybeId: TypeAlias = SlackId | Literal[""] | None


class SlackObject(BaseModel):
    """An object in a payload of Slack."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class _TextObject(SlackObject):
    text: str


class Option(SlackObject):
    """An option of a list."""

    value: MaybeText = None
    text: _TextObject | None = None


class InputElement(SlackObject):
    """State of an input element of any type."""

    value: MaybeText = None
    selected_option: Option | None = None
    selected_options: list[Option] | None = None
    selected_conversation: MaybeId = None
    selected_users: list[SlackId] | None = None
