"""People's links to a provider: their own tokens, sealed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlite_utils
from pydantic import SecretStr

from domain.build import FrozenModel
from domain.credentials import Tokens
from domain.provider import Provider
from domain.recipient import Recipient
from storage.database import WorkspaceDatabase
from storage.encryption import DecryptionError, SecretBox
from storage.slack_messages import enqueue_message
from storage.subscriptions import check_soon, end_access
from storage.timestamps import from_text, to_text

_FIELDS = "team_id, user_id, provider, provider_user, name, sealed, connected_at, renewable, broken_at"


class EncryptionKeyMissing(Exception):
    """This Buildbell has no key (BUILDBELL_SECRET_KEY), so it keeps nobody's token. Ask whoever runs it."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class Account(FrozenModel):
    """One person's link: who they are at the provider, and their token, sealed. `broken_at`: since it is refused.

    `renewable`: sealed with it is when it ends, and what another one can be got with.
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
        """Whether the provider took its token when it was last asked."""
        return self.broken_at is None


class Accounts:
    """The accounts of one workspace's people."""

    def __init__(self, database: WorkspaceDatabase, team: str, vault: SecretBox | None) -> None:
        self._database = database
        self._team = team
        self._vault = vault

    async def find(self, user: str, provider: Provider) -> Account | None:
        """The person's account; None where they have connected none."""
        query = f"SELECT {_FIELDS} FROM accounts WHERE team_id = ? AND user_id = ? AND provider = ?"
        row = await self._database.read(lambda db: db.execute(query, [self._team, user, provider]).fetchone())
        return account_of(row) if row is not None else None

    async def of_provider_user(self, provider: Provider, provider_user: str) -> list[Account]:
        """Everybody here who is this one at the provider."""
        query = f"SELECT {_FIELDS} FROM accounts WHERE team_id = ? AND provider = ? AND provider_user = ?"
        return await self._database.read(
            lambda db: [account_of(row) for row in db.execute(query, [self._team, provider, provider_user])]
        )

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
        """Keep the person's token, in the place of another one that they may have had. Raises EncryptionKeyMissing."""
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

        def work(db: sqlite_utils.Database) -> None:
            query = "SELECT provider_user FROM accounts WHERE team_id = ? AND user_id = ? AND provider = ?"
            before = db.execute(query, [self._team, user, provider]).fetchone()
            if before is not None and before[0] != provider_user:
                # What somebody else at the provider could see says nothing of what this one can.
                end_access(db, self._team, user, at, provider=provider)
            db.execute(
                f"INSERT OR REPLACE INTO accounts ({_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)", row
            )
            check_soon(db, self._team, user, provider)

        await self._database.write(work)
        return account

    def token(self, account: Account) -> SecretStr:
        """The token of the account.

        Raises EncryptionKeyMissing, and DecryptionError where it was sealed for somebody else.
        """
        return self.tokens(account).access_token

    def tokens(self, account: Account) -> Tokens:
        """The token with its end, and what it can be renewed with. Raises EncryptionKeyMissing, DecryptionError."""
        if self._vault is None:
            raise EncryptionKeyMissing
        content = self._vault.decrypt(
            account.sealed, *associated_data(self._team, account.user, account.provider)
        )
        return Tokens.from_json(content) if account.renewable else Tokens(access_token=SecretStr(content))

    async def store_renewed_tokens(self, before: Account, tokens: Tokens) -> bool:
        """Keep what the account's token was renewed to; not where it is another one, or gone, meanwhile.

        Returns whether it is kept. Raises EncryptionKeyMissing.
        """
        place = [self._team, before.user, before.provider]
        sealed = self._encrypt(tokens, before.user, before.provider)
        query = (
            "UPDATE accounts SET sealed = ?, renewable = 1"
            " WHERE team_id = ? AND user_id = ? AND provider = ? AND sealed = ?"
        )
        return bool(
            await self._database.write(lambda db: db.execute(query, [sealed, *place, before.sealed]).rowcount)
        )

    def _encrypt(self, token: SecretStr | Tokens, user: str, provider: Provider) -> str:
        if self._vault is None:
            raise EncryptionKeyMissing
        content = token.to_json_with_secrets() if isinstance(token, Tokens) else token.get_secret_value()
        return self._vault.encrypt(content, *associated_data(self._team, user, provider))

    async def disconnect(self, user: str, provider: Provider | None = None, *, at: datetime) -> list[Account]:
        """Wipe the person's tokens, of one provider or of all; returns what was there.

        What others were shown since they could see it is shown no more from then on.
        """

        def work(db: sqlite_utils.Database) -> list[Account]:
            where, given = "team_id = ? AND user_id = ?", [self._team, user]
            if provider is not None:
                where, given = f"{where} AND provider = ?", [*given, provider]
            there = [
                account_of(row) for row in db.execute(f"SELECT {_FIELDS} FROM accounts WHERE {where}", given)
            ]
            db.execute(f"DELETE FROM accounts WHERE {where}", given)
            db.execute(f"DELETE FROM sign_ins WHERE {where}", given)
            end_access(db, self._team, user, at, provider=provider)
            return there

        return await self._database.erase(work, tables=("accounts", "sign_ins"))

    async def mark_token_refused(self, account: Account, message: str, at: datetime) -> bool:
        """The provider does not take this token any more: ask its owner for another, once; returns whether it was news.

        `message` is what they are asked, whole.
        """

        def work(db: sqlite_utils.Database) -> bool:
            news = db.execute(
                "UPDATE accounts SET broken_at = ? WHERE team_id = ? AND user_id = ? AND provider = ?"
                " AND sealed = ? AND broken_at IS NULL",
                [to_text(at), self._team, account.user, account.provider, account.sealed],
            ).rowcount
            if news:
                to = Recipient(team=self._team, channel=account.user)
                parcel = f"token-{self._team}-{account.user}-{account.provider}-{at:%Y%m%d%H%M%S%f}"
                enqueue_message(db, parcel, to, "notice", message, at)
            return bool(news)

        return await self._database.write(work)

    async def mark_token_accepted(self, account: Account) -> bool:
        """Note that the provider takes the token after all; returns whether it was refused before.

        What the person's subscriptions show is compared anew at once.
        """

        def work(db: sqlite_utils.Database) -> bool:
            news = db.execute(
                "UPDATE accounts SET broken_at = NULL WHERE team_id = ? AND user_id = ? AND provider = ?"
                " AND sealed = ? AND broken_at IS NOT NULL",
                [self._team, account.user, account.provider, account.sealed],
            ).rowcount
            if news:
                check_soon(db, self._team, account.user, account.provider)
            return bool(news)

        return await self._database.write(work)


def associated_data(team: str, user: str, provider: Provider) -> tuple[str, ...]:
    """The place that a token is sealed for."""
    return ("account", team, user, str(provider))


def account_of(row: Any) -> Account:
    """The account in a row of `accounts`."""
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
