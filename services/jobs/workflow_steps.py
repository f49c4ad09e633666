"""What came of workflows' steps, told to Slack: at once, when a build that is waited for ends, or after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import structlog

from domain.build import App, Build, BuildState
from domain.errors import NotConnected, NotFound, ProviderError
from domain.provider import Provider
from domain.redaction.redactor import redact
from services.container import Services
from services.request.app_visibility import VisibleApps
from services.slack.errors import NOT_SENT, RATE_LIMITED, UNCLEAR, SlackCallFailed
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
    """Looks at what is waited for when the watcher has found something, else now and then; owes nothing for long."""

    def __init__(self, services: Services, news: asyncio.Event) -> None:
        self._services = services
        self._news = news
        self._began: datetime = services.clock()
        self._stopping = False

    def stop(self) -> None:
        """End `run`."""
        self._stopping = True
        self._news.set()

    async def run(self) -> None:
        """Tell each step what came of it; no failure ends it."""
        await self._own_up()
        while not self._stopping:
            self._news.clear()
            waits = await self._services.storage.steps.waiting()
            for wait in waits[:AT_ONCE]:
                await self._see_to(wait)
            delivered = await self._deliver()
            pause = AGAIN_SECONDS if not delivered else LOOK_SECONDS if waits else None
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._news.wait()

    async def _own_up(self) -> None:
        """Steps in whose midst an earlier process was stopped: whether they did anything, nobody knows."""
        for team, execution in await self._services.storage.steps.cut_off(self._began):
            words = "I was stopped in the middle of this step. Look in Bitrise whether it was done."
            await self._services.storage.steps.conclude(team, execution, Outcome(error=words))

    async def _see_to(self, wait: WaitingStep) -> None:
        try:
            outcome = await self._look(wait)
        except ProviderError as problem:
            log.info("wait.later", execution=wait.execution, reason=str(problem))
        except Exception:
            # One step's trouble must not keep the others waiting.
            log.exception("wait.broken", execution=wait.execution)
        else:
            if outcome is not None:
                await self._services.storage.steps.conclude(wait.team, wait.execution, outcome)

    async def _look(self, wait: WaitingStep) -> Outcome | None:
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
            return Outcome(outputs=outputs_of(app, build))
        if self._services.clock() >= wait.until:
            return Outcome(error=f"Build {build.label} has not ended within the time that was given.")
        return None

    def _visible(self, wait: WaitingStep) -> VisibleApps:
        """What workflows of its workspace may see."""
        return VisibleApps(self._services.clients.bitrise, self._services.storage.of(wait.team), "", None)

    async def _build(self, wait: WaitingStep) -> Build:
        seen = await self._services.storage.watching.build(Provider.BITRISE, wait.build_slug)
        if seen is not None and seen.build.ended:
            return seen.build
        return await self._services.clients.bitrise.service.build(wait.app_slug, wait.build_slug)

    async def _deliver(self) -> bool:
        """Tell Slack what it does not know yet; returns whether all of it was taken."""
        delivered = True
        for team, execution, outcome in await self._services.storage.steps.owed():
            try:
                await self._tell(team, execution, outcome)
            except SlackCallFailed as error:
                reason = error.reason
                if reason in _LATER:
                    log.warning("step.not_told", execution=execution, reason=reason)
                    delivered = False
                    continue
                # Somebody has ended the workflow, or Slack has given it up: nobody waits for this any more.
                log.info("step.gone", execution=execution, reason=reason)
                await self._services.storage.steps.end(team, execution)
            else:
                await self._services.storage.steps.end(team, execution)
        return delivered

    async def _tell(self, team: str, execution: str, outcome: Outcome) -> None:
        slack = self._services.slack(team)
        if outcome.outputs is not None:
            await slack.functions_completeSuccess(
                function_execution_id=execution, outputs=dict(outcome.outputs)
            )
        else:
            await slack.functions_completeError(
                function_execution_id=execution, error=outcome.error or "It did not work."
            )


def outputs_of(app: App, build: Build) -> Mapping[str, Any]:
    """What a workflow learns of a build that has ended."""
    return {
        "app": redact(app.title),
        "build": build.slug,
        "number": build.number or 0,
        "url": build.url,
        "result": build.state.value,
        "succeeded": build.state in SUCCESSES,
        "reason": redact(build.abort_reason or ""),
    }
