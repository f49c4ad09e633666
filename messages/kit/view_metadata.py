"""Where a modal was opened from: what travels in its private_metadata."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import StringConstraints, ValidationError

from domain.build import FrozenModel
from domain.provider import UNNAMED_PROVIDER, Provider
from domain.slack_ids import MaybeSlackId


class ViewMetadata(FrozenModel):
    """The channel that hears what comes of the modal (`""`: none, so the person alone), and what it is about.

    It comes back with the modal as Slack kept it, and is read as if it came from anybody: what it names is looked up
    again before anything is done.
    """

    channel: MaybeSlackId = ""
    app: Annotated[str, StringConstraints(pattern=re.compile(r"^[\w-]{0,64}\Z"))] = ""
    provider: Provider = UNNAMED_PROVIDER

    def encode(self) -> str:
        """As private_metadata."""
        return self.model_dump_json(exclude_defaults=True)

    @classmethod
    def read(cls, private_metadata: str | None) -> Self:
        """From private_metadata; that of a modal of another version says nothing."""
        try:
            return cls.model_validate_json(private_metadata or "{}")
        except ValidationError:
            return cls()
