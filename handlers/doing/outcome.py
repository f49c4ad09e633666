"""What comes of an act."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from handlers.caller import Answer


class NotAllowed(Exception):
    """The person may not do this; the sentence says who may."""


@dataclass(frozen=True)
class Done:
    """What is said of it; None where a message of its own says it.

    `facts`: what a workflow goes on with; `said`: the provider's answer, for the audit log.
    `waits`: nothing was done yet, since somebody must agree first.
    """

    answer: Answer | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    said: str = "ok"
    waits: bool = False
