"""Under which token a request goes out, and what such a token is renewed with."""

from __future__ import annotations

import json
from datetime import datetime
from enum import Enum
from typing import Protocol, Self

from pydantic import SecretStr

from domain.build import FrozenModel
from domain.fair_limiter import NOBODY, Requester


class Tokens(FrozenModel):
    """What a provider has handed out: a token to ask with, and one to get the next by, where there is one."""

    access_token: SecretStr
    refresh_token: SecretStr | None = None
    expires_at: datetime | None = None
    scopes: tuple[str, ...] = ()

    def to_json_with_secrets(self) -> str:
        """All of it as JSON, in clear: for what seals it, and for nobody else."""
        refresh = self.refresh_token.get_secret_value() if self.refresh_token is not None else None
        content = {
            "access_token": self.access_token.get_secret_value(),
            "refresh_token": refresh,
            "expires_at": self.expires_at.isoformat() if self.expires_at is not None else None,
            "scopes": list(self.scopes),
        }
        return json.dumps(content)

    @classmethod
    def from_json(cls, content: str) -> Self:
        """What `for_sealing` wrote."""
        return cls.model_validate_json(content)


class TokenOwner(Enum):
    """Whose token a request was made with, seen from the person for whom it was made."""

    PERSON = "their own"
    BOT = "the bot's own, which reads for them"


class Credentials(Protocol):
    """Decides for each request which token it carries, if any, and in whose share of the connections it counts."""

    @property
    def requester(self) -> Requester:
        """For whom requests are made."""

    def owner_of(self, token: SecretStr) -> TokenOwner | None:
        """Whose this token is; None where that is nothing to be told."""

    async def token(self, *, changes: bool) -> SecretStr | None:
        """The token for a request that reads, or one that `changes` something. Raises ProviderError where none may."""

    async def refused(self, token: SecretStr) -> bool:
        """The provider does not take this token any more (401); returns whether there is another one to ask with."""


class FixedToken:
    """One token, or none, for everything."""

    def __init__(self, token: SecretStr | None, requester: Requester = NOBODY) -> None:
        self._token = token
        self.requester = requester

    def owner_of(self, token: SecretStr) -> None:
        """Whoever gave it knows."""

    async def token(self, *, changes: bool) -> SecretStr | None:
        """The token."""
        del changes
        return self._token

    async def refused(self, token: SecretStr) -> bool:
        """There is no other: whoever asks hears of it."""
        del token
        return False


class ProviderUser(FrozenModel):
    """Whose token it is: who they are at the provider, for good, and what they are called there."""

    id: str
    name: str
