"""The action that gets a Kubernetes credential."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal

from domain.access_policy import Permission
from providers.buildio.action_base import BuildioAction, Name, channel_result
from providers.buildio.api.access import own_client
from providers.buildio.login import messages as login_messages
from services.actions.action import ActionResult
from services.request.context import RequestContext
from services.slack.file_upload import share_file

# An upper limit, however long the credential is valid: the file only has to be saved once.
FILE_LIVES = timedelta(minutes=10)


class ClusterLoginAction(BuildioAction):
    """Get a Kubernetes credential for the cluster of a region."""

    permission: ClassVar = Permission.LOGIN
    act: Literal["login"] = "login"
    region: Name

    def audit_fields(self) -> dict[str, str]:
        """Return the region."""
        return {"label": self.region}

    def summary(self) -> str:
        """Return the region."""
        return f"get a Kubernetes credential for the cluster in {self.region}"

    def details(self) -> list[tuple[str, str]]:
        """Return the region."""
        return [("region", self.region)]

    async def execute(self, context: RequestContext) -> ActionResult:
        """Send the credential as a file in a direct message; the file is deleted when it expires.

        Raises UserError, ProviderError.
        """
        login = await own_client(context).cluster_login(self.region)
        until = context.now() + FILE_LIVES
        if login.expires_at is not None:
            until = min(until, login.expires_at)
        await share_file(
            context,
            login.content.get_secret_value().encode(),
            name="exec-credential.json",
            title="Kubernetes credential",
            comment=login_messages.login_comment(self.region, expires_at=login.expires_at, deleted_at=until),
            until=until,
        )
        return channel_result(login_messages.login_sent(self.region, by=context.person, deleted_at=until))
