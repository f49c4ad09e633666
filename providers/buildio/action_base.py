"""The base classes of actions at Build.io."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import StringConstraints

from domain.action import NONE_OF_THEM
from domain.build import App
from domain.message import Message
from providers.buildio.provider import BUILDIO
from services.actions.action import ActionResult, ExecutableAction
from services.request.context import Reply, Visibility

Name = Annotated[str, StringConstraints(min_length=1, max_length=300)]


class BuildioAction(ExecutableAction):
    """Base of all Build.io actions. By default an action has no branch and no workflow, and its stage is unknown."""

    provider: ClassVar = BUILDIO
    stage: ClassVar[str | None] = None

    def branch_and_workflow(self) -> tuple[str | None, str | None]:
        """Return that the action has neither."""
        return NONE_OF_THEM, NONE_OF_THEM


class AppAction(BuildioAction):
    """Base of actions on an app."""

    app: App


def channel_result(message: Message, provider_answer: str = "ok") -> ActionResult:
    """Return the result of an action that tells the channel."""
    return ActionResult(Reply(message, Visibility.CHANNEL), provider_answer=provider_answer)
