"""Slack's installations of the app, their tokens sealed, and the states of those that somebody begins.

The two stores are what slack_sdk's OAuth flow asks for ("Installing with OAuth"); its own ones keep tokens in clear
and block the event loop.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlite_utils
from pydantic import SecretStr
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.installation_store.models.bot import Bot
from slack_sdk.oauth.installation_store.models.installation import Installation
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore

from domain.build import FrozenModel
from storage.database import Database
from storage.encryption import DecryptionError, SecretBox
from storage.hashing import fingerprint_of
from storage.oauth_states import is_issued, new_state
from storage.timestamps import from_text, to_text
from storage.workspace_removal import WITH_TOKENS, wipe_workspace

# Slack's page is opened at once; an answer that comes later than this is not to be trusted.
STATE_LIFETIME = timedelta(minutes=10)
# Each end of an installation asks Slack twice and writes; Slack itself lets an app ask some hundred times a minute.
MOST_TAKEN, MOST_TAKEN_WITHIN = 60, timedelta(minutes=1)
_INSTALL = "install"

log = logging.getLogger(__name__)


class Installations(AsyncInstallationStore):
    """One for each workspace, or for a whole organisation. People's own Slack tokens are not asked for, nor kept.

    A workspace's own comes before its organisation's.
    """

    def __init__(self, database: Database, vault: SecretBox, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    @property
    def logger(self) -> logging.Logger:
        """The log."""
        return log

    async def async_save(self, installation: Installation) -> None:
        """Keep an installation, in the place of an older one."""
        name = installation.team_name or installation.enterprise_name
        await self._save(installation.to_bot(), by=installation.user_id, name=name)

    async def async_save_bot(self, bot: Bot) -> None:
        """Keep an installation, in the place of an older one."""
        await self._save(bot, by="", name=bot.team_name or bot.enterprise_name)

    async def store_rotated_token(self, before: Bot, after: Bot) -> bool:
        """Keep a token that another was exchanged for; not where the app was taken out, or installed anew, meanwhile.

        Returns whether it is kept.
        """
        place = _place(before)

        def work(db: sqlite_utils.Database) -> bool:
            there = self._in_row(db.execute(f"{_SELECT} WHERE {_AT}", place).fetchone())
            if there is None or there.bot_refresh_token != before.bot_refresh_token:
                return False
            db.execute(f"UPDATE installations SET sealed = ? WHERE {_AT}", [self._encrypt(after), *place])
            return True

        return await self._database.write(work)

    async def async_find_bot(
        self, *, enterprise_id: str | None, team_id: str | None, is_enterprise_install: bool | None = False
    ) -> Bot | None:
        """The installation of a workspace, or of its organisation. Raises DecryptionError."""
        if team_id and not is_enterprise_install and (bot := await self._read(team_id=team_id)) is not None:
            return bot
        return await self._read(enterprise_id=enterprise_id) if enterprise_id else None

    async def of_workspace(self, team: str) -> Bot | None:
        """The installation of a workspace, or of the organisation that it was last seen in. Raises DecryptionError."""
        query = "SELECT enterprise_id FROM workspaces WHERE team_id = ?"
        row = await self._database.read(lambda db: db.execute(query, [team]).fetchone())
        return await self.async_find_bot(enterprise_id=row[0] if row else None, team_id=team)

    async def installed_at(self, enterprise: str | None, team: str | None) -> datetime | None:
        """When the app was installed there, for the last time; None where it is not."""
        where, given = _where(enterprise, team)
        query = f"SELECT installed_at FROM installations WHERE {where}"
        row = await self._database.read(lambda db: db.execute(query, given).fetchone())
        return from_text(row[0]) if row else None

    async def async_find_installation(self, **_: Any) -> Installation | None:
        """People's own installations: there are none."""
        return None

    async def async_delete_bot(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        """Forget an installation; what its workspaces have told the bot stays."""
        where, given = _where(enterprise_id, team_id)
        await self._database.erase(
            lambda db: db.execute(f"DELETE FROM installations WHERE {where}", given),
            tables=("installations",),
        )

    async def async_delete_all(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        """The app was taken out: forget the installation, and all that its workspaces have told the bot."""
        await self.wipe(enterprise_id, team_id)

    async def wipe(self, enterprise: str | None, team: str | None) -> list[str]:
        """The app was taken out: forget the installation, and all that its workspaces have told the bot.

        Returns those workspaces.
        """

        def work(db: sqlite_utils.Database) -> list[str]:
            where, given = _where(enterprise, team)
            db.execute(f"DELETE FROM installations WHERE {where}", given)
            teams = [team] if team else _only_of(db, enterprise or "")
            for one in teams:
                wipe_workspace(db, one, self._database, self._vault, self._clock())
            return teams

        return await self._database.erase(work, tables=WITH_TOKENS)

    async def record_enterprise(self, team: str, enterprise: str) -> None:
        """A request of Slack's says that the workspace belongs to the organisation."""
        row = [team, enterprise, to_text(self._clock())]
        await self._database.write(
            lambda db: db.execute(
                "INSERT INTO workspaces VALUES (?, ?, ?) ON CONFLICT (team_id) DO UPDATE"
                " SET enterprise_id = excluded.enterprise_id, seen_at = excluded.seen_at"
                " WHERE enterprise_id <> excluded.enterprise_id",
                row,
            )
        )

    async def installed_places(self) -> list[tuple[str, str]]:
        """Where the app is installed: each as an organisation and a workspace, "" where there is none."""
        query = "SELECT enterprise_id, team_id FROM installations ORDER BY enterprise_id, team_id"
        return await self._database.read(lambda db: [(one, team) for one, team in db.execute(query)])

    async def count(self) -> int:
        """How many there are."""
        query = "SELECT COUNT(*) FROM installations"
        return int(await self._database.read(lambda db: db.execute(query).fetchone()[0]))

    async def _save(self, bot: Bot, *, by: str, name: str | None) -> None:
        place = _place(bot)
        row = [*place, name, by, to_text(self._clock()), self._encrypt(bot)]

        def work(db: sqlite_utils.Database) -> None:
            if place[1]:
                # It may have joined an organisation, or left one, since it was installed the last time.
                db.execute("DELETE FROM installations WHERE team_id = ?", [place[1]])
            db.execute(
                "INSERT OR REPLACE INTO installations"
                " (enterprise_id, team_id, name, installed_by, installed_at, sealed) VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )

        await self._database.write(work)

    async def _read(self, *, team_id: str = "", enterprise_id: str = "") -> Bot | None:
        where, given = _where(enterprise_id, team_id)
        row = await self._database.read(lambda db: db.execute(f"{_SELECT} WHERE {where}", given).fetchone())
        return self._in_row(row)

    def _in_row(self, row: Any) -> Bot | None:
        return _decrypt(self._vault, row) if row is not None else None

    def _encrypt(self, bot: Bot) -> str:
        content = bot.to_dict_for_copying() | {
            "bot_token_expires_at": bot.bot_token_expires_at,
            "installed_at": bot.installed_at,
        }
        return self._vault.encrypt(json.dumps(content), "slack", *_place(bot))


class StoredInstallation(FrozenModel):
    """An installation as it stands in a file. `token` is None where the key does not open it; `ends_at`: its end."""

    organisation: str
    team: str
    name: str | None
    token: SecretStr | None
    ends_at: datetime | None = None


def stored_installations(path: Path, vault: SecretBox) -> list[StoredInstallation]:
    """What stands in a file, which a running bot may have open; nothing is changed. Raises sqlite3.DatabaseError."""
    if not path.exists():
        return []
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        tables = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'installations'")
        rows = connection.execute(f"{_SELECT} ORDER BY installed_at").fetchall() if tables.fetchone() else []
    finally:
        connection.close()
    return [_kept(row, vault) for row in rows]


def _kept(row: Any, vault: SecretBox) -> StoredInstallation:
    enterprise, team, _, name = row
    try:
        bot = _decrypt(vault, row)
    except DecryptionError:
        return StoredInstallation(organisation=enterprise, team=team, name=name, token=None)
    ends = bot.bot_token_expires_at
    return StoredInstallation(
        organisation=enterprise,
        team=team,
        name=name,
        token=SecretStr(bot.bot_token),
        ends_at=datetime.fromtimestamp(ends, UTC) if ends is not None else None,
    )


class TooManyInstallations(Exception):
    """More installations come to their end at once than are let through."""


class OAuthStates(AsyncOAuthStateStore):
    """The states of installations that somebody has begun: each is taken once, within ten minutes.

    Anybody may begin one, so nothing is kept until one is taken, and no more than MOST_TAKEN are taken in a minute.
    """

    def __init__(self, database: Database, vault: SecretBox, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._taken_at: deque[datetime] = deque()

    @property
    def logger(self) -> logging.Logger:
        """The log."""
        return log

    async def async_issue(self, *_: Any, **__: Any) -> str:
        """A new state, which nobody can guess."""
        return new_state(self._vault, _INSTALL, self._clock() + STATE_LIFETIME)

    async def async_consume(self, state: str) -> bool:
        """Whether the state is one that was issued, and was not taken yet. Raises TooManyTaken."""
        now = self._clock()
        if not is_issued(self._vault, _INSTALL, state, now):
            return False
        while self._taken_at and self._taken_at[0] <= now - MOST_TAKEN_WITHIN:
            self._taken_at.popleft()
        if len(self._taken_at) >= MOST_TAKEN:
            raise TooManyInstallations
        self._taken_at.append(now)
        # Kept for as long as the state could come again.
        row = [fingerprint_of(state), to_text(now + STATE_LIFETIME + timedelta(minutes=1))]

        def work(db: sqlite_utils.Database) -> bool:
            db.execute("DELETE FROM oauth_states WHERE expires_at < ?", [to_text(now)])
            return bool(db.execute("INSERT OR IGNORE INTO oauth_states VALUES (?, ?)", row).rowcount)

        return await self._database.write(work)


_SELECT = "SELECT enterprise_id, team_id, sealed, name FROM installations"
_AT = "enterprise_id = ? AND team_id = ?"


def _place(bot: Bot) -> tuple[str, str]:
    """Where an installation is kept: an organisation's by its own name, a workspace's by both."""
    return bot.enterprise_id or "", "" if bot.is_enterprise_install else bot.team_id or ""


def _decrypt(vault: SecretBox, row: Any) -> Bot:
    """The installation in a row. Raises DecryptionError."""
    return Bot(**json.loads(vault.decrypt(row[2], "slack", row[0], row[1])))


def _where(enterprise: str | None, team: str | None) -> tuple[str, list[str]]:
    return ("team_id = ?", [team]) if team else ("enterprise_id = ? AND team_id = ''", [enterprise or ""])


def _only_of(db: sqlite_utils.Database, enterprise: str) -> list[str]:
    """The organisation's workspaces that have no installation of their own."""
    query = (
        "SELECT team_id FROM workspaces WHERE enterprise_id = ?"
        " AND team_id NOT IN (SELECT team_id FROM installations)"
    )
    return [team for (team,) in db.execute(query, [enterprise])]
