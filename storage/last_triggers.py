"""The builds that users started last, to prefill the form the next time."""

from __future__ import annotations

from datetime import datetime

from domain.commands.shared_commands import TriggerBuild
from domain.redaction.redactor import redact
from storage.database import WorkspaceDatabase
from storage.timestamps import to_text

_NAMES = ("app", "branch", "tag", "commit", "workflow", "pipeline")


class LastTriggers:
    """The last trigger of each user for each app of one workspace."""

    def __init__(self, database: WorkspaceDatabase, team: str) -> None:
        self._database = database
        self._team = team

    async def store(self, person: str, app_slug: str, ask: TriggerBuild, *, at: datetime) -> None:
        """Store a trigger without what may be secret in it, because this is not encrypted."""
        environments = tuple(
            (key, value if redact(f"{key}={value}") == f"{key}={value}" else "")
            for key, value in ask.environments
        )
        # Part of a branch's name would be another branch.
        names = {name: getattr(ask, name) for name in _NAMES}
        safe = {name: value for name, value in names.items() if value is None or redact(value) == value}
        stored = TriggerBuild(
            **safe,
            environments=environments,
            message=redact(ask.message) if ask.message else None,
        )
        row = [self._team, person, app_slug, stored.model_dump_json(exclude_defaults=True), to_text(at)]
        query = (
            "INSERT INTO starts VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (team_id, user_id, app_slug) DO UPDATE SET body = excluded.body, at = excluded.at"
        )
        await self._database.write(lambda db: db.execute(query, row))

    async def last(self, person: str, app_slug: str) -> TriggerBuild | None:
        """Return the user's last trigger of the app, or None."""
        query = "SELECT body FROM starts WHERE team_id = ? AND user_id = ? AND app_slug = ?"
        row = await self._database.read(
            lambda db: db.execute(query, [self._team, person, app_slug]).fetchone()
        )
        return None if row is None else TriggerBuild.model_validate_json(row[0])

    async def last_app(self, person: str) -> str | None:
        """Return the slug of the app that the user started a build of last."""
        query = "SELECT app_slug FROM starts WHERE team_id = ? AND user_id = ? ORDER BY at DESC LIMIT 1"
        row = await self._database.read(lambda db: db.execute(query, [self._team, person]).fetchone())
        return None if row is None else str(row[0])
