"""The log of a build: show its end, search it, send it as a file."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from domain.build import App, Build, BuildState
from domain.commands.command import AppArgument, BuildArgument, Command
from domain.commands.errors import UserError
from domain.log.log_parser import Step
from domain.message import Message
from messages import notices
from messages.kit.button_values import LogButton
from providers.bitrise.api.access import own_client
from providers.bitrise.api.connection import NoLog
from providers.bitrise.api.logs import ReadLog
from providers.bitrise.logs import messages as log_messages
from providers.bitrise.logs.messages import LogView
from providers.bitrise.provider import BITRISE
from providers.bitrise.state import state_of
from services.actions.audit import audited
from services.provider_spec import CommandSpec
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import build_by_slugs, find_build
from services.slack import file_upload
from services.worker_processes.log_tasks import redact_log

TITLE = "Log"


class ShowLog(Command):
    """Show the end of a build's log."""

    app: AppArgument = None
    build: BuildArgument


async def show_log(command: ShowLog, context: RequestContext) -> Reply:
    """Show the log of the build that the command names."""
    return await show_build_log(*await find_build(context, command.app, command.build, BITRISE), context)


async def show_build_log(
    app: App, build: Build, context: RequestContext, *, step: int | None = None, thread: str | None = None
) -> Reply:
    """Show a build's steps, and the end of `step`, of the failed step, or of the whole log.

    Only the user sees it: not everyone in a channel may read a log.
    """
    bitrise = own_client(context)
    with state_of(context).log_read_limit.reserve(context.team, context.person):
        try:
            read, reported_steps, ai_summary = await asyncio.gather(
                bitrise.read_log(app.slug, build.slug, step=step),
                bitrise.steps(app.slug, build.slug),
                _fetch_ai_summary(build, context),
            )
        except NoLog:
            return Reply(log_messages.no_log(build, app, now=context.provider_now(app.provider)), title=TITLE)
        end, step_title = await _find_end(app, build, read, reported_steps, step, context)
    view = LogView(
        steps=reported_steps or read.reading.steps,
        end=end,
        of=step_title,
        complete=read.complete,
        still_growing=read.still_growing,
        whole_url=read.whole_url,
        size=read.reading.size,
        ai_summary=ai_summary,
        thread=thread,
    )
    return Reply(log_messages.build_log(build, app, view), Visibility.ONE_PERSON, title=TITLE)


async def search(button: LogButton, word: str, context: RequestContext) -> Message:
    """Find the lines of the log that contain the word. Raises NoLog, ProviderError, TooManyLogs, WorkFailed."""
    app, build = await build_by_slugs(context, button.app, button.build, BITRISE)
    with state_of(context).log_read_limit.reserve(context.team, context.person):
        read = await own_client(context).read_log(app.slug, build.slug, word=word)
    return log_messages.log_hits(
        build, app, word, read.reading, complete=read.complete, still_growing=read.still_growing
    )


async def send_log_file(button: LogButton, context: RequestContext, *, share: bool) -> Reply | None:
    """Send the whole log as a file without secrets, in a direct message; `share`: in the channel instead.

    Raises UserError, ProviderError, TooManyLogs, WorkFailed.
    """
    app, build = await build_by_slugs(context, button.app, button.build, BITRISE)
    with (
        state_of(context).log_file_limit.reserve(context.team, context.person),
        tempfile.TemporaryDirectory() as folder,
    ):
        path = Path(folder) / "log"
        try:
            async with own_client(context).raw_log(app.slug, build.slug) as chunks:
                await _write_chunks(path, redact_log(context.services.runner, chunks))
        except NoLog as error:
            raise UserError(
                "The full log isn't available yet. Bitrise archives it shortly after a build finishes; try again soon."
            ) from error
        channel = context.channel if share and context.channel else await context.direct_message_alone()
        audit_fields = {
            "build": build.slug,
            "label": build.label,
            "to": "channel" if channel == context.channel else "person",
        }
        async with audited(context, "hand_over_log", app=app, about=audit_fields):
            await file_upload.share_file(
                context,
                path,
                name=f"{app.slug}-{build.label.lstrip('#')}.log",
                title=f"Log of {app.title} {build.label}",
                comment=log_messages.log_shared(build, app, by=context.person),
                channel=channel,
                thread=button.thread if channel == context.channel else None,
            )
    if channel == context.channel:
        return None
    return Reply(
        notices.sent_as_direct_message("Sent to your DMs."),
        Visibility.ONE_PERSON,
        title=TITLE,
    )


async def _write_chunks(path: Path, chunks: AsyncIterator[bytes]) -> None:
    size = 0
    with path.open("wb") as file:
        async for chunk in chunks:
            size += file.write(chunk)
            if size > file_upload.LARGEST_FILE:
                raise UserError("The log is too large for Slack. Open it in Bitrise.")


async def _fetch_ai_summary(build: Build, context: RequestContext) -> str | None:
    if build.state is not BuildState.FAILED:
        return None
    return await own_client(context).ai_summary(build.slug)


async def _find_end(
    app: App,
    build: Build,
    read: ReadLog,
    reported_steps: tuple[Step, ...],
    step: int | None,
    context: RequestContext,
) -> tuple[str, str | None]:
    """Return the end of the log to show, and the title of its step; None for the whole log."""
    reading = read.reading
    if step is not None and not 1 <= step <= max(len(reported_steps), len(reading.steps)):
        raise UserError("This build no longer has this step. Open its log again.")
    if reading.end or step is None or len(reported_steps) < step:
        return read.end, reading.of
    # The log has no step headers to find the step by, so the step's own log is fetched.
    end = None
    if (uuid := reported_steps[step - 1].uuid) is not None:
        end = await own_client(context).step_end(app.slug, build.slug, uuid)
    return end or "", reported_steps[step - 1].title


COMMANDS = (
    CommandSpec(
        ShowLog,
        "log",
        "Show a build's steps and the end of its log, only visible to you.",
        ("log #12",),
        handler=show_log,
        aliases=("logs",),
    ),
)
