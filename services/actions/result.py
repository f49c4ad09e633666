"""What comes of an act."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.provider import Provider
from messages.kit.button_values import PolicyButton
from services.request.context import Reply


class PermissionDenied(Exception):
    """The person may not do this; the sentence says who may.

    `connect`: at which provider they could link an account to be allowed. `rule`: about which provider's app they could
    add a rule that allows it.
    """

    def __init__(
        self, sentence: str, *, connect: Provider | None = None, rule: PolicyButton | None = None
    ) -> None:
        self.connect = connect
        self.rule = rule
        super().__init__(sentence)


@dataclass(frozen=True)
class ActionResult:
    """What is said of it; None where a message of its own says it.

    `facts`: what a workflow goes on with; `said`: the provider's answer, for the audit log.
    `waits`: nothing was done yet, since somebody must agree first.
    """

    answer: Reply | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    said: str = "ok"
    waits: bool = False
