"""The action that creates an app, and the base of those that create something."""

from __future__ import annotations

from typing import ClassVar, Literal

from domain.access_policy import Permission
from domain.action import NONE_OF_THEM, present_values
from domain.redaction.redactor import redact
from providers.buildio.action_base import BuildioAction, Name
from providers.buildio.api.access import own_client
from providers.buildio.apps import messages as app_messages
from providers.buildio.provider import BUILDIO
from services.actions.action import ActionResult
from services.request.context import Reply, RequestContext, Visibility


class CreateResourceAction(BuildioAction):
    """Base of actions that create something, for a team and in a region; `resource` is its kind."""

    permission: ClassVar = Permission.CREATE
    stage: ClassVar = NONE_OF_THEM  # what does not exist yet is in no pipeline
    resource: ClassVar[str]
    name: Name
    team: str | None = None
    team_title: str | None = None
    region: str | None = None

    def audit_fields(self) -> dict[str, str]:
        """Return the name, the team and the region."""
        return {"label": self.name} | dict(present_values(team=self.team, region=self.region))

    def summary(self) -> str:
        """Return the name, the team and the region."""
        team = self.team_title or self.team
        where = (f" for the team {team}" if team else "") + (f" in {self.region}" if self.region else "")
        return f"create the {self.resource} {self.name}{where}"

    def details(self) -> list[tuple[str, str]]:
        """Return the name, the team and the region."""
        return present_values(name=self.name, team=self.team_title, team_id=self.team, region=self.region)


class CreateAppAction(CreateResourceAction):
    """Create an app."""

    resource: ClassVar = "app"
    act: Literal["create_app"] = "create_app"

    async def execute(self, context: RequestContext) -> ActionResult:
        """Create the app. Raises ProviderError."""
        created = await own_client(context).create_app(self.name, team=self.team, region=self.region)
        forget_app_lists(context)
        message = app_messages.app_created(created, by=context.person)
        return ActionResult(
            Reply(message, Visibility.CHANNEL), {"app": redact(created.name)}, f"created {created.id}"
        )


def forget_app_lists(context: RequestContext) -> None:
    """Clear the caches of app lists: the person's and the bot's."""
    context.own_apps(BUILDIO).forget()
    context.services.clients.at(BUILDIO).service_apps.forget()
