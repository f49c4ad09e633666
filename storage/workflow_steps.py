"""Steps of Slack workflows: each runs once, and its outcome is stored until it was reported to Slack."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.build import FrozenModel
from domain.unit import Unit
from storage.connection import Connection
from storage.database import Database
from storage.timestamps import from_text, to_text


class WaitingStep(FrozenModel):
    """A step that waits for the end of a build until `until`; `execution` is Slack's ID of the step's run."""

    team: str
    execution: str
    app_slug: str
    build_slug: str
    until: datetime


class Outcome(FrozenModel):
    """The outcome of a step: outputs for the workflow, or an error."""

    outputs: Mapping[str, Any] | None = None
    error: str | None = None


class WorkflowSteps:
    """Runs each step once, however often Slack requests it. Waiting steps and outcomes survive a restart."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, team: str, execution: str, kind: str, at: datetime) -> bool:
        """Store that a step was started. Returns False if it was started before, even by an earlier process.

        Raises WorkspaceGone.
        """
        query = (
            "INSERT INTO workflow_steps (team_id, execution, kind, begun_at, begun_by) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING"
        )
        row = [team, execution, kind, to_text(at), self._database.session_locks.worker]
        return await self._database.of(team).write(lambda db: db.execute(query, row).rowcount) == 1

    async def wait(self, step: WaitingStep) -> None:
        """Store that the step waits for the end of a build."""
        query = "UPDATE workflow_steps SET app_slug = ?, build_slug = ?, until = ? WHERE team_id = ? AND execution = ?"
        row = [step.app_slug, step.build_slug, to_text(step.until), step.team, step.execution]
        await self._write_and_wake(query, row)

    async def conclude(self, team: str, execution: str, outcome: Outcome) -> None:
        """Store the outcome of a step, to be reported to Slack."""
        query = (
            "UPDATE workflow_steps SET outcome = ? WHERE team_id = ? AND execution = ? AND outcome IS NULL"
        )
        await self._write_and_wake(query, [outcome.model_dump_json(), team, execution])

    async def _write_and_wake(self, query: str, row: list[str | None]) -> None:
        def work(db: Connection) -> None:
            db.execute(query, row)
            db.wake(Unit.CONCLUDE_STEP)

        await self._database.write(work)

    async def mark_reported(self, team: str, execution: str) -> None:
        """Mark the outcome as reported to Slack."""
        query = "UPDATE workflow_steps SET ended = 1 WHERE team_id = ? AND execution = ?"
        await self._database.write(lambda db: db.execute(query, [team, execution]))

    async def waiting(self) -> list[WaitingStep]:
        """Return the waiting steps, oldest first."""
        query = (
            "SELECT team_id, execution, app_slug, build_slug, until FROM workflow_steps"
            " WHERE ended = 0 AND outcome IS NULL AND build_slug IS NOT NULL ORDER BY begun_at"
        )
        return await self._database.read(
            lambda db: [
                WaitingStep(
                    team=team, execution=execution, app_slug=app, build_slug=build, until=from_text(until)
                )
                for team, execution, app, build, until in db.execute(query)
            ]
        )

    async def unreported(self) -> list[tuple[str, str, Outcome]]:
        """Return outcomes that were not reported yet, oldest first: workspace, step and outcome."""
        unreported = "ended = 0 AND outcome IS NOT NULL"
        query = f"SELECT team_id, execution, outcome FROM workflow_steps WHERE {unreported} ORDER BY begun_at"
        return await self._database.read(
            lambda db: [
                (team, execution, Outcome.model_validate_json(outcome))
                for team, execution, outcome in db.execute(query)
            ]
        )

    async def begun_elsewhere(self, before: datetime) -> list[tuple[str, str, str]]:
        """Return the steps under way that this process has not begun, and that do not wait for anything.

        Each is its workspace, its execution, and the process that carries it out; "" for one that was begun before then
        by a version that does not store it.
        """
        query = (
            "SELECT team_id, execution, COALESCE(begun_by, '') FROM workflow_steps"
            " WHERE ended = 0 AND outcome IS NULL AND build_slug IS NULL AND COALESCE(begun_by, '') <> ?"
            " AND (begun_by IS NOT NULL OR begun_at < ?) AND NOT EXISTS"
            " (SELECT 1 FROM proposals WHERE proposals.team_id = workflow_steps.team_id"
            " AND proposals.execution = workflow_steps.execution AND state = 'open')"
        )
        arguments = [self._database.session_locks.worker, to_text(before)]
        return await self._database.read(
            lambda db: [(team, execution, worker) for team, execution, worker in db.execute(query, arguments)]
        )
