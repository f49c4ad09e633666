"""From what a surface asks for to the one value that is judged, shown, noted and sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from domain.errors import Forbidden, NotFound
from providers.bitrise.actions import DecideBuildRequestAction, RebuildBuildAction, SetPublicInstallPageAction
from services.actions.action_types import Act
from services.request.context import RequestContext
from services.request.finder import UserError

SomeAct = TypeVar("SomeAct", bound=Act)


async def prepare(action: Act, context: RequestContext, *, linked: bool) -> Act:
    """Return the act whole: names as Git has them, and app and build as the provider knows them now.

    `linked`: whether there is an account to look them up with.
    Nothing is added to it afterwards: what it says is judged, shown to whoever must agree, noted, and sent.
    Raises UserError where it can't be asked for, ProviderError.
    """
    try:
        action = action.normalized()
    except ValueError as error:
        raise UserError(str(error)) from error
    if linked:
        # Whoever has no account is refused by the policy, which writes that down.
        action = await with_current_app(action, context)
        complete = _COMPLETE.get(type(action))
        action = await complete(action, context) if complete is not None else action
    if (problem := action.problem()) is not None:
        raise UserError(problem)
    return action


async def with_current_app(action: SomeAct, context: RequestContext) -> SomeAct:
    """Return the act with its app as the provider shows it to this person now: rules are about today's names.

    Raises UserError where they don't see it, and other ProviderErrors.
    """
    if action.app is None:
        return action
    try:
        app = await context.own_apps(action.provider).ask_for(action.app.slug)
    except (NotFound, Forbidden) as problem:
        raise UserError(
            f"Your account at {action.provider.label} does not see this app, or it is not there any more."
        ) from problem
    return action.model_copy(update={"app": app})


async def _with_params(action: RebuildBuildAction, context: RequestContext) -> RebuildBuildAction:
    if action.params is not None:
        return action
    return RebuildBuildAction.of_build(
        action.app, await context.own_bitrise.build(action.app.slug, action.build.slug)
    )


async def _with_title(
    action: SetPublicInstallPageAction, context: RequestContext
) -> SetPublicInstallPageAction:
    if action.title is not None:
        return action
    one = await context.own_bitrise.artifact(action.app.slug, action.build.slug, action.artifact)
    return action.model_copy(update={"title": one.title})


async def _with_request(
    action: DecideBuildRequestAction, context: RequestContext
) -> DecideBuildRequestAction:
    waiting = await context.own_bitrise.build_requests(action.app.slug)
    return action.knowing(next((one for one in waiting if one.slug == action.request), None))


_COMPLETE: Mapping[type[Any], Callable[[Any, RequestContext], Awaitable[Act]]] = {
    RebuildBuildAction: _with_params,
    SetPublicInstallPageAction: _with_title,
    DecideBuildRequestAction: _with_request,
}
