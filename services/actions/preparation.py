"""Preparation of a requested action: from the user's input to the one value that is authorized, shown and sent."""

from __future__ import annotations

from typing import TypeVar

from domain.action import Action
from domain.provider_errors import Forbidden, NotFound
from services.request.context import RequestContext
from services.request.errors import UserError

SomeAction = TypeVar("SomeAction", bound=Action)


async def prepare(action: SomeAction, context: RequestContext, *, is_connected: bool) -> SomeAction:
    """Return the complete action: normalized Git names, and the app and build as the provider knows them now.

    `is_connected`: there is an account to look them up with. Nothing is added to the action afterwards: this value is
    authorized, shown to the approver, audited, and sent. Raises UserError if it can't be requested, ProviderError.
    """
    try:
        action = action.normalized()
    except ValueError as error:
        raise UserError(str(error)) from error
    if is_connected:
        # Requests without an account are refused by the authorizer, and the refusal is audited.
        action = await with_current_app(action, context)
        complete = context.services.actions.get(action).prepare
        action = await complete(action, context) if complete is not None else action
    if (problem := action.problem()) is not None:
        raise UserError(problem)
    return action


async def with_current_app(action: SomeAction, context: RequestContext) -> SomeAction:
    """Return the action with its app as the provider shows it to this user now: rules match current names.

    Raises UserError if the user can't see the app, and other ProviderErrors.
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
