"""Profiles of users: claimed name, e-mail address and preferences."""

from __future__ import annotations

from collections.abc import Iterable

from domain.build import FrozenModel
from domain.build_author import NameDirectory
from storage.connection import Connection
from storage.database import WorkspaceDatabase

# SQLite takes at least 999 parameters in one statement (sqlite.org, "Implementation Limits For SQLite").
_PARAMETERS = 900


class NameTaken(Exception):
    """Another user has claimed the name; `by` is their Slack ID."""

    def __init__(self, name: str, by: str) -> None:
        self.name, self.by = name, by
        super().__init__(f"{name} is already used by someone else.")


class UserProfile(FrozenModel):
    """A user's profile: the claimed name at Bitrise, the e-mail address, and whether to mention the user."""

    user: str
    name: str | None = None
    email: str | None = None
    mention: bool = False


class WorkspacePeople(FrozenModel):
    """The users of a workspace for matching: names by Slack ID, and who wants to be mentioned."""

    names: NameDirectory
    mentioned: frozenset[str]


class UserProfiles:
    """The profiles of one workspace."""

    def __init__(self, database: WorkspaceDatabase, team: str) -> None:
        self._database = database
        self._team = team

    async def find(self, user: str) -> UserProfile:
        """Return the user's profile; an empty one if none is stored."""
        query = "SELECT name, email, mention FROM people WHERE team_id = ? AND user_id = ?"
        row = await self._database.read(lambda db: db.execute(query, [self._team, user]).fetchone())
        if row is None:
            return UserProfile(user=user)
        return UserProfile(user=user, name=row[0], email=row[1], mention=bool(row[2]))

    async def known(self) -> WorkspacePeople:
        """Return the users of the workspace."""
        return await self._database.read(lambda db: workspace_people(db, self._team))

    async def claim_name(self, user: str, name: str) -> None:
        """Store a name that the provider has confirmed, and take it from other users who claimed it."""

        def work(db: Connection) -> None:
            arguments = [self._team, name.casefold(), user]
            db.lock("people", self._team)
            db.execute(
                "UPDATE people SET name = NULL WHERE team_id = ? AND name = ? AND user_id <> ?", arguments
            )
            db.execute(
                "INSERT INTO people (team_id, user_id, name) VALUES (?, ?, ?)"
                " ON CONFLICT (team_id, user_id) DO UPDATE SET name = excluded.name WHERE people.name IS NULL",
                [self._team, user, name.casefold()],
            )

        await self._database.write(work)

    async def save(self, person: UserProfile) -> None:
        """Store a profile. Raises NameTaken if another user has the name."""

        def work(db: Connection) -> None:
            name, email = person.name and person.name.casefold(), person.email and person.email.casefold()
            db.lock("people", self._team)
            query = "SELECT user_id FROM people WHERE team_id = ? AND name = ? AND user_id <> ?"
            if name and (taken := db.execute(query, [self._team, name, person.user]).fetchone()) is not None:
                raise NameTaken(person.name or "", taken[0])
            db.execute(
                "INSERT INTO people (team_id, user_id, name, email, mention) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (team_id, user_id) DO UPDATE SET name = excluded.name, email = excluded.email,"
                " mention = excluded.mention",
                [self._team, person.user, name, email, person.mention],
            )

        await self._database.write(work)


def workspace_people(db: Connection, team: str) -> WorkspacePeople:
    """Return the users of a workspace; for use on the database's thread."""
    query = "SELECT user_id, name, email, mention FROM people WHERE team_id = ?"
    rows = db.execute(query, [team]).fetchall()
    return WorkspacePeople(
        names=NameDirectory(
            team,
            {user: _aliases(name, email) for user, name, email, _ in rows},
        ),
        mentioned=frozenset(user for user, _, _, mention in rows if mention),
    )


def name_directories(db: Connection, teams: Iterable[str]) -> dict[str, NameDirectory]:
    """Return the names of users by workspace; for use on the database's thread."""
    wanted = sorted(set(teams))
    known: dict[str, dict[str, frozenset[str]]] = {team: {} for team in wanted}
    for start in range(0, len(wanted), _PARAMETERS):
        chunk = wanted[start : start + _PARAMETERS]
        query = f"SELECT team_id, user_id, name, email FROM people WHERE team_id IN ({', '.join('?' * len(chunk))})"
        for team, user, name, email in db.execute(query, chunk):
            known[team][user] = _aliases(name, email)
    return {team: NameDirectory(team, names) for team, names in known.items()}


def _aliases(name: str | None, email: str | None) -> frozenset[str]:
    return frozenset(alias for alias in (name, email) if alias)
