"""Slack's installations of the app, their tokens sealed, and the states of those that somebody has begun.

The two stores are what slack_sdk's OAuth flow asks for ("Installing with OAuth"); its own ones keep tokens in clear
and block the event loop.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import sqlite_utils
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.installation_store.models.bot import Bot
from slack_sdk.oauth.installation_store.models.installation import Installation
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore

from bot.vault import Vault
from storage.database import Database
from storage.times import to_text
from storage.wiping import wipe_workspace

# Slack's page is opened at once; an answer that comes later than this is not to be trusted.
STATE_LIVES = timedelta(minutes=10)

log = logging.getLogger(__name__)


class Installations(AsyncInstallationStore):
    """One for each workspace, or for a whole organisation. People's own Slack tokens are not asked for, nor kept."""

    def __init__(self, database: Database, vault: Vault, clock: Callable[[], datetime]) -> None:
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
        """Keep an installation whose token was exchanged for a new one."""
        await self._save(bot)

    async def async_find_bot(
        self, *, enterprise_id: str | None, team_id: str | None, is_enterprise_install: bool | None = False
    ) -> Bot | None:
        """The installation of a workspace, or of its organisation. Raises CannotOpen."""
        if team_id and not is_enterprise_install and (bot := await self._read(team_id=team_id)) is not None:
            return bot
        return await self._read(enterprise_id=enterprise_id) if enterprise_id else None

    async def of_workspace(self, team: str) -> Bot | None:
        """The installation of a workspace, or of the organisation that it was last seen in. Raises CannotOpen."""
        query = "SELECT enterprise_id FROM workspaces WHERE team_id = ?"
        row = await self._database.read(lambda db: db.execute(query, [team]).fetchone())
        return await self.async_find_bot(enterprise_id=row[0] if row else None, team_id=team)

    async def async_find_installation(self, **_: Any) -> Installation | None:
        """People's own installations: there are none."""
        return None

    async def async_delete_bot(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        """Forget an installation; what its workspaces have told the bot stays."""
        where, given = _where(enterprise_id, team_id)
        await self._database.write(lambda db: db.execute(f"DELETE FROM installations WHERE {where}", given))

    async def async_delete_all(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        """The app was taken out: forget the installation, and all that its workspaces have told the bot."""

        def work(db: sqlite_utils.Database) -> None:
            where, given = _where(enterprise_id, team_id)
            db.execute(f"DELETE FROM installations WHERE {where}", given)
            for team in [team_id] if team_id else _only_of(db, enterprise_id or ""):
                wipe_workspace(db, team)

        await self._database.write(work)

    async def seen(self, team: str, enterprise: str) -> None:
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

    async def count(self) -> int:
        """How many there are."""
        query = "SELECT COUNT(*) FROM installations"
        return int(await self._database.read(lambda db: db.execute(query).fetchone()[0]))

    async def _save(self, bot: Bot, *, by: str = "", name: str | None = None) -> None:
        place = _place(bot.enterprise_id, bot.team_id, is_organisation=bool(bot.is_enterprise_install))
        content = bot.to_dict_for_copying() | {
            "bot_token_expires_at": bot.bot_token_expires_at,
            "installed_at": bot.installed_at,
        }
        row = [
            *place,
            name,
            by,
            to_text(self._clock()),
            self._vault.seal(json.dumps(content), "slack", *place),
        ]
        await self._database.write(
            lambda db: db.execute(
                "INSERT INTO installations (enterprise_id, team_id, name, installed_by, installed_at, sealed)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (enterprise_id, team_id) DO UPDATE SET"
                " sealed = excluded.sealed, name = IFNULL(excluded.name, name),"
                " installed_by = IIF(excluded.installed_by = '', installed_by, excluded.installed_by)",
                row,
            )
        )

    async def _read(self, *, team_id: str = "", enterprise_id: str = "") -> Bot | None:
        where, given = _where(enterprise_id, team_id)
        query = f"SELECT enterprise_id, team_id, sealed FROM installations WHERE {where}"
        row = await self._database.read(lambda db: db.execute(query, given).fetchone())
        return None if row is None else Bot(**json.loads(self._vault.open(row[2], "slack", row[0], row[1])))


class States(AsyncOAuthStateStore):
    """The states of installations that were begun: each is taken once, within ten minutes."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    @property
    def logger(self) -> logging.Logger:
        """The log."""
        return log

    async def async_issue(self, *_: Any, **__: Any) -> str:
        """A new state, which nobody can guess."""
        state, now = secrets.token_urlsafe(32), self._clock()

        def work(db: sqlite_utils.Database) -> None:
            db.execute("DELETE FROM oauth_states WHERE expires_at < ?", [to_text(now)])
            row = [_fingerprint(state), to_text(now + STATE_LIVES)]
            db.execute("INSERT INTO oauth_states VALUES (?, ?)", row)

        await self._database.write(work)
        return state

    async def async_consume(self, state: str) -> bool:
        """Whether the state is one that was issued, and was not taken yet."""
        query = "DELETE FROM oauth_states WHERE fingerprint = ? AND expires_at >= ?"
        given = [_fingerprint(state), to_text(self._clock())]
        return bool(await self._database.write(lambda db: db.execute(query, given).rowcount))


def _place(enterprise: str | None, team: str | None, *, is_organisation: bool) -> tuple[str, str]:
    """Where an installation is kept: an organisation's by its own name, a workspace's by both."""
    return enterprise or "", "" if is_organisation else team or ""


def _where(enterprise: str | None, team: str | None) -> tuple[str, list[str]]:
    return ("team_id = ?", [team]) if team else ("enterprise_id = ? AND team_id = ''", [enterprise or ""])


def _only_of(db: sqlite_utils.Database, enterprise: str) -> list[str]:
    """The organisation's workspaces that have no installation of their own."""
    query = (
        "SELECT team_id FROM workspaces WHERE enterprise_id = ?"
        " AND team_id NOT IN (SELECT team_id FROM installations)"
    )
    return [team for (team,) in db.execute(query, [enterprise])]


def _fingerprint(state: str) -> str:
    return hashlib.sha256(state.encode("utf-8", "surrogatepass")).hexdigest()
