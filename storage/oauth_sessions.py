"""OAuth sign-ins at a provider: each state and each code can be used once, within ten minutes.

Anybody can start a flow any number of times, so starting one writes nothing: a state is signed (RFC 6749, 10.12), and
one that we have not issued is refused without a query. A state belongs to the user who started the sign-in, but another
user's browser may come back with it. So the granted tokens are stored under a code that only this browser shows, and
are linked when the user who started enters the code.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import SecretStr

from domain.credentials import ProviderUser, Tokens
from domain.provider import Provider
from storage.accounts import EncryptionKeyMissing
from storage.connection import Connection
from storage.database import Database
from storage.encryption import DecryptionError, SecretBox
from storage.timestamps import to_text


def fingerprint_of(token: str) -> str:
    """Return the hash by which a random, unguessable token is found again."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


_STATE = re.compile(r"(?P<ends>[0-9a-f]{1,12})-(?P<nonce>[0-9a-f]{64})-(?P<signature>[0-9a-f]{32})")


def new_state(vault: SecretBox, use: str, ends: datetime) -> str:
    """Return an unguessable state for this use that expires at `ends` (in whole seconds)."""
    text = f"{int(ends.timestamp()):x}-{secrets.token_hex(32)}"
    return f"{text}-{vault.sign(_signed_text(use, text))}"


def is_issued(vault: SecretBox, use: str, state: str, now: datetime) -> bool:
    """Return whether the state was issued for this use and has not expired; it may have been used already."""
    found = _STATE.fullmatch(state)
    if found is None or int(found["ends"], 16) < now.timestamp():
        return False
    return vault.is_signed(_signed_text(use, f"{found['ends']}-{found['nonce']}"), found["signature"])


def _signed_text(use: str, text: str) -> str:
    return f"state {use} {text}"


SESSION_LIFETIME = timedelta(minutes=10)
_STARTED, _AUTHORIZED = "begun", "allowed"
_SIGN_IN = "sign_in"
# Letters and digits that are not easily confused; sixteen of them are 80 bits.
_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_GROUPS, _GROUP = 4, 4


@dataclass(frozen=True)
class OAuthSession:
    """A started sign-in with its PKCE code verifier (RFC 7636)."""

    team: str
    person: str
    verifier: str


@dataclass(frozen=True)
class AuthorizedSession:
    """The tokens that a user granted on the provider's page, or entered; and who the user is at the provider."""

    tokens: SecretStr | Tokens
    owner: ProviderUser


