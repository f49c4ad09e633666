"""Settings of one workspace: the access rules that its admins have set, and the default apps of its channels."""

from __future__ import annotations

from datetime import datetime

from domain.access_policy import Rule, parse_stored_rule
from domain.build import FrozenModel
from domain.provider import Provider
from storage.database import WorkspaceDatabase
from storage.timestamps import to_text


class StoredAccessRule(FrozenModel):
    """A stored rule with its number, and who set it."""

    number: int
    rule: Rule
    set_by: str


class AccessRules:
    """The rules of one workspace, in the order in which they are evaluated."""

    def __init__(self, database: WorkspaceDatabase, team: str) -> None:
        self._database = database
        self._team = team

    async def all(self) -> list[StoredAccessRule]:
        """Return all rules."""
        query = "SELECT id, body, set_by FROM policies WHERE team_id = ? ORDER BY id"
        return await self._database.read(
            lambda db: [
                StoredAccessRule(number=number, rule=parse_stored_rule(body), set_by=by)
                for number, body, by in db.execute(query, [self._team])
            ]
        )

    async def add(self, rule: Rule, *, by: str, at: datetime) -> int:
        """Add a rule after the others and return its number."""
        row = [self._team, rule.model_dump_json(), by, to_text(at)]
        query = "INSERT INTO policies (team_id, body, set_by, set_at) VALUES (?, ?, ?, ?) RETURNING id"
        return await self._database.write(lambda db: int(db.execute(query, row).fetchone()[0]))

    async def remove(self, number: int) -> bool:
        """Remove a rule. Returns False if there is none of this number."""
        query = "DELETE FROM policies WHERE team_id = ? AND id = ?"
        return bool(await self._database.write(lambda db: db.execute(query, [self._team, number]).rowcount))


class ChannelSettings:
    """Default apps by channel."""

    def __init__(self, database: WorkspaceDatabase, team: str) -> None:
        self._database = database
        self._team = team

    async def set_default_app(
        self, channel: str, provider: Provider, app_slug: str, *, by: str, at: datetime
    ) -> None:
        """Set the channel's default app."""
        row = [self._team, channel, provider, app_slug, by, to_text(at)]
        query = (
            "INSERT INTO channels VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (team_id, channel_id, provider)"
            " DO UPDATE SET app_slug = excluded.app_slug, set_by = excluded.set_by, set_at = excluded.set_at"
        )
        await self._database.write(lambda db: db.execute(query, row))

    async def default_app(self, channel: str, provider: Provider) -> str | None:
        """Return the slug of the channel's default app, or None."""
        query = "SELECT app_slug FROM channels WHERE team_id = ? AND channel_id = ? AND provider = ?"
        row = await self._database.read(
            lambda db: db.execute(query, [self._team, channel, provider]).fetchone()
        )
        return None if row is None else str(row[0])
