"""Executable actions: their base class, their result, and the registry of those of all providers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import BaseModel

from domain.action import Action
from services.request.context import Reply, RequestContext


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


class ExecutableAction(Action):
    """An action with its execution. `services/actions/run.py` alone calls these methods; they may raise UserError."""

    async def prepare(self, context: RequestContext) -> Self:  # noqa: ARG002 - most actions are complete
        """Return the action with what only the provider knows, such as a build's parameters. Raises ProviderError.

        It runs with the requester's own account, before the action is authorized.
        """
        return self

    @abstractmethod
    async def execute(self, context: RequestContext) -> ActionResult:
        """Call the provider as the requester: the action is authorized and approved. Raises ProviderError."""


class UnknownAction(ValueError):
    """No provider of this bot has the class of a stored action."""

    def __init__(self) -> None:
        super().__init__("no provider has such an action")


class _StoredAction(BaseModel):
    """The field of every stored action that names its class."""

    act: str


class ActionRegistry:
    """The actions of all providers. Raises ValueError if two of them are stored under the same name."""

    def __init__(self, classes: Iterable[type[ExecutableAction]]) -> None:
        self._by_name: dict[str, type[ExecutableAction]] = {}
        for action_class in classes:
            name = str(action_class.model_fields["act"].default)
            if name in self._by_name:
                raise ValueError(f"two actions are stored as {name}")
            self._by_name[name] = action_class

    def __iter__(self) -> Iterator[type[ExecutableAction]]:
        return iter(self._by_name.values())

    def read(self, body: str) -> ExecutableAction:
        """Return the action that was stored as JSON. Raises UnknownAction, ValidationError."""
        action_class = self._by_name.get(_StoredAction.model_validate_json(body).act)
        if action_class is None:
            raise UnknownAction
        return action_class.model_validate_json(body)
