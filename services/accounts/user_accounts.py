"""A person's accounts as one request uses them."""

from __future__ import annotations

from collections.abc import Mapping

from domain.provider import Provider
from storage.accounts import Account
from storage.repositories import Repositories


class UserAccounts:
    """A person's accounts at all providers, which are read once, when the first of them is needed.

    A request ends with the account that it began with, unless the provider refuses the token. What lives longer than a
    request makes new ones each time it begins something, or calls `forget`. `person` is `""` for a workflow, which has
    no accounts.
    """

    def __init__(self, storage: Repositories, team: str, person: str) -> None:
        self.team = team
        self.person = person
        self.stored = storage.of(team).accounts
        self._accounts: Mapping[Provider, Account] | None = None

    async def find(self, provider: Provider) -> Account | None:
        """Return the account at the provider, or None; a refused one is read again, since it may work by now."""
        if not self.person:
            return None
        account = self._accounts.get(provider) if self._accounts is not None else None
        if self._accounts is None or (account is not None and not account.works):
            self._accounts = {found.provider: found for found in await self.stored.of(self.person)}
            account = self._accounts.get(provider)
        return account

    def forget(self) -> None:
        """Read the accounts again when the next one is needed, since they may have changed."""
        self._accounts = None
