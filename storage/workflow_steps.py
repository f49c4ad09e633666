"""Steps of Slack's workflows that the bot has begun: each once, and what came of it until Slack knows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.build import FrozenModel
from storage.database import Database
from storage.timestamps import from_text, to_text


class WaitingStep(FrozenModel):
    """A step that waits for a build's end: `execution` is Slack's name for it, and after `until` it is given up."""

    team: str
    execution: str
    app_slug: str
    build_slug: str
    until: datetime


class Outcome(FrozenModel):
    """What came of a step: what the workflow goes on with, or why it can't."""

    outputs: Mapping[str, Any] | None = None
    error: str | None = None


class WorkflowSteps:
    """Each step once, however often Slack asks for it; what waits or is owed survives a restart."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, team: str, execution: str, kind: str, at: datetime) -> bool:
        """Whether the step is new; one that this process or an earlier one has begun is not begun again.

        Raises WorkspaceGone.
        """
        query = (
            "INSERT OR IGNORE INTO workflow_steps (team_id, execution, kind, begun_at) VALUES (?, ?, ?, ?)"
        )
        row = [team, execution, kind, to_text(at)]
        return await self._database.of(team).write(lambda db: db.execute(query, row).rowcount) == 1

    async def wait(self, wait: WaitingStep) -> None:
        """Let the step wait for the build's end."""
        query = "UPDATE workflow_steps SET app_slug = ?, build_slug = ?, until = ? WHERE team_id = ? AND execution = ?"
        row = [wait.app_slug, wait.build_slug, to_text(wait.until), wait.team, wait.execution]
        await self._database.write(lambda db: db.execute(query, row))

    async def conclude(self, team: str, execution: str, outcome: Outcome) -> None:
        """Owe Slack what came of the step."""
        query = (
            "UPDATE workflow_steps SET outcome = ? WHERE team_id = ? AND execution = ? AND outcome IS NULL"
        )
        row = [outcome.model_dump_json(), team, execution]
        await self._database.write(lambda db: db.execute(query, row))

    async def mark_reported(self, team: str, execution: str) -> None:
        """Slack knows what came of the step."""
        query = "UPDATE workflow_steps SET ended = 1 WHERE team_id = ? AND execution = ?"
        await self._database.write(lambda db: db.execute(query, [team, execution]))

    async def waiting(self) -> list[WaitingStep]:
        """What waits, the oldest first."""
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
        """What Slack does not know yet, the oldest first: workspace, step and outcome."""
        owed = "ended = 0 AND outcome IS NOT NULL"
        query = f"SELECT team_id, execution, outcome FROM workflow_steps WHERE {owed} ORDER BY begun_at"
        return await self._database.read(
            lambda db: [
                (team, execution, Outcome.model_validate_json(outcome))
                for team, execution, outcome in db.execute(query)
            ]
        )

    async def interrupted(self, before: datetime) -> list[tuple[str, str]]:
        """Steps begun before then that came to nothing and wait for nothing: a process was stopped in their midst.

        Each is a workspace and a step.
        """
        query = (
            "SELECT team_id, execution FROM workflow_steps"
            " WHERE ended = 0 AND outcome IS NULL AND build_slug IS NULL AND begun_at < ? AND NOT EXISTS"
            " (SELECT 1 FROM proposals WHERE proposals.team_id = workflow_steps.team_id"
            " AND proposals.execution = workflow_steps.execution AND state = 'open')"
        )
        return await self._database.read(
            lambda db: [(team, execution) for team, execution in db.execute(query, [to_text(before)])]
        )
