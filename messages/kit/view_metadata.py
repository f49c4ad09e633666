"""A modal's private_metadata: where it was opened from, and what it is about."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import Field, StringConstraints, ValidationError

from domain.build import FrozenModel
from domain.provider import Provider
from domain.slack_ids import MaybeSlackId


class ViewMetadata(FrozenModel):
    """The channel that is notified of the result (`""`: only the person is notified), and what the modal is about.

    Slack returns it with the modal, and it is treated as untrusted input: everything it names is looked up again before
    anything is done.
    """

    channel: MaybeSlackId = ""
    app: Annotated[str, StringConstraints(pattern=re.compile(r"^[\w-]{0,64}\Z"))] = ""
    provider: Provider = Field(default_factory=Provider.legacy_default)

    def encode(self) -> str:
        """Encode it as private_metadata."""
        return self.model_dump_json(exclude_defaults=True)

    @classmethod
    def read(cls, private_metadata: str | None) -> Self:
        """Read it from private_metadata; empty for a modal of another version."""
        try:
            return cls.model_validate_json(private_metadata or "{}")
        except ValidationError:
            return cls()
