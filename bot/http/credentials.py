"""Under which token a request goes out."""

from __future__ import annotations

from typing import Protocol

from pydantic import SecretStr


class Credentials(Protocol):
    """Decides for each request which token it carries, if any."""

    async def token(self, *, changes: bool) -> SecretStr | None:
        """The token for a request that reads, or one that `changes` something. Raises ProviderError where none may."""

    async def refused(self, token: SecretStr) -> None:
        """The provider does not take this token any more (401)."""


class FixedToken:
    """One token, or none, for everything."""

    def __init__(self, token: SecretStr | None) -> None:
        self._token = token

    async def token(self, *, changes: bool) -> SecretStr | None:
        """The token."""
        del changes
        return self._token

    async def refused(self, token: SecretStr) -> None:
        """Nothing to do: whoever asks hears of it."""
