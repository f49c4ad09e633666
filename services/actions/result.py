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

    `connect` is the provider at which they could connect an account to be allowed. `rule` is the button to add a rule
    that allows it.
    """

    def __init__(
        self, sentence: str, *, connect: Provider | None = None, rule: PolicyButton | None = None
    ) -> None:
        self.connect = connect
        self.rule = rule
        super().__init__(sentence)


@dataclass(frozen=True)
class ActionResult:
    """The result of an action; `answer` is None if the action posts its own message.

    `outputs` are the outputs of a workflow step. `provider_answer` is the provider's response, for the audit log.
    `is_pending`: nothing was executed yet, because the action waits for approval.
    """

    answer: Reply | None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    provider_answer: str = "ok"
    is_pending: bool = False
