"""A message, ready for Slack."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Self

Block = dict[str, Any]


@dataclass(frozen=True)
class Message:
    """`text` alone says everything that matters: it is the notification, and what a screen reader reads."""

    text: str
    blocks: list[Block] = field(default_factory=list)

    def encode(self) -> str:
        """As JSON text, to be kept until it can be sent."""
        return json.dumps({"text": self.text, "blocks": self.blocks}, ensure_ascii=False)

    @classmethod
    def decode(cls, content: str) -> Self:
        """The message that `encode` wrote."""
        return cls(**json.loads(content))
