"""Users' accounts at a provider, with their own encrypted tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import SecretStr

from domain.build import FrozenModel
from domain.credentials import Tokens
from domain.message import Recipient
from domain.provider import Provider
from storage.connection import Connection
from storage.database import WorkspaceDatabase
from storage.encryption import DecryptionError, SecretBox
from storage.slack_messages import enqueue_message
from storage.subscriptions import check_soon, end_access
from storage.timestamps import from_text, to_text

_FIELDS = "team_id, user_id, provider, provider_user, name, sealed, connected_at, renewable, broken_at"
_AT = "team_id = ? AND user_id = ? AND provider = ?"


class EncryptionKeyMissing(Exception):
    """This Buildbell has no encryption key, so it can't store tokens. Ask its operator to set BUILDBELL_SECRET_KEY."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class Account(FrozenModel):
    """A user's account at a provider, with the encrypted token. `broken_at`: since when the provider refuses the token.

    `renewable`: the refresh token and the expiry time are encrypted together with the token.
    """

    team: str
    user: str
    provider: Provider
    provider_user: str
    name: str
    sealed: str
    connected_at: datetime
    renewable: bool = False
    broken_at: datetime | None = None

    @property
    def works(self) -> bool:
        """True if the provider accepted the token when it was last used."""
        return self.broken_at is None


