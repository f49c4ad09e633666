"""Actions on namespaces: create, delete."""

from __future__ import annotations

from typing import ClassVar, Literal

from domain.access_policy import Permission
from domain.action import present_values
from providers.buildio.action_base import BuildioAction, Name, channel_result
from providers.buildio.api.access import own_client
from providers.buildio.apps.actions import CreateResourceAction, forget_app_lists
from providers.buildio.namespaces import messages as namespace_messages
from services.actions.action import ActionResult
from services.request.context import RequestContext


class CreateNamespaceAction(CreateResourceAction):
    """Create a namespace."""

    resource: ClassVar = "namespace"
    act: Literal["create_namespace"] = "create_namespace"
    description: str | None = None

    def reason(self) -> str | None:
        """Return the description."""
        return self.description

    def details(self) -> list[tuple[str, str]]:
        """Return everything that is known of the namespace."""
        return super().details() + present_values(description=self.description)

    async def execute(self, context: RequestContext) -> ActionResult:
        """Create the namespace. Raises ProviderError."""
        created = await own_client(context).create_namespace(
            self.name, team=self.team, description=self.description, region=self.region
        )
        return channel_result(
            namespace_messages.namespace_created(created, by=context.person), f"created {created.id}"
        )


class DeleteNamespaceAction(BuildioAction):
    """Delete a namespace and everything in it."""

    permission: ClassVar = Permission.DELETE
    act: Literal["delete_namespace"] = "delete_namespace"
    name: Name

    def audit_fields(self) -> dict[str, str]:
        """Return the name."""
        return {"label": self.name}

    def summary(self) -> str:
        """Return the name."""
        return f"delete the namespace {self.name}"

    def details(self) -> list[tuple[str, str]]:
        """Return the name."""
        return [("namespace", self.name)]

    async def execute(self, context: RequestContext) -> ActionResult:
        """Delete the namespace. Raises ProviderError."""
        await own_client(context).delete_namespace(self.name)
        forget_app_lists(context)
        return channel_result(namespace_messages.namespace_deleted(self.name, by=context.person))
