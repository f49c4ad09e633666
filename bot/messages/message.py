"""A message, ready for Slack."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Block = dict[str, Any]


@dataclass(frozen=True)
class Message:
    """`text` alone says everything that matters: it is the notification, and what a screen reader reads."""

    text: str
    blocks: list[Block] = field(default_factory=list)
