"""Reports the result of Workflow Builder steps to Slack: at once, when the build ends, or after a restart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from domain.build import App, Build, BuildState
from domain.provider_client import BuildClient
from domain.provider_errors import NotConnected, NotFound, ProviderError
from domain.redaction.redactor import redact
from domain.unit import Unit
from services.accounts.provider_clients import ProviderClients
from services.accounts.user_accounts import UserAccounts
from services.jobs.background_job import BackgroundJob
from services.request.app_visibility import VisibleApps
from services.slack.errors import NOT_SENT, RATE_LIMITED, UNCLEAR, SlackCallFailed
from storage.database import DatabaseUnavailable
from storage.repositories import Repositories
from storage.workflow_steps import Outcome, WaitingStep

log = structlog.get_logger()

LOOK_SECONDS = 15.0
AGAIN_SECONDS = 3.0
AT_ONCE = 20
SUCCESSES = (BuildState.SUCCEEDED, BuildState.ABORTED_WITH_SUCCESS)
# Errors inside Slack or on the way to it: the report is tried again.
_LATER = UNCLEAR | {
    NOT_SENT,
    RATE_LIMITED,
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
}


class WorkflowStepCompletion(BackgroundJob):
    """Completes steps that wait for builds of one provider: after a poll has found changes, and every few seconds."""

    name = "workflow steps"
    unit = Unit.CONCLUDE_STEP
    is_exclusive = True
    retry_seconds = LOOK_SECONDS

    def __init__(
        self,
        clients: ProviderClients[Any],
        builds: BuildClient,
        storage: Repositories,
        slack: Callable[[str], AsyncWebClient],
        *,
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__()
        self._clients = clients
        self._builds = builds
        self._storage = storage
        self._slack = slack
        self._clock = clock

    async def run_once(self) -> float | None:
        """Complete the steps whose builds have ended, and report the outcomes."""
        steps = await self._storage.workflow_steps.waiting()
        for step in steps[:AT_ONCE]:
            await self._check(step)
        if not await self._report_outcomes():
            return AGAIN_SECONDS
        return LOOK_SECONDS if steps else None

    async def _check(self, step: WaitingStep) -> None:
        try:
            outcome = await self._find_outcome(step)
        except ProviderError as problem:
            log.info("wait.later", execution=step.execution, reason=str(problem))
        except DatabaseUnavailable:
            raise
        except Exception:
            # An error in one step must not delay the others.
            log.exception("wait.broken", execution=step.execution)
        else:
            if outcome is not None:
                await self._storage.workflow_steps.conclude(step.team, step.execution, outcome)

    async def _find_outcome(self, step: WaitingStep) -> Outcome | None:
        try:
            build = await self._find_build(step)
        except NotFound:
            return Outcome(error="The build no longer exists, or Buildbell can't see it any more.")
        if build.ended:
            try:
                # The step may have started a day ago, so the workflow's access is checked again.
                app = await self._visible_apps(step).require(step.app_slug)
            except (NotFound, NotConnected):
                message = (
                    "No channel here is subscribed to the build's app any more, so its result isn't shown."
                )
                return Outcome(error=message)
            return Outcome(outputs=step_outputs(app, build))
        if self._clock() >= step.until:
            return Outcome(error=f"Build {build.label} didn't finish within the time that was given.")
        return None

    def _visible_apps(self, step: WaitingStep) -> VisibleApps:
        """Return the apps that workflows of the step's workspace have access to."""
        workflow = self._clients.for_user(UserAccounts(self._storage, step.team, ""))
        return VisibleApps(self._clients, self._storage.of(step.team), workflow, None)

    async def _find_build(self, step: WaitingStep) -> Build:
        recorded = await self._storage.watched_builds.build(self._clients.provider, step.build_slug)
        if recorded is not None and recorded.build.ended:
            return recorded.build
        return await self._builds.build(step.app_slug, step.build_slug)

    async def _report_outcomes(self) -> bool:
        """Report outcomes that Slack does not know yet; return whether it has accepted all of them."""
        all_reported = True
        for team, execution, outcome in await self._storage.workflow_steps.unreported():
            try:
                await self._report(team, execution, outcome)
            except SlackCallFailed as error:
                reason = error.reason
                if reason in _LATER:
                    log.warning("step.not_told", execution=execution, reason=reason)
                    all_reported = False
                    continue
                # The workflow was ended by a user or given up by Slack: the outcome is no longer needed.
                log.info("step.gone", execution=execution, reason=reason)
                await self._storage.workflow_steps.mark_reported(team, execution)
            else:
                await self._storage.workflow_steps.mark_reported(team, execution)
        return all_reported

    async def _report(self, team: str, execution: str, outcome: Outcome) -> None:
        slack = self._slack(team)
        if outcome.outputs is not None:
            await slack.functions_completeSuccess(
                function_execution_id=execution, outputs=dict(outcome.outputs)
            )
        else:
            await slack.functions_completeError(
                function_execution_id=execution, error=outcome.error or "The step failed."
            )


def step_outputs(app: App, build: Build) -> Mapping[str, Any]:
    """Return the outputs of a step whose build has ended."""
    return {
        "app": redact(app.title),
        "build": build.slug,
        "number": build.number or 0,
        "url": build.url,
        "result": build.state.value,
        "succeeded": build.state in SUCCESSES,
        "reason": redact(build.abort_reason or ""),
    }
