"""Registry of the actions of all providers: the functions of an action, and the class of a stored one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel

from domain.action import Action
from services.actions.action_spec import ActionSpec


class UnknownAction(ValueError):
    """No provider of this bot has the class of a stored action."""

    def __init__(self) -> None:
        super().__init__("no provider has such an action")


class _StoredAction(BaseModel):
    """The field of every stored action that names its class."""

    act: str


class ActionRegistry:
    """The actions of all providers. Raises ValueError if two of them are stored under the same name."""

    def __init__(self, specs: Iterable[ActionSpec[Any, Any, Any]]) -> None:
        self._by_name: dict[str, ActionSpec[Any, Any, Any]] = {}
        for spec in specs:
            name = str(spec.action_class.model_fields["act"].default)
            if name in self._by_name:
                raise ValueError(f"two actions are stored as {name}")
            self._by_name[name] = spec

    def __iter__(self) -> Iterator[ActionSpec[Any, Any, Any]]:
        return iter(self._by_name.values())

    def get(self, action: Action) -> ActionSpec[Any, Any, Any]:
        """Return the registration of the action's class. Raises KeyError for one that no provider has."""
        return self._by_name[action.act]

    def read(self, body: str) -> Action:
        """Return the action that was stored as JSON. Raises UnknownAction, ValidationError."""
        spec = self._by_name.get(_StoredAction.model_validate_json(body).act)
        if spec is None:
            raise UnknownAction
        action: Action = spec.action_class.model_validate_json(body)
        return action
