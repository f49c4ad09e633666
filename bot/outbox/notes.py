"""What is kept with the head of a thread."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Self

from pydantic import ValidationError

from bot.build import Frozen


class ThreadNote(Frozen):
    """Which build the head of a thread showed last, and when."""

    build: str = ""
    shown_at: datetime = datetime.min.replace(tzinfo=UTC)

    @classmethod
    def read(cls, note: str | None) -> Self:
        """The note as it was kept; an empty one where there is none."""
        try:
            return cls.model_validate_json(note or "{}")
        except ValidationError:
            return cls()
