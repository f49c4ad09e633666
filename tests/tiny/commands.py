"""The commands of `/tiny`: `jobs`, and those that every provider has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from domain.commands.help import CommandHelp
from domain.commands.parser import CommandParser
from domain.commands.shared_command_help import (
    ALIASES,
    PARSE_FUNCTIONS,
    make_app_parser,
    make_subscribe_parser,
    shared_help,
)
from domain.commands.shared_commands import Command
from services.request.context import Reply, RequestContext
from services.request.finder import find_app
from tests.tiny.client import reading_client
from tests.tiny.messages import job_list
from tests.tiny.provider import TINY


class ListJobs(Command):
    """List the jobs of a project."""

    app: str | None = None


async def list_jobs(command: ListJobs, context: RequestContext) -> Reply:
    """Show the jobs of a project. Raises UserError, ProviderError."""
    app = await find_app(context, command.app, TINY)
    return Reply(job_list(app, await reading_client(context).jobs(app.slug)))


COMMAND_HANDLERS: Mapping[type[Command], Callable[[Any, RequestContext], Awaitable[Reply | None]]] = {
    ListJobs: list_jobs
}
PARSER = CommandParser(
    provider=TINY,
    catalogue=(
        CommandHelp("jobs", "jobs [PROJECT]", "The jobs of a project.", ("jobs library",)),
        CommandHelp(
            "subscribe", "subscribe [PROJECT]", "Be notified of a project's jobs.", ("subscribe library",)
        ),
        *shared_help(TINY, app="library", named="Projects are named by their name.").values(),
    ),
    parse_functions={
        **PARSE_FUNCTIONS,
        "jobs": make_app_parser(ListJobs),
        "subscribe": make_subscribe_parser(("branch", "by")),
    },
    aliases=ALIASES,
    name_pattern="tiny",
    example="jobs",
    parse_build_ref=lambda _: None,
    subscribe_example="subscribe library",
)
