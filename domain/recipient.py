"""The recipient of a message."""

from __future__ import annotations

from domain.build import FrozenModel


class Recipient(FrozenModel):
    """A channel or person in one workspace: channels of two workspaces may have the same id."""

    team: str
    channel: str
