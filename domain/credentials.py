"""Secrets of requests: comparison in constant time, access tokens, and the refresh tokens that renew them."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime
from enum import Enum
from typing import Protocol, Self

from pydantic import SecretStr

from domain.build import FrozenModel
from domain.fair_limiter import NOBODY, Requester


def secrets_equal(candidate: str, secret: SecretStr | str) -> bool:
    """Return whether a text from outside, whatever it contains, equals the secret; an empty secret equals nothing.

    Compares digests, which have equal lengths: comparing texts of different lengths ends sooner (docs.python.org,
    `hmac.compare_digest`).
    """
    expected = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
    return bool(expected) and hmac.compare_digest(_digest(candidate), _digest(expected))


def _digest(text: str) -> bytes:
    # Header bytes that are not UTF-8 arrive as lone surrogates.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class Tokens(FrozenModel):
    """The tokens that a provider issued: an access token, and a refresh token if there is one."""

    access_token: SecretStr
    refresh_token: SecretStr | None = None
    expires_at: datetime | None = None
    scopes: tuple[str, ...] = ()

    def to_json_with_secrets(self) -> str:
        """Return everything as JSON in clear text: for encryption only."""
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
        """Parse what `to_json_with_secrets` wrote."""
        return cls.model_validate_json(content)


class TokenOwner(Enum):
    """The owner of the token of a request, from the view of the person for whom it was made."""

    PERSON = "their own"
    BOT = "the bot's own, which reads for them"


class Credentials(Protocol):
    """Chooses the token of each request, if any, and whose share of the connections it counts against."""

    @property
    def requester(self) -> Requester:
        """The person or workspace for whom requests are made."""

    def owner_of(self, token: SecretStr) -> TokenOwner | None:
        """Return whose token this is; None if that should not be shown."""

    async def token(self, *, changes: bool) -> SecretStr | None:
        """Return the token for a request that reads or that `changes` something. Raises ProviderError if none may."""

    async def refused(self, token: SecretStr) -> bool:
        """Handle that the provider rejected this token (401); return whether there is another one to try."""


class FixedToken:
    """One token, or none, for everything."""

    def __init__(self, token: SecretStr | None, requester: Requester = NOBODY) -> None:
        self._token = token
        self.requester = requester

    def owner_of(self, token: SecretStr) -> None:
        """Return None: the user who provided the token knows."""

    async def token(self, *, changes: bool) -> SecretStr | None:
        """Return the token."""
        del changes
        return self._token

    async def refused(self, token: SecretStr) -> bool:
        """Return False: there is no other token, so the request fails."""
        del token
        return False


class ProviderUser(FrozenModel):
    """The owner of a token at the provider: a permanent id and a display name."""

    id: str
    name: str