class OAuthSessions:
    """All sign-ins in progress, with encrypted secrets. Without a vault none can start."""

    def __init__(self, database: Database, vault: SecretBox | None) -> None:
        self._database = database
        self._vault = vault

    async def begin(self, team: str, person: str, provider: Provider, now: datetime) -> str:
        """Start a sign-in and return its unguessable state. Raises EncryptionKeyMissing, WorkspaceGone."""
        if self._vault is None:
            raise EncryptionKeyMissing
        # A verifier has 43 to 128 unreserved URI characters (RFC 7636, 4.1).
        state, verifier = new_state(self._vault, _SIGN_IN, now + SESSION_LIFETIME), secrets.token_urlsafe(48)
        await self._store(state, team, person, provider, _STARTED, verifier, now)
        return state

    async def find_started(self, state: str, provider: Provider, now: datetime) -> OAuthSession | None:
        """Return the sign-in of this state if its redirect has not come back yet, or None."""
        if self._vault is None or not is_issued(self._vault, _SIGN_IN, state, now):
            return None  # anybody can call this, so unknown states never reach the database
        query = f"SELECT {_FIELDS} FROM sign_ins WHERE {_AT}"
        arguments = _arguments(state, provider, _STARTED, now)
        row = await self._database.read(lambda db: db.execute(query, arguments).fetchone())
        return self._read_session(row, state)

    async def take_started(self, state: str, provider: Provider, now: datetime) -> OAuthSession | None:
        """Use up this state and return its sign-in; None if it was used before or never existed."""
        if await self.find_started(state, provider, now) is None:
            return None
        query = f"DELETE FROM sign_ins WHERE {_AT} RETURNING {_FIELDS}"
        arguments = _arguments(state, provider, _STARTED, now)
        row = await self._database.write(lambda db: db.execute(query, arguments).fetchone())
        return self._read_session(row, state)

    async def store_authorized(
        self, session: OAuthSession, provider: Provider, authorized: AuthorizedSession, now: datetime
    ) -> str:
        """Store the granted tokens for the user who started the sign-in, and return the code for them.

        Raises EncryptionKeyMissing, WorkspaceGone.
        """
        groups = ["".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS)]
        code = "-".join(groups)
        tokens = authorized.tokens
        if not isinstance(tokens, Tokens):
            tokens = Tokens(access_token=tokens)
        owner = authorized.owner.model_dump(mode="json")
        content = json.dumps({"tokens": tokens.to_json_with_secrets(), "owner": owner})
        await self._store(code, session.team, session.person, provider, _AUTHORIZED, content, now)
        return code

    async def take_authorized(
        self, code: str, team: str, person: str, provider: Provider, now: datetime
    ) -> AuthorizedSession | None:
        """Return the granted tokens to the user who started the sign-in and enters its code; otherwise None."""
        code = code.strip().upper()
        query = f"DELETE FROM sign_ins WHERE {_AT} AND team_id = ? AND user_id = ? RETURNING sealed"
        arguments = [*_arguments(code, provider, _AUTHORIZED, now), team, person]
        row = await self._database.write(lambda db: db.execute(query, arguments).fetchone())
        content = self._decrypt(row[0], code) if row is not None else None
        if content is None:
            return None
        values = json.loads(content)
        return AuthorizedSession(
            Tokens.from_json(values["tokens"]), ProviderUser.model_validate(values["owner"])
        )

    async def _store(
        self, secret: str, team: str, person: str, provider: Provider, state: str, content: str, now: datetime
    ) -> None:
        if self._vault is None:
            raise EncryptionKeyMissing
        fingerprint = fingerprint_of(secret)
        encrypted = self._vault.encrypt(content, "sign_in", fingerprint)
        row = [fingerprint, team, person, provider, state, encrypted, to_text(now + SESSION_LIFETIME)]

        def work(db: Connection) -> None:
            db.execute("DELETE FROM sign_ins WHERE expires_at < ?", [to_text(now)])
            db.execute("INSERT INTO sign_ins VALUES (?, ?, ?, ?, ?, ?, ?)", row)

        await self._database.of(team).write(work)

    def _read_session(self, row: tuple[str, str, str] | None, state: str) -> OAuthSession | None:
        if row is None:
            return None
        team, person, encrypted = row
        verifier = self._decrypt(encrypted, state)
        return OAuthSession(team, person, verifier) if verifier is not None else None

    def _decrypt(self, encrypted: str, secret: str) -> str | None:
        """Decrypt a secret; None if the key has changed: the user must sign in again."""
        if self._vault is None:
            return None
        try:
            return self._vault.decrypt(encrypted, "sign_in", fingerprint_of(secret))
        except DecryptionError:
            return None


_FIELDS = "team_id, user_id, sealed"
_AT = "fingerprint = ? AND provider = ? AND state = ? AND expires_at >= ?"


def is_code(text: str) -> bool:
    """Return whether the text has the format of a code. A token does not."""
    parts = text.strip().upper().split("-")
    return len(parts) == _GROUPS and all(len(part) == _GROUP and set(part) <= set(_LETTERS) for part in parts)


def _arguments(secret: str, provider: Provider, state: str, now: datetime) -> list[str]:
    return [fingerprint_of(secret), provider, state, to_text(now) or ""]
