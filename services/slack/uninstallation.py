"""Uninstallations of the app."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Uninstallation:
    """An uninstallation of the app from a workspace, or, with no `team`, from an organisation, as Slack reports it.

    `certain`: the app is gone from there, and not only one of its tokens.
    """

    enterprise: str | None
    team: str | None
    at: datetime | None
    certain: bool
