"""What the people of one workspace have told the bot about themselves."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import sqlite_utils

from domain.build import FrozenModel
from domain.build_author import NameDirectory
from storage.database import WorkspaceDatabase


class NameTaken(Exception):
    """Somebody else has claimed the name; `by` is their Slack id."""

    def __init__(self, name: str, by: str) -> None:
        self.name, self.by = name, by
        super().__init__(f"{name} is claimed by somebody else.")


class UserProfile(FrozenModel):
    """One person: the name at Bitrise that they claimed, their e-mail address, and what they want."""

    user: str
    name: str | None = None
    email: str | None = None
    mention: bool = False


class WorkspacePeople(FrozenModel):
    """Everybody in a workspace, for matching: names by Slack id, and who wants to be mentioned."""

    names: NameDirectory
    mentioned: frozenset[str]


class UserProfiles:
    """All people of one workspace who have said something about themselves."""

    def __init__(self, database: WorkspaceDatabase, team: str) -> None:
        self._database = database
        self._team = team

    async def find(self, user: str) -> UserProfile:
        """The person; a blank one where nothing is known."""
        query = "SELECT name, email, mention FROM people WHERE team_id = ? AND user_id = ?"
        row = await self._database.read(lambda db: db.execute(query, [self._team, user]).fetchone())
        if row is None:
            return UserProfile(user=user)
        return UserProfile(user=user, name=row[0], email=row[1], mention=bool(row[2]))

    async def known(self) -> WorkspacePeople:
        """Everybody."""
        return await self._database.read(lambda db: workspace_people(db, self._team))

    async def claim_name(self, user: str, name: str) -> None:
        """The provider itself says that this is the person's name: whoever else has claimed it gives it up."""

        def work(db: sqlite_utils.Database) -> None:
            given = [self._team, name.casefold(), user]
            db.execute("UPDATE people SET name = NULL WHERE team_id = ? AND name = ? AND user_id <> ?", given)
            db.execute(
                "INSERT INTO people (team_id, user_id, name) VALUES (?, ?, ?)"
                " ON CONFLICT (team_id, user_id) DO UPDATE SET name = excluded.name WHERE name IS NULL",
                [self._team, user, name.casefold()],
            )

        await self._database.write(work)

    async def save(self, person: UserProfile) -> None:
        """Remember the person. Raises NameTaken where the name is somebody else's."""

        def work(db: sqlite_utils.Database) -> None:
            try:
                db.execute(
                    "INSERT INTO people (team_id, user_id, name, email, mention) VALUES (?, ?, ?, ?, ?)"
                    " ON CONFLICT (team_id, user_id) DO UPDATE SET name = excluded.name, email = excluded.email,"
                    " mention = excluded.mention",
                    [
                        self._team,
                        person.user,
                        person.name and person.name.casefold(),
                        person.email and person.email.casefold(),
                        person.mention,
                    ],
                )
            except sqlite3.IntegrityError as error:
                query = "SELECT user_id FROM people WHERE team_id = ? AND name = ?"
                name = person.name or ""
                [by] = db.execute(query, [self._team, name.casefold()]).fetchone()
                raise NameTaken(name, by) from error

        await self._database.write(work)


def workspace_people(db: sqlite_utils.Database, team: str) -> WorkspacePeople:
    """Everybody in a workspace; for use where a database is at hand."""
    query = "SELECT user_id, name, email, mention FROM people WHERE team_id = ?"
    rows = db.execute(query, [team]).fetchall()
    return WorkspacePeople(
        names=NameDirectory(
            team, {user: frozenset(one for one in (name, email) if one) for user, name, email, _ in rows}
        ),
        mentioned=frozenset(user for user, _, _, mention in rows if mention),
    )


def name_directories(db: sqlite_utils.Database, teams: Iterable[str]) -> dict[str, NameDirectory]:
    """What people are known by, in each of the workspaces; for use where a database is at hand."""
    return {team: workspace_people(db, team).names for team in set(teams)}
