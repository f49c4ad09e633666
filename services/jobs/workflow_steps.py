"""The outcomes of workflow steps, reported to Slack.

At once, when a build that a step waits for ends, or after a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from domain.build import App, Build, BuildState
from domain.errors import NotConnected, NotFound, ProviderError
from domain.provider_client import BuildClient
from domain.redaction.redactor import redact
from services.accounts.provider_clients import ProviderClients
from services.request.app_visibility import VisibleApps
from services.slack.errors import NOT_SENT, RATE_LIMITED, UNCLEAR, SlackCallFailed
from storage.repositories import Repositories
from storage.workflow_steps import Outcome, WaitingStep

log = structlog.get_logger()

LOOK_SECONDS = 15.0
AGAIN_SECONDS = 3.0
AT_ONCE = 20
SUCCESSES = (BuildState.SUCCEEDED, BuildState.ABORTED_WITH_SUCCESS)
# Slack's own trouble: it may take it later.
_LATER = UNCLEAR | {
    NOT_SENT,
    RATE_LIMITED,
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
}


class WorkflowStepCompletion:
    """Completes steps that wait for builds of one provider.

    It looks at the builds when the poller has found `news`, else every few seconds.
    """

    def __init__(
        self,
        clients: ProviderClients[Any],
        builds: BuildClient,
        storage: Repositories,
        slack: Callable[[str], AsyncWebClient],
        news: asyncio.Event,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._clients = clients
        self._builds = builds
        self._storage = storage
        self._slack = slack
        self._news = news
        self._clock = clock
        self._began = clock()
        self._stopping = False

    def stop(self) -> None:
        """End `run`."""
        self._stopping = True
        self._news.set()

    async def run(self) -> None:
        """Complete steps until stopped; no failure ends it."""
        await self._fail_interrupted()
        while not self._stopping:
            self._news.clear()
            waits = await self._storage.workflow_steps.waiting()
            for wait in waits[:AT_ONCE]:
                await self._check(wait)
            delivered = await self._deliver()
            pause = AGAIN_SECONDS if not delivered else LOOK_SECONDS if waits else None
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._news.wait()

    async def _fail_interrupted(self) -> None:
        """Fail the steps that an earlier process was stopped in: whether they did anything, nobody knows."""
        for team, execution in await self._storage.workflow_steps.interrupted(self._began):
            label = self._clients.provider.label
            words = f"I was stopped in the middle of this step. Look in {label} whether it was done."
            await self._storage.workflow_steps.conclude(team, execution, Outcome(error=words))

    async def _check(self, wait: WaitingStep) -> None:
        try:
            outcome = await self._outcome(wait)
        except ProviderError as problem:
            log.info("wait.later", execution=wait.execution, reason=str(problem))
        except Exception:
            # One step's trouble must not keep the others waiting.
            log.exception("wait.broken", execution=wait.execution)
        else:
            if outcome is not None:
                await self._storage.workflow_steps.conclude(wait.team, wait.execution, outcome)

    async def _outcome(self, wait: WaitingStep) -> Outcome | None:
        try:
            build = await self._build(wait)
        except NotFound:
            return Outcome(error="The build is not there any more, or I may not see it any more.")
        if build.ended:
            try:
                # It may be a day since the step has begun: what a workflow may see now is asked again.
                app = await self._visible(wait).require(wait.app_slug)
            except (NotFound, NotConnected):
                words = "No channel here follows the build's app any more, so I can't say how it ended."
                return Outcome(error=words)
            return Outcome(outputs=step_outputs(app, build))
        if self._clock() >= wait.until:
            return Outcome(error=f"Build {build.label} has not ended within the time that was given.")
        return None

    def _visible(self, wait: WaitingStep) -> VisibleApps:
        """Return the apps that workflows of the step's workspace may see."""
        return VisibleApps(self._clients, self._storage.of(wait.team), "", None)

    async def _build(self, wait: WaitingStep) -> Build:
        recorded = await self._storage.watched_builds.build(self._clients.provider, wait.build_slug)
        if recorded is not None and recorded.build.ended:
            return recorded.build
        return await self._builds.build(wait.app_slug, wait.build_slug)

    async def _deliver(self) -> bool:
        """Report outcomes that Slack does not know yet; returns whether it has taken all of them."""
        delivered = True
        for team, execution, outcome in await self._storage.workflow_steps.unreported():
            try:
                await self._report(team, execution, outcome)
            except SlackCallFailed as error:
                reason = error.reason
                if reason in _LATER:
                    log.warning("step.not_told", execution=execution, reason=reason)
                    delivered = False
                    continue
                # Somebody has ended the workflow, or Slack has given it up: nobody waits for this any more.
                log.info("step.gone", execution=execution, reason=reason)
                await self._storage.workflow_steps.mark_reported(team, execution)
            else:
                await self._storage.workflow_steps.mark_reported(team, execution)
        return delivered

    async def _report(self, team: str, execution: str, outcome: Outcome) -> None:
        slack = self._slack(team)
        if outcome.outputs is not None:
            await slack.functions_completeSuccess(
                function_execution_id=execution, outputs=dict(outcome.outputs)
            )
        else:
            await slack.functions_completeError(
                function_execution_id=execution, error=outcome.error or "It did not work."
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
