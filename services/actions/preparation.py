"""From what a surface asks for to the one value that is judged, shown, noted and sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast

from domain.errors import Forbidden, NotFound
from providers.bitrise.actions import DecideBuildRequestAction, RebuildBuildAction, SetPublicInstallPageAction
from services.actions.action_types import Act
from services.request.context import RequestContext
from services.request.finder import UserError

SomeAct = TypeVar("SomeAct", bound=Act)


async def prepare(act: Act, context: RequestContext, *, linked: bool) -> Act:
    """Return the act whole: names as Git has them, and app and build as the provider knows them now.

    `linked`: whether there is an account to look them up with.
    Nothing is added to it afterwards: what it says is judged, shown to whoever must agree, noted, and sent.
    Raises UserError where it can't be asked for, ProviderError.
    """
    try:
        act = act.normalized()
    except ValueError as error:
        raise UserError(str(error)) from error
    if linked:
        # Whoever has no account is refused by the policy, which writes that down.
        act = await with_current_app(act, context)
        complete = _COMPLETE.get(type(act))
        act = await complete(act, context) if complete is not None else act
    if (problem := act.problem()) is not None:
        raise UserError(problem)
    return act


async def with_current_app(act: SomeAct, context: RequestContext) -> SomeAct:
    """Return the act with its app as the provider shows it to this person now: rules are about today's names.

    Raises UserError where they don't see it, and other ProviderErrors.
    """
    if act.app is None:
        return act
    try:
        app = await context.own_apps(act.provider).ask_for(act.app.slug)
    except (NotFound, Forbidden) as problem:
        raise UserError(
            f"Your account at {act.provider.label} does not see this app, or it is not there any more."
        ) from problem
    return cast(SomeAct, act.model_copy(update={"app": app}))


async def _with_params(act: RebuildBuildAction, context: RequestContext) -> RebuildBuildAction:
    if act.params is not None:
        return act
    return RebuildBuildAction.of_build(act.app, await context.own_bitrise.build(act.app.slug, act.build.slug))


async def _with_title(act: SetPublicInstallPageAction, context: RequestContext) -> SetPublicInstallPageAction:
    if act.title is not None:
        return act
    one = await context.own_bitrise.artifact(act.app.slug, act.build.slug, act.artifact)
    return act.model_copy(update={"title": one.title})


async def _with_request(act: DecideBuildRequestAction, context: RequestContext) -> DecideBuildRequestAction:
    waiting = await context.own_bitrise.build_requests(act.app.slug)
    return act.knowing(next((one for one in waiting if one.slug == act.request), None))


_COMPLETE: Mapping[type[Any], Callable[[Any, RequestContext], Awaitable[Act]]] = {
    RebuildBuildAction: _with_params,
    SetPublicInstallPageAction: _with_title,
    DecideBuildRequestAction: _with_request,
}
