"""The result of an action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.provider import Provider
from messages.kit.button_values import PolicyButton
from services.request.context import Reply


class PermissionDenied(Exception):
    """The user may not do this; the sentence says who may.

    `connect`: at which provider they could connect an account to be allowed. `rule`: about which provider's app they
    could add a rule that allows it.
    """

    def __init__(
        self, sentence: str, *, connect: Provider | None = None, rule: PolicyButton | None = None
    ) -> None:
        self.connect = connect
        self.rule = rule
        super().__init__(sentence)


@dataclass(frozen=True)
class ActionResult:
    """The answer to an action; None where a message of its own tells it.

    `outputs`: what a workflow goes on with. `provider_answer`: the provider's answer, for the audit log. `is_pending`:
    nothing was executed yet, since somebody must agree first.
    """

    answer: Reply | None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    provider_answer: str = "ok"
    is_pending: bool = False
