"""Command that gets a region's cluster credential, for the person only."""

from __future__ import annotations

from domain.commands.command import Command, RequiredWord
from providers.buildio.login.actions import ClusterLoginAction
from services.actions import run
from services.provider_spec import CommandSpec
from services.request.context import Reply, RequestContext


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
        "The credential for a region's cluster, as a file for you alone that expires.",
        ("login us-east-1",),
        handler=log_in,
        notes=("Nobody may do this unless a rule says who.",),
    ),
)
