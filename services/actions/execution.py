"""Asking the provider for what was judged and agreed to: as the person, with their own token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from domain.errors import ProviderError
from domain.redaction.private_keys import REDACTED
from providers.bitrise import action_execution
from providers.buildio import action_execution as buildio_action_execution
from services.actions.action_types import Act
from services.actions.result import ActionResult
from services.request.context import RequestContext
from services.request.finder import UserError

# Shorter ones are in every sentence.
SHORTEST_SECRET = 4

PERFORM: Mapping[type[Any], Callable[[Any, RequestContext], Awaitable[ActionResult]]] = {
    **action_execution.PERFORM,
    **buildio_action_execution.PERFORM,
}


async def perform(action: Act, context: RequestContext) -> ActionResult:
    """Do it. Raises ProviderError, and UserError where it can't be done any more, or where an error quotes a secret."""
    try:
        return await PERFORM[type(action)](action, context)
    except (ProviderError, UserError) as problem:
        words = _without(str(problem), action.secrets())
        if words == str(problem):
            raise
    raise UserError(words)


def _without(text: str, secrets: Iterable[str]) -> str:
    """The text without these, nor any whole line of them."""
    lines = {line.strip() for secret in secrets for line in (secret, *secret.splitlines())}
    for line in sorted(lines, key=len, reverse=True):
        if len(line) >= SHORTEST_SECRET:
            text = text.replace(line, REDACTED)
    return text
