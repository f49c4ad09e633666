"""Registration of an action class: how a provider executes and prepares it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from domain.action import Action

RegisteredAction = TypeVar("RegisteredAction", bound=Action)
Context = TypeVar("Context")
Result = TypeVar("Result")


@dataclass(frozen=True)
class ActionSpec(Generic[RegisteredAction, Context, Result]):
    """An action class of a provider with its functions.

    `execute` calls the provider once the action is authorized and approved. `prepare` adds what only the provider
    knows, such as a build's parameters; it runs with the requester's own account before the action is authorized. Both
    may raise UserError and ProviderError.

    `Context` is always a RequestContext, and `Result` an ActionResult. They are parameters because a request context
    leads to the registry of the providers, which holds these specs.
    """

    action_class: type[RegisteredAction]
    execute: Callable[[RegisteredAction, Context], Awaitable[Result]]
    prepare: Callable[[RegisteredAction, Context], Awaitable[RegisteredAction]] | None = None
