"""Whom a message is for."""

from __future__ import annotations

from domain.build import FrozenModel


class Recipient(FrozenModel):
    """A channel, or a person, of one workspace: channels of two workspaces may well have the same id."""

    team: str
    channel: str
