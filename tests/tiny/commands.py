"""The commands of `/tiny`: `jobs`, and those that every provider has."""

from __future__ import annotations

from typing import Annotated

from domain.commands.command import Command, Word
from services.features.shared_commands import shared_commands
from services.provider_spec import CommandSpec
from services.request.context import Reply, RequestContext
from services.request.finder import find_app
from tests.tiny.client import reading_client
from tests.tiny.messages import job_list
from tests.tiny.provider import TINY


class ListJobs(Command):
    """List the jobs of a project."""

    app: Annotated[str | None, Word("PROJECT")] = None


async def list_jobs(command: ListJobs, context: RequestContext) -> Reply:
    """Show the jobs of a project. Raises UserError, ProviderError."""
    app = await find_app(context, command.app, TINY)
    return Reply(job_list(app, await reading_client(context).jobs(app.slug)))


COMMANDS = (
    CommandSpec(ListJobs, "jobs", "The jobs of a project.", ("jobs library",), handler=list_jobs),
    *shared_commands(TINY, app="library").values(),
)
