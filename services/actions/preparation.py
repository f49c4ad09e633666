"""Preparation of a requested action: from what was typed or pressed to the one value that is judged, shown and sent."""

from __future__ import annotations

from typing import TypeVar

from domain.action import Action
from domain.errors import Forbidden, NotFound
from services.request.context import RequestContext
from services.request.finder import UserError

SomeAction = TypeVar("SomeAction", bound=Action)


async def prepare(action: SomeAction, context: RequestContext, *, is_connected: bool) -> SomeAction:
    """Return the action whole: names as Git has them, and app and build as the provider knows them now.

    `is_connected`: there is an account to look them up with. Nothing is added to the action afterwards: what it says is
    judged, shown to whoever must agree, audited, and sent. Raises UserError where it can't be requested, ProviderError.
    """
    try:
        action = action.normalized()
    except ValueError as error:
        raise UserError(str(error)) from error
    if is_connected:
        # The policy refuses those without an account, and the refusal is audited.
        action = await with_current_app(action, context)
        complete = context.services.actions.get(action).prepare
        action = await complete(action, context) if complete is not None else action
    if (problem := action.problem()) is not None:
        raise UserError(problem)
    return action


async def with_current_app(action: SomeAction, context: RequestContext) -> SomeAction:
    """Return the action with its app as the provider shows it to this user now: rules are about today's names.

    Raises UserError where they don't see it, and other ProviderErrors.
    """
    if action.app is None:
        return action
    try:
        app = await context.own_apps(action.provider).fetch(action.app.slug)
    except (NotFound, Forbidden) as error:
        raise UserError(
            f"Your account at {action.provider.label} does not see this app, or it is not there any more."
        ) from error
    return action.model_copy(update={"app": app})
