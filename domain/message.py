"""A rendered Slack message."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Self

Block = dict[str, Any]


@dataclass(frozen=True)
class Message:
    """A Slack message. `text` alone is sufficient: notifications show it, and screen readers read it."""

    text: str
    blocks: list[Block] = field(default_factory=list)

    def encode(self) -> str:
        """Return it as JSON, to be stored until it can be sent."""
        return json.dumps({"text": self.text, "blocks": self.blocks}, ensure_ascii=False)

    @classmethod
    def decode(cls, content: str) -> Self:
        """Parse what `encode` returned."""
        return cls(**json.loads(content))
