"""Actions on processes: restart them, run a command in one."""

from __future__ import annotations

from typing import ClassVar, Literal

import structlog

from domain.access_policy import Permission
from domain.commands.errors import UserError
from domain.message import Message
from domain.provider_errors import ProviderError, ResponseLost
from domain.redaction.redactor import redact, redact_values
from providers.buildio.action_base import AppAction, Name, channel_result
from providers.buildio.api.access import own_client
from providers.buildio.api.models import CommandResult
from providers.buildio.processes import messages as process_messages
from providers.buildio.processes import run_form
from providers.buildio.shared.arguments import LONGEST_COMMAND, format_array
from services.actions.action import ActionResult
from services.request.context import RequestContext
from services.slack.errors import SlackCallFailed
from services.worker_processes.pool import WorkFailed

log = structlog.get_logger()

RUN_SECONDS = 30.0
NOT_SHOWN = "The output isn't shown: config var values couldn't be redacted from it."


class RestartAction(AppAction):
    """Restart one dyno of an app, or all of them."""

    permission: ClassVar = Permission.RESTART
    act: Literal["restart"] = "restart"
    dyno: Name | None = None

    def audit_fields(self) -> dict[str, str]:
        """Return the dynos."""
        return {"label": self.dyno or "all processes"}

    def summary(self) -> str:
        """Return the dynos and the app."""
        return f"restart {self.dyno or 'all processes'} of {self.app.title}"

    def details(self) -> list[tuple[str, str]]:
        """Return the dynos."""
        return [("process", self.dyno or "all processes")]

    async def execute(self, context: RequestContext) -> ActionResult:
        """Restart the dynos. Raises ProviderError."""
        await record_restart(self, context, self.dyno or "")
        if self.dyno is None:
            await own_client(context).restart_all(self.app.slug)
        else:
            await own_client(context).restart(self.app.slug, self.dyno)
        return channel_result(process_messages.dynos_restarted(self.app, self.dyno, by=context.person))


async def record_restart(action: AppAction, context: RequestContext, dyno: str = "") -> None:
    """Record a requested restart in advance, so that the poller does not report a crash."""
    await context.services.storage.watched_builds.record_restart(
        action.provider, action.app.slug, dyno, context.now()
    )


class RunCommandAction(AppAction):
    """Run a command in a dyno. The command is an array of strings, as Build.io's API takes it."""

    permission: ClassVar = Permission.RUN
    act: Literal["run"] = "run"
    dyno: Name
    command: tuple[str, ...]

    def audit_fields(self) -> dict[str, str]:
        """Return the dyno and the array."""
        return {"label": self.dyno, "command": format_array(self.command)}

    def summary(self) -> str:
        """Return the dyno and the app. The command is shown separately: a summary is truncated and loses spaces."""
        return f"run a command in {self.dyno} of {self.app.title}"

    def details(self) -> list[tuple[str, str]]:
        """Return the dyno and the array."""
        return [("process", self.dyno), ("command", format_array(self.command))]

    def problem(self) -> str | None:
        """Return why the command can't be shown to approvers exactly as it will run; None if it can."""
        if not self.command or not self.command[0].strip():
            return "No command to run."
        shown = format_array(self.command)
        if len(shown) > LONGEST_COMMAND:
            return (
                f"The command is longer than {LONGEST_COMMAND} characters. Put it in a script and run that."
            )
        if redact(shown) != shown or any(redact(word) != word for word in self.command):
            return (
                "The command seems to contain a secret, and others would see it. Keep the secret in a config var and"
                " let the command read it from there."
            )
        return None

    async def execute(self, context: RequestContext) -> ActionResult:
        """Run the command. Its output goes to the person who runs it and is stored nowhere else.

        Raises UserError, ProviderError.
        """
        try:
            result = await own_client(context).execute(
                self.app.slug, self.dyno, self.command, seconds=RUN_SECONDS
            )
        except ResponseLost as error:
            raise UserError(
                f"No answer within {RUN_SECONDS:.0f} seconds. The command may still be running in `{self.dyno}`, and"
                " can't be stopped from here."
            ) from error
        redacted = result.model_copy(update={"output": await _remove_config_values(result, self, context)})
        share_channel = context.channel if context.channel and not context.channel.startswith("D") else None
        await _send_direct_message(
            run_form.command_result(self.app, self.dyno, self.command, redacted, channel=share_channel),
            context,
            self,
        )
        message = run_form.command_run(
            self.app, self.dyno, self.command, by=context.person, exit_code=result.exit_code
        )
        return channel_result(
            message, f"exit code {result.exit_code}" if result.exit_code is not None else "exit code unknown"
        )


async def _send_direct_message(message: Message, context: RequestContext, action: RunCommandAction) -> None:
    """Send a direct message at once: queueing it in the outbox would store the output in the database."""
    try:
        channel = await context.direct_message_alone()
        await context.slack.chat_postMessage(
            channel=channel, text=message.text, blocks=message.blocks, unfurl_links=False, unfurl_media=False
        )
    except SlackCallFailed as error:
        raise UserError(
            f"The command ran in `{action.dyno}`, but Slack didn't accept its output ({error.reason})."
        ) from error


async def _remove_config_values(
    result: CommandResult, action: RunCommandAction, context: RequestContext
) -> str:
    """Return the output without the values of the app's config vars, which a command may print."""
    try:
        values = (await own_client(context).config_vars(action.app.slug)).values()
    except ProviderError as problem:
        log.info("run.config_unknown", reason=type(problem).__name__)
        return result.output
    try:
        return await context.services.runner.run(redact_values, result.output, tuple(values))
    except WorkFailed:
        return NOT_SHOWN  # the command has run all the same
