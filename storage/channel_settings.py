"""Settings of one workspace's channels: their default apps."""

from __future__ import annotations

from datetime import datetime

from domain.provider import Provider
from storage.database import WorkspaceDatabase
from storage.timestamps import to_text


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
        await self._database.write(
            lambda db: db.execute("INSERT OR REPLACE INTO channels VALUES (?, ?, ?, ?, ?, ?)", row)
        )

    async def default_app(self, channel: str, provider: Provider) -> str | None:
        """Return the slug of the channel's default app, or None."""
        query = "SELECT app_slug FROM channels WHERE team_id = ? AND channel_id = ? AND provider = ?"
        row = await self._database.read(
            lambda db: db.execute(query, [self._team, channel, provider]).fetchone()
        )
        return None if row is None else str(row[0])