class Accounts:
    """The accounts of one workspace's users."""

    def __init__(self, database: WorkspaceDatabase, team: str, vault: SecretBox | None) -> None:
        self._database = database
        self._team = team
        self._vault = vault

    async def find(self, user: str, provider: Provider) -> Account | None:
        """Return the user's account, or None if none is connected."""
        query = f"SELECT {_FIELDS} FROM accounts WHERE team_id = ? AND user_id = ? AND provider = ?"

        def work(db: Connection) -> Account | None:
            row = db.execute(query, [self._team, user, provider]).fetchone()
            return account_of(row) if row is not None else None

        return await self._database.read(work)

    async def of(self, user: str) -> list[Account]:
        """Return the user's accounts at all providers."""
        query = f"SELECT {_FIELDS} FROM accounts WHERE team_id = ? AND user_id = ?"

        def work(db: Connection) -> list[Account]:
            return [account_of(row) for row in db.execute(query, [self._team, user])]

        return await self._database.read(work)

    async def connect(
        self,
        user: str,
        provider: Provider,
        token: SecretStr | Tokens,
        *,
        provider_user: str,
        name: str,
        at: datetime,
    ) -> Account:
        """Store the user's token, replacing an earlier one. Raises EncryptionKeyMissing."""
        account = Account(
            team=self._team,
            user=user,
            provider=provider,
            provider_user=provider_user,
            name=name,
            sealed=self._encrypt(token, user, provider),
            connected_at=at,
            renewable=isinstance(token, Tokens),
        )
        renewable = int(account.renewable)
        row = [self._team, user, provider, provider_user, name, account.sealed, to_text(at), renewable]

        def work(db: Connection) -> None:
            db.lock("account", self._team, user)
            query = "SELECT provider_user FROM accounts WHERE team_id = ? AND user_id = ? AND provider = ?"
            before = db.execute(query, [self._team, user, provider]).fetchone()
            if before is not None and before[0] != provider_user:
                # Access was confirmed for another user of the provider, so it must be checked again.
                end_access(db, self._team, user, at, provider=provider)
            db.execute(
                f"INSERT INTO accounts ({_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)"
                " ON CONFLICT (team_id, user_id, provider) DO UPDATE SET provider_user = excluded.provider_user,"
                " name = excluded.name, sealed = excluded.sealed, connected_at = excluded.connected_at,"
                " renewable = excluded.renewable, broken_at = NULL, checked_at = NULL",
                row,
            )
            check_soon(db, self._team, user, provider)

        await self._database.write(work)
        return account

    def token(self, account: Account) -> SecretStr:
        """Return the access token. Raises EncryptionKeyMissing; DecryptionError if it belongs to another account."""
        return self.tokens(account).access_token

    def tokens(self, account: Account) -> Tokens:
        """Return the token with its expiry and refresh token. Raises EncryptionKeyMissing, DecryptionError."""
        if self._vault is None:
            raise EncryptionKeyMissing
        content = self._vault.decrypt(
            account.sealed, *associated_data(self._team, account.user, account.provider)
        )
        return Tokens.from_json(content) if account.renewable else Tokens(access_token=SecretStr(content))

    async def store_renewed_tokens(self, before: Account, tokens: Tokens) -> bool:
        """Store the refreshed tokens, unless the account was replaced or disconnected in the meantime.

        Returns whether they were stored. Raises EncryptionKeyMissing, DecryptionError.
        """
        key = [self._team, before.user, before.provider]
        known, sealed = self.tokens(before), self._encrypt(tokens, before.user, before.provider)

        def work(db: Connection) -> bool:
            db.lock("account", self._team, before.user)
            row = db.execute(f"SELECT {_FIELDS} FROM accounts WHERE {_AT}", key).fetchone()
            # The same tokens may be sealed with another key meanwhile.
            if row is None or self.tokens(account_of(row)) != known:
                return False
            db.execute(f"UPDATE accounts SET sealed = ?, renewable = 1 WHERE {_AT}", [sealed, *key])
            return True

        return await self._database.write(work)

    def _encrypt(self, token: SecretStr | Tokens, user: str, provider: Provider) -> str:
        if self._vault is None:
            raise EncryptionKeyMissing
        content = token.to_json_with_secrets() if isinstance(token, Tokens) else token.get_secret_value()
        return self._vault.encrypt(content, *associated_data(self._team, user, provider))

    async def disconnect(self, user: str, provider: Provider | None = None, *, at: datetime) -> list[Account]:
        """Erase the user's tokens, of one provider or of all, and return the accounts that were removed.

        Subscriptions that rely on the user's access show nothing from then on.
        """

        def work(db: Connection) -> list[Account]:
            db.lock("account", self._team, user)
            where, arguments = "team_id = ? AND user_id = ?", [self._team, user]
            if provider is not None:
                where, arguments = f"{where} AND provider = ?", [*arguments, provider]
            rows = db.execute(f"SELECT {_FIELDS} FROM accounts WHERE {where}", arguments)
            removed = [account_of(row) for row in rows]
            db.execute(f"DELETE FROM accounts WHERE {where}", arguments)
            db.execute(f"DELETE FROM sign_ins WHERE {where}", arguments)
            end_access(db, self._team, user, at, provider=provider)
            return removed

        return await self._database.erase(work, tables=("accounts", "sign_ins"))

    async def mark_token_refused(self, account: Account, message: str, at: datetime) -> bool:
        """Note that the provider refuses this token, and send its owner `message` (encoded) once.

        Returns False if that was known already, or the token was replaced.
        """

        def work(db: Connection) -> bool:
            changed = db.execute(
                "UPDATE accounts SET broken_at = ? WHERE team_id = ? AND user_id = ? AND provider = ?"
                " AND sealed = ? AND broken_at IS NULL",
                [to_text(at), self._team, account.user, account.provider, account.sealed],
            ).rowcount
            if changed:
                to = Recipient(team=self._team, channel=account.user)
                parcel = f"token-{self._team}-{account.user}-{account.provider}-{at:%Y%m%d%H%M%S%f}"
                enqueue_message(db, parcel, to, "notice", message, at)
            return bool(changed)

        return await self._database.write(work)

    async def mark_token_accepted(self, account: Account) -> bool:
        """Note that the provider accepts the token again. Returns whether it was refused before.

        The access of the user's subscriptions is then checked at once.
        """

        def work(db: Connection) -> bool:
            db.lock("account", self._team, account.user)
            changed = db.execute(
                "UPDATE accounts SET broken_at = NULL WHERE team_id = ? AND user_id = ? AND provider = ?"
                " AND sealed = ? AND broken_at IS NOT NULL",
                [self._team, account.user, account.provider, account.sealed],
            ).rowcount
            if changed:
                check_soon(db, self._team, account.user, account.provider)
            return bool(changed)

        return await self._database.write(work)


def associated_data(team: str, user: str, provider: Provider) -> tuple[str, ...]:
    """Return the encryption context that binds a token to its account."""
    return ("account", team, user, str(provider))


def account_of(row: Any) -> Account:
    """Read an account from a row of `accounts`."""
    team, user, provider, provider_user, name, sealed, connected_at, renewable, broken_at = row
    return Account(
        team=team,
        user=user,
        provider=provider,
        provider_user=provider_user,
        name=name,
        sealed=sealed,
        connected_at=from_text(connected_at),
        renewable=bool(renewable),
        broken_at=from_text(broken_at),
    )


__all__ = ["Account", "Accounts", "DecryptionError", "EncryptionKeyMissing", "account_of", "associated_data"]
