"""People who sign in at a provider's own page: each state and each code is taken once, within ten minutes.

A state is bound to the one who began, and says who that is; but nobody knows whose browser comes back with it. So what
was allowed there waits under a code that only that browser shows, and is linked to whoever began once they bring it.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlite_utils
from pydantic import SecretStr

from domain.credentials import ProviderUser, Tokens
from domain.provider import Provider
from storage.accounts import EncryptionKeyMissing
from storage.database import Database
from storage.encryption import DecryptionError, SecretBox
from storage.hashing import fingerprint_of
from storage.oauth_states import is_issued, new_state
from storage.timestamps import to_text

SESSION_LIFETIME = timedelta(minutes=10)
_BEGUN, _ALLOWED = "begun", "allowed"
_SIGN_IN = "sign_in"
# Letters and digits that nobody takes for another one; sixteen of them are 80 bits.
_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_GROUPS, _GROUP = 4, 4


@dataclass(frozen=True)
class OAuthSession:
    """One that somebody has begun, with its secret (RFC 7636)."""

    team: str
    person: str
    verifier: str


@dataclass(frozen=True)
class AuthorizedSession:
    """What somebody has allowed on the provider's page, or a token that they have given; and who they are there."""

    tokens: SecretStr | Tokens
    owner: ProviderUser


class OAuthSessions:
    """All of them; everything secret is sealed. Without a vault nothing begins."""

    def __init__(self, database: Database, vault: SecretBox | None) -> None:
        self._database = database
        self._vault = vault

    async def begin(self, team: str, person: str, provider: Provider, now: datetime) -> str:
        """A new state, which nobody can guess. Raises EncryptionKeyMissing, WorkspaceGone."""
        if self._vault is None:
            raise EncryptionKeyMissing
        # A verifier is 43 to 128 letters of those that addresses may have (RFC 7636, 4.1).
        state, verifier = new_state(self._vault, _SIGN_IN, now + SESSION_LIFETIME), secrets.token_urlsafe(48)
        await self._store(state, team, person, provider, _BEGUN, verifier, now)
        return state

    async def find_started(self, state: str, provider: Provider, now: datetime) -> OAuthSession | None:
        """The one of this state, while it waits for somebody to come back; None where there is none."""
        if self._vault is None or not is_issued(self._vault, _SIGN_IN, state, now):
            return None  # anybody may ask, so the database is not asked about what is none of ours
        query = f"SELECT {_FIELDS} FROM sign_ins WHERE {_AT}"
        given = _arguments(state, provider, _BEGUN, now)
        row = await self._database.read(lambda db: db.execute(query, given).fetchone())
        return self._read_session(row, state)

    async def take_started(self, state: str, provider: Provider, now: datetime) -> OAuthSession | None:
        """Take the one of this state, which is good no more; None where it was taken, or never was."""
        if await self.find_started(state, provider, now) is None:
            return None
        query = f"DELETE FROM sign_ins WHERE {_AT} RETURNING {_FIELDS}"
        given = _arguments(state, provider, _BEGUN, now)
        row = await self._database.write(lambda db: db.execute(query, given).fetchone())
        return self._read_session(row, state)

    async def store_authorized(
        self, sign_in: OAuthSession, provider: Provider, allowed: AuthorizedSession, now: datetime
    ) -> str:
        """Keep what was allowed, for the one who began; returns the code for it.

        Raises EncryptionKeyMissing, WorkspaceGone.
        """
        groups = ["".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS)]
        code = "-".join(groups)
        tokens = allowed.tokens if isinstance(allowed.tokens, Tokens) else Tokens(access_token=allowed.tokens)
        owner = allowed.owner.model_dump(mode="json")
        content = json.dumps({"tokens": tokens.to_json_with_secrets(), "owner": owner})
        await self._store(code, sign_in.team, sign_in.person, provider, _ALLOWED, content, now)
        return code

    async def take_authorized(
        self, code: str, team: str, person: str, provider: Provider, now: datetime
    ) -> AuthorizedSession | None:
        """What was allowed, for the one who began it and brings the code; None for anybody and anything else."""
        code = code.strip().upper()
        query = f"DELETE FROM sign_ins WHERE {_AT} AND team_id = ? AND user_id = ? RETURNING sealed"
        given = [*_arguments(code, provider, _ALLOWED, now), team, person]
        row = await self._database.write(lambda db: db.execute(query, given).fetchone())
        content = self._decrypt(row[0], code) if row is not None else None
        if content is None:
            return None
        read = json.loads(content)
        return AuthorizedSession(Tokens.from_json(read["tokens"]), ProviderUser.model_validate(read["owner"]))

    async def _store(
        self, word: str, team: str, person: str, provider: Provider, state: str, content: str, now: datetime
    ) -> None:
        if self._vault is None:
            raise EncryptionKeyMissing
        fingerprint = fingerprint_of(word)
        sealed = self._vault.encrypt(content, "sign_in", fingerprint)
        row = [fingerprint, team, person, provider, state, sealed, to_text(now + SESSION_LIFETIME)]

        def work(db: sqlite_utils.Database) -> None:
            db.execute("DELETE FROM sign_ins WHERE expires_at < ?", [to_text(now)])
            db.execute("INSERT INTO sign_ins VALUES (?, ?, ?, ?, ?, ?, ?)", row)

        await self._database.of(team).write(work)

    def _read_session(self, row: tuple[str, str, str] | None, state: str) -> OAuthSession | None:
        if row is None:
            return None
        team, person, sealed = row
        verifier = self._decrypt(sealed, state)
        return OAuthSession(team, person, verifier) if verifier is not None else None

    def _decrypt(self, sealed: str, word: str) -> str | None:
        """What was sealed; None where the key has changed meanwhile: they sign in anew."""
        if self._vault is None:
            return None
        try:
            return self._vault.decrypt(sealed, "sign_in", fingerprint_of(word))
        except DecryptionError:
            return None


_FIELDS = "team_id, user_id, sealed"
_AT = "fingerprint = ? AND provider = ? AND state = ? AND expires_at >= ?"


def is_code(text: str) -> bool:
    """Whether it is written as codes are; a token is not."""
    parts = text.strip().upper().split("-")
    return len(parts) == _GROUPS and all(len(part) == _GROUP and set(part) <= set(_LETTERS) for part in parts)


def _arguments(word: str, provider: Provider, state: str, now: datetime) -> list[str]:
    return [fingerprint_of(word), provider, state, to_text(now) or ""]
