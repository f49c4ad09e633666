"""The action of Tiny CI: start a job, or retry one."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from domain.access_policy import Permission
from domain.build import App
from domain.commands.errors import UserError
from services.actions.action import ActionResult, ExecutableAction
from services.request.context import Reply, RequestContext, Visibility
from tests.tiny.client import own_client
from tests.tiny.messages import job_started
from tests.tiny.provider import TINY


class StartJob(ExecutableAction):
    """Start a job of a project; `retried` is the number of the job to retry, or None for a new one."""

    permission: ClassVar = Permission.TRIGGER
    provider: ClassVar = TINY
    act: Literal["tiny_start"] = "tiny_start"
    app: App
    retried: int | None = None

    def audit_fields(self) -> dict[str, str]:
        return {} if self.retried is None else {"retried": str(self.retried)}

    def summary(self) -> str:
        return (
            f"start {self.app.title}" if self.retried is None else f"retry {self.app.title} #{self.retried}"
        )

    def details(self) -> list[tuple[str, str]]:
        return [("retried", str(self.retried))]

    async def prepare(self, context: RequestContext) -> Self:
        """Check that the job to retry exists. Raises UserError, ProviderError."""
        numbers = [job.number for job in await own_client(context).jobs(self.app.slug)]
        if self.retried is not None and self.retried not in numbers:
            raise UserError(f"{self.app.title} has no job #{self.retried}.")
        return self

    async def execute(self, context: RequestContext) -> ActionResult:
        """Start the job as the requesting user. Raises ProviderError."""
        job = await own_client(context).start(self.app.slug)
        message = job_started(self.app, job, by=context.person)
        return ActionResult(Reply(message, Visibility.CHANNEL), {"job": job.number}, f"started {job.number}")
