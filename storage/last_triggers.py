"""What the people of one workspace started last, so that they need not fill it in again."""

from __future__ import annotations

from datetime import datetime

from domain.commands.trigger_build import TriggerBuild
from domain.redaction.redactor import redact
from storage.database import WorkspaceDatabase
from storage.timestamps import to_text


class LastTriggers:
    """The last order of each person for each app."""

    def __init__(self, database: WorkspaceDatabase, team: str) -> None:
        self._database = database
        self._team = team

    async def store(self, person: str, app_slug: str, ask: TriggerBuild, *, at: datetime) -> None:
        """Keep the order; of a variable that may hold a secret only the name, since nothing here is encrypted."""
        safe = tuple(
            (key, value if redact(f"{key}={value}") == f"{key}={value}" else "")
            for key, value in ask.environments
        )
        message = redact(ask.message) if ask.message else None
        kept = ask.model_copy(update={"environments": safe, "message": message})
        row = [self._team, person, app_slug, kept.model_dump_json(exclude_defaults=True), to_text(at)]
        await self._database.write(
            lambda db: db.execute("INSERT OR REPLACE INTO starts VALUES (?, ?, ?, ?, ?)", row)
        )

    async def last(self, person: str, app_slug: str) -> TriggerBuild | None:
        """What the person started last of the app; None where they never did."""
        query = "SELECT body FROM starts WHERE team_id = ? AND user_id = ? AND app_slug = ?"
        row = await self._database.read(
            lambda db: db.execute(query, [self._team, person, app_slug]).fetchone()
        )
        return None if row is None else TriggerBuild.model_validate_json(row[0])

    async def last_app(self, person: str) -> str | None:
        """The slug of the app of which the person started a build last."""
        query = "SELECT app_slug FROM starts WHERE team_id = ? AND user_id = ? ORDER BY at DESC LIMIT 1"
        row = await self._database.read(lambda db: db.execute(query, [self._team, person]).fetchone())
        return None if row is None else str(row[0])
