"""Deploy links of one workspace's channels: Build.io apps that are offered on builds of Bitrise apps."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from domain.build import App
from domain.notifications.deploy_link import DeployLink
from domain.provider import Provider
from storage.connection import Connection
from storage.database import WorkspaceDatabase
from storage.timestamps import to_text


class DeployLinks:
    """Deploy links by channel, in the order of creation."""

    def __init__(self, database: WorkspaceDatabase, team: str) -> None:
        self._database = database
        self._team = team

    @property
    def source_provider(self) -> Provider:
        """The provider whose builds are deployed; the column names of the table fix it."""
        return Provider.named(_SOURCE)

    async def add(
        self, channel: str, app: App, bitrise: App, branches: Sequence[str], *, by: str, at: datetime
    ) -> DeployLink:
        """Link a Build.io app to a Bitrise app. If the link exists, its titles are updated."""
        branch = ",".join(sorted(set(branches)))
        key = [self._team, channel, app.slug, bitrise.slug, branch]
        row = [*key, app.title, bitrise.title, by, to_text(at)]

        def work(db: Connection) -> DeployLink:
            db.execute(
                "INSERT INTO ties (team_id, channel_id, buildio_app, bitrise_app, branch, buildio_title, bitrise_title,"
                " set_by, set_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (team_id, channel_id, bitrise_app, buildio_app, branch) DO UPDATE"
                " SET buildio_title = excluded.buildio_title, bitrise_title = excluded.bitrise_title",
                row,
            )
            where = "team_id = ? AND channel_id = ? AND buildio_app = ? AND bitrise_app = ? AND branch = ?"
            [link] = _select(db, where, key)
            return link

        return await self._database.write(work)

    async def find(self, channel: str, number: int) -> DeployLink | None:
        """Return the channel's link with this number, or None."""
        found = await self._find("channel_id = ? AND id = ?", [channel, number])
        return found[0] if found else None

    async def of_channel(self, channel: str) -> list[DeployLink]:
        """Return all links of a channel."""
        return await self._find("channel_id = ?", [channel])

    async def of_app(self, channel: str, bitrise_app: str) -> list[DeployLink]:
        """Return a channel's links to a Bitrise app."""
        return await self._database.read(lambda db: deploy_links_of(db, self._team, channel, bitrise_app))

    async def remove(self, channel: str, numbers: Collection[int]) -> int:
        """Remove the channel's links with these numbers and return how many there were."""
        rows = [(self._team, channel, number) for number in numbers]
        query = "DELETE FROM ties WHERE team_id = ? AND channel_id = ? AND id = ?"
        return await self._database.write(lambda db: db.executemany(query, rows))

    async def _find(self, where: str, arguments: Sequence[Any]) -> list[DeployLink]:
        return await self._database.read(
            lambda db: _select(db, f"team_id = ? AND {where}", [self._team, *arguments])
        )


def deploy_links_of(db: Connection, team: str, channel: str, bitrise_app: str) -> list[DeployLink]:
    """Return a channel's links to a Bitrise app; for use inside a transaction."""
    return _select(db, "team_id = ? AND channel_id = ? AND bitrise_app = ?", [team, channel, bitrise_app])


# The column names of the table fix the providers whose apps are linked.
_TARGET, _SOURCE = "buildio", "bitrise"


def _select(db: Connection, where: str, arguments: Sequence[Any]) -> list[DeployLink]:
    rows = db.execute(
        "SELECT id, buildio_app, buildio_title, bitrise_app, bitrise_title, branch, set_by FROM ties"
        f" WHERE {where} ORDER BY id",
        arguments,
    )
    return [
        DeployLink(
            number=number,
            app=App(provider=Provider.named(_TARGET), slug=app, title=title),
            bitrise=App(provider=Provider.named(_SOURCE), slug=bitrise, title=bitrise_title),
            branches=tuple(branch.split(",")) if branch else (),
            set_by=by,
        )
        for number, app, title, bitrise, bitrise_title, branch, by in rows
    ]
