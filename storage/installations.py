"""Installations of the Slack app with encrypted tokens, and the OAuth states of installations in progress.

Both stores implement interfaces of slack_sdk's OAuth flow ("Installing with OAuth"). Its own stores keep tokens in
plain text and block the event loop.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.installation_store.models.bot import Bot
from slack_sdk.oauth.installation_store.models.installation import Installation
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore

from domain.build import FrozenModel
from storage.connection import Connection
from storage.database import Database, DatabaseMissing
from storage.database_url import open_shared_database
from storage.encryption import DecryptionError, SecretBox
from storage.oauth_sessions import fingerprint_of, is_issued, new_state
from storage.personal_data import WITH_TOKENS, lock_workspaces, wipe_workspaces
from storage.session_locks import SessionLocks
from storage.timestamps import from_text, to_text

# Slack's page is opened at once, so a later response is not trusted.
STATE_LIFETIME = timedelta(minutes=10)
# Completing an installation calls Slack twice and writes; Slack allows an app about a hundred calls a minute.
MAX_INSTALLATIONS, INSTALLATIONS_PERIOD = 60, timedelta(minutes=1)
_INSTALL = "install"

log = logging.getLogger(__name__)


class Installations(AsyncInstallationStore):
    """Installations in workspaces and whole organisations. Users' own Slack tokens are never requested or stored.

    A workspace's own installation takes precedence over that of its organisation.
    """

    def __init__(self, database: Database, vault: SecretBox, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    @property
    def logger(self) -> logging.Logger:
        """The logger."""
        return log

    @property
    def session_locks(self) -> SessionLocks:
        """The locks that a bot holds for longer than a transaction."""
        return self._database.session_locks

    async def async_save(self, installation: Installation) -> None:
        """Store an installation, replacing an older one."""
        name = installation.team_name or installation.enterprise_name
        await self._save(installation.to_bot(), by=installation.user_id, name=name)

    async def async_save_bot(self, bot: Bot) -> None:
        """Store an installation, replacing an older one."""
        await self._save(bot, by="", name=bot.team_name or bot.enterprise_name)

    async def store_rotated_token(self, before: Bot, after: Bot) -> bool:
        """Store a rotated token, unless the app was uninstalled or installed again in the meantime.

        Returns whether it was stored.
        """
        key = _key(before)

        def work(db: Connection) -> bool:
            _lock_installation(db, key)
            stored = self._read_row(db.execute(f"{_SELECT} WHERE {_AT}", key).fetchone())
            if stored is None or stored.bot_refresh_token != before.bot_refresh_token:
                return False
            db.execute(f"UPDATE installations SET sealed = ? WHERE {_AT}", [self._encrypt(after), *key])
            return True

        return await self._database.write(work)

    async def async_find_bot(
        self, *, enterprise_id: str | None, team_id: str | None, is_enterprise_install: bool | None = False
    ) -> Bot | None:
        """Return the installation of a workspace or its organisation. Raises DecryptionError."""
        if team_id and not is_enterprise_install and (bot := await self._read(team_id=team_id)) is not None:
            return bot
        return await self._read(enterprise_id=enterprise_id) if enterprise_id else None

    async def of_workspace(self, team: str) -> Bot | None:
        """Return the installation of a workspace or its last known organisation. Raises DecryptionError."""
        query = "SELECT enterprise_id FROM workspaces WHERE team_id = ?"
        row = await self._database.read(lambda db: db.execute(query, [team]).fetchone())
        return await self.async_find_bot(enterprise_id=row[0] if row else None, team_id=team)

    async def installed_at(self, enterprise: str | None, team: str | None) -> datetime | None:
        """Return when the app was last installed there, or None if it is not installed."""
        where, arguments = _where(enterprise, team)
        query = f"SELECT installed_at FROM installations WHERE {where}"
        row = await self._database.read(lambda db: db.execute(query, arguments).fetchone())
        return from_text(row[0]) if row else None

    async def async_find_installation(self, **_: Any) -> Installation | None:
        """Return None: users' own installations are not stored."""
        return None

    async def async_delete_bot(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        """Delete an installation, but keep the data of its workspaces."""
        where, arguments = _where(enterprise_id, team_id)
        await self._database.erase(
            lambda db: db.execute(f"DELETE FROM installations WHERE {where}", arguments),
            tables=("installations",),
        )

    async def async_delete_all(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        """Delete the installation and all data of its workspaces, after the app was uninstalled."""
        await self.wipe(enterprise_id, team_id)

    async def wipe(self, enterprise: str | None, team: str | None) -> list[str]:
        """Delete the installation and all data of its workspaces, after the app was uninstalled.

        Returns these workspaces.
        """

        def work(db: Connection) -> list[str]:
            where, arguments = _where(enterprise, team)
            teams = [team] if team else _workspaces_without_installation(db, enterprise or "")
            lock_workspaces(db, teams)
            db.execute(f"DELETE FROM installations WHERE {where}", arguments)
            wipe_workspaces(db, teams, self._vault, self._clock())
            return teams

        return await self._database.erase(work, tables=WITH_TOKENS)

    async def record_enterprise(self, team: str, enterprise: str) -> None:
        """Store that the workspace belongs to the organisation, as one of Slack's requests says."""
        row = [team, enterprise, to_text(self._clock())]
        await self._database.write(
            lambda db: db.execute(
                "INSERT INTO workspaces VALUES (?, ?, ?) ON CONFLICT (team_id) DO UPDATE"
                " SET enterprise_id = excluded.enterprise_id, seen_at = excluded.seen_at"
                " WHERE workspaces.enterprise_id <> excluded.enterprise_id",
                row,
            )
        )

    async def installed_places(self) -> list[tuple[str, str]]:
        """Return where the app is installed: pairs of organisation and workspace, each "" if there is none."""
        query = "SELECT enterprise_id, team_id FROM installations ORDER BY enterprise_id, team_id"
        return await self._database.read(
            lambda db: [(enterprise, team) for enterprise, team in db.execute(query)]
        )

    async def count(self) -> int:
        """Return the number of installations."""
        query = "SELECT COUNT(*) FROM installations"
        return int(await self._database.read(lambda db: db.execute(query).fetchone()[0]))

    async def _save(self, bot: Bot, *, by: str, name: str | None) -> None:
        key = _key(bot)
        row = [*key, name, by, to_text(self._clock()), self._encrypt(bot)]

        def work(db: Connection) -> None:
            _lock_installation(db, key)
            if key[1]:
                # The workspace may have joined or left an organisation since the last installation.
                db.execute("DELETE FROM installations WHERE team_id = ?", [key[1]])
            db.execute(
                "INSERT INTO installations"
                " (enterprise_id, team_id, name, installed_by, installed_at, sealed) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (enterprise_id, team_id) DO UPDATE SET name = excluded.name,"
                " installed_by = excluded.installed_by, installed_at = excluded.installed_at, sealed = excluded.sealed",
                row,
            )

        await self._database.write(work)

    async def _read(self, *, team_id: str = "", enterprise_id: str = "") -> Bot | None:
        where, arguments = _where(enterprise_id, team_id)
        row = await self._database.read(
            lambda db: db.execute(f"{_SELECT} WHERE {where}", arguments).fetchone()
        )
        return self._read_row(row)

    def _read_row(self, row: Any) -> Bot | None:
        return _decrypt(self._vault, row) if row is not None else None

    def _encrypt(self, bot: Bot) -> str:
        content = bot.to_dict_for_copying() | {
            "bot_token_expires_at": bot.bot_token_expires_at,
            "installed_at": bot.installed_at,
        }
        return self._vault.encrypt(json.dumps(content), "slack", *_key(bot))


class StoredInstallation(FrozenModel):
    """An installation in a database file. `token` is None if it can't be decrypted; `ends_at` is when it expires."""

    organisation: str
    team: str
    name: str | None
    token: SecretStr | None
    ends_at: datetime | None = None


async def stored_installations(url: str, vault: SecretBox) -> list[StoredInstallation]:
    """Read the installations from a database that a bot may have open. Changes nothing. Raises DatabaseProblem."""
    try:
        database = await open_shared_database(url)
    except DatabaseMissing:
        return []
    try:
        query = f"{_SELECT} ORDER BY installed_at"
        return await database.read(lambda db: [_read_stored(row, vault) for row in db.execute(query)])
    finally:
        await database.close()


def _read_stored(row: Any, vault: SecretBox) -> StoredInstallation:
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
    """Too many installations are completed at the same time."""


class OAuthStates(AsyncOAuthStateStore):
    """OAuth states of installations in progress: each can be used once, within ten minutes.

    Anybody can start an installation, so nothing is stored until it is completed, and at most MAX_INSTALLATIONS are
    completed per minute.
    """

    def __init__(self, database: Database, vault: SecretBox, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._used_at: deque[datetime] = deque()

    @property
    def logger(self) -> logging.Logger:
        """The logger."""
        return log

    async def async_issue(self, *_: Any, **__: Any) -> str:
        """Return a new, unguessable state."""
        return new_state(self._vault, _INSTALL, self._clock() + STATE_LIFETIME)

    async def async_consume(self, state: str) -> bool:
        """Use up a state. Returns False if it was not issued by us or was used before. Raises TooManyInstallations."""
        now = self._clock()
        if not is_issued(self._vault, _INSTALL, state, now):
            return False
        while self._used_at and self._used_at[0] <= now - INSTALLATIONS_PERIOD:
            self._used_at.popleft()
        if len(self._used_at) >= MAX_INSTALLATIONS:
            raise TooManyInstallations
        self._used_at.append(now)
        # Stored for as long as the state could be used again.
        row = [fingerprint_of(state), to_text(now + STATE_LIFETIME + timedelta(minutes=1))]

        def work(db: Connection) -> bool:
            db.execute("DELETE FROM oauth_states WHERE expires_at < ?", [to_text(now)])
            return bool(
                db.execute("INSERT INTO oauth_states VALUES (?, ?) ON CONFLICT DO NOTHING", row).rowcount
            )

        return await self._database.write(work)


_SELECT = "SELECT enterprise_id, team_id, sealed, name FROM installations"
_AT = "enterprise_id = ? AND team_id = ?"


def _key(bot: Bot) -> tuple[str, str]:
    """Return the key of an installation: the organisation, and the workspace unless it covers the organisation."""
    return bot.enterprise_id or "", "" if bot.is_enterprise_install else bot.team_id or ""


def _lock_installation(db: Connection, key: tuple[str, str]) -> None:
    enterprise, team = key
    # A workspace has one installation, whichever organisation it belongs to.
    db.lock("installation", *(("", team) if team else (enterprise, "")))


def _decrypt(vault: SecretBox, row: Any) -> Bot:
    """Decrypt the installation in a row. Raises DecryptionError."""
    return Bot(**json.loads(vault.decrypt(row[2], "slack", row[0], row[1])))


def _where(enterprise: str | None, team: str | None) -> tuple[str, list[str]]:
    return ("team_id = ?", [team]) if team else ("enterprise_id = ? AND team_id = ''", [enterprise or ""])


def _workspaces_without_installation(db: Connection, enterprise: str) -> list[str]:
    """Return the organisation's workspaces that have no installation of their own."""
    query = (
        "SELECT team_id FROM workspaces WHERE enterprise_id = ?"
        " AND team_id NOT IN (SELECT team_id FROM installations)"
    )
    return [team for (team,) in db.execute(query, [enterprise])]
