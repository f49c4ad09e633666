"""The credential of a region's cluster, for the person only: its messages, the action that gets it, and the command."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar, Literal

from domain.access_policy import Permission
from domain.commands.command import Command, RequiredWord
from domain.message import Message
from messages.kit.blocks import context, text_message
from messages.kit.mrkdwn import code, mention, when
from providers.buildio.action_base import BuildioAction, Name, channel_result
from providers.buildio.api.access import own_client
from services.actions import run
from services.actions.action import ActionResult
from services.provider_spec import CommandSpec
from services.request.context import Reply, RequestContext
from services.slack.file_upload import share_file


def login_comment(region: str, *, expires_at: datetime | None, deleted_at: datetime) -> str:
    """The comment above the file, for its recipient."""
    until = f"It expires {when(expires_at)}." if expires_at else "Build.io doesn't report when it expires."
    return (
        f"🔑 Your credential for the cluster in {code(region)}, a Kubernetes ExecCredential. {until}"
        f" Save it where no one else can read it. This file is only visible to you, and is deleted {when(deleted_at)}."
    )


def login_sent(region: str, *, by: str, deleted_at: datetime) -> Message:
    """Channel message: a person got a credential."""
    text = f"🔑 {mention(by)} got a credential for the cluster in {code(region)} by direct message."
    return text_message(text, context(f"The file is deleted {when(deleted_at)}."))


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
            comment=login_comment(self.region, expires_at=login.expires_at, deleted_at=until),
            until=until,
        )
        return channel_result(login_sent(self.region, by=context.person, deleted_at=until))


class Login(Command):
    """Request the credential of a region's cluster."""

    region: RequiredWord


async def log_in(command: Login, context: RequestContext) -> Reply | None:
    """Send the credential as an expiring file; off unless a rule allows it. Raises PermissionDenied, ProviderError."""
    return (await run.run_action(ClusterLoginAction(region=command.region), context)).answer


COMMANDS = (
    CommandSpec(
        Login,
        "login",
        "Send you the credential for a region's cluster in a direct message, as a file that expires.",
        ("login us-east-1",),
        handler=log_in,
        notes=("Not allowed unless an access rule says who may.",),
    ),
)
