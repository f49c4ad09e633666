"""Execution of an authorized and approved action: as the requester, with their own token."""

from __future__ import annotations

from collections.abc import Iterable

from domain.action import Action
from domain.provider_errors import ProviderError
from domain.redaction.private_keys import REDACTED
from services.actions.result import ActionResult
from services.request.context import RequestContext
from services.request.errors import UserError

# Shorter strings occur in any sentence.
SHORTEST_SECRET = 4


async def execute(action: Action, context: RequestContext) -> ActionResult:
    """Execute the action at its provider.

    Raises ProviderError, and UserError if the action is not possible any more or an error quotes a secret.
    """
    try:
        result: ActionResult = await context.services.actions.get(action).execute(action, context)
        return result
    except (ProviderError, UserError) as error:
        message = _redact_secrets(str(error), action.secrets())
        if message == str(error):
            raise
    raise UserError(message)


def _redact_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return the text without these secrets, and without any whole line of them."""
    lines = {line.strip() for secret in secrets for line in (secret, *secret.splitlines())}
    for line in sorted(lines, key=len, reverse=True):
        if len(line) >= SHORTEST_SECRET:
            text = text.replace(line, REDACTED)
    return text
