"""The actions of Tiny CI: start a job, or retry one."""

from __future__ import annotations

from typing import ClassVar, Literal

from domain.access_policy import AccessRequest, Permission
from domain.action import Action, app_details
from domain.build import App
from services.actions.action_spec import ActionSpec
from services.actions.result import ActionResult
from services.request.context import Reply, RequestContext, Visibility
from services.request.errors import UserError
from tests.tiny.client import own_client
from tests.tiny.messages import job_started
from tests.tiny.provider import TINY


class StartJob(Action):
    """Start a job of a project; `retried` is the number of the job to retry, or None for a new one."""

    permission: ClassVar = Permission.TRIGGER
    provider: ClassVar = TINY
    act: Literal["tiny_start"] = "tiny_start"
    app: App
    retried: int | None = None

    def access_request(self, channel: str) -> AccessRequest:
        return self._build_access_request(channel)

    def audit_fields(self) -> dict[str, str]:
        return {} if self.retried is None else {"retried": str(self.retried)}

    def summary(self) -> str:
        return (
            f"start {self.app.title}" if self.retried is None else f"retry {self.app.title} #{self.retried}"
        )

    def full_details(self) -> list[tuple[str, str]]:
        return [*app_details(self.app), ("retried", str(self.retried))]


async def check_job_exists(action: StartJob, context: RequestContext) -> StartJob:
    """Return the action if the job to retry exists. Raises UserError, ProviderError."""
    numbers = [job.number for job in await own_client(context).jobs(action.app.slug)]
    if action.retried is not None and action.retried not in numbers:
        raise UserError(f"{action.app.title} has no job #{action.retried}.")
    return action


async def start_job(action: StartJob, context: RequestContext) -> ActionResult:
    """Start the job as the requesting user. Raises ProviderError."""
    job = await own_client(context).start(action.app.slug)
    message = job_started(action.app, job, by=context.person)
    return ActionResult(Reply(message, Visibility.CHANNEL), {"job": job.number}, f"started {job.number}")


ACTIONS = (ActionSpec(StartJob, start_job, prepare=check_job_exists),)
