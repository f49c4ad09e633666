"""OAuth consents of members: codes, access tokens and single-use refresh tokens. State only.

Build.io's reference names the two endpoints and the scopes; the rest is OAuth 2.0 (RFC 6749) with PKCE (RFC 7636) as
current practice requires (RFC 9700).
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from sandbox.buildio.members import Access, Member

CLIENT_ID = "bld_sandbox-client"
CLIENT_SECRET = "bld_sandbox-client-secret-0000"  # noqa: S105 - simulated
CODE_LIFETIME = timedelta(minutes=10)
ACCESS_TOKEN_LIFETIME = timedelta(hours=2)


class TokenEndpointError(Exception):
    """An error of the token endpoint, with its name from RFC 6749, 5.2."""

    def __init__(self, error: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.error, self.message, self.status = error, message, status


@dataclass(frozen=True)
class AuthorizationRequest:
    """The parameters of an authorization request; `challenge` is the S256 challenge of PKCE."""

    redirect_uri: str
    scopes: frozenset[str]
    state: str | None
    challenge: str | None


@dataclass
class Consent:
    """The consent of a member to an app; all of its tokens are revoked together."""

    id: str
    member: Member
    authorization: AuthorizationRequest
    until: datetime
    spent: bool = False
    refresh_token: str = field(default="", repr=False)
    old_refresh_tokens: set[str] = field(default_factory=set, repr=False)


@dataclass(frozen=True)
class TokenPair:
    """An access token and its refresh token."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    scopes: frozenset[str]


@dataclass
class OAuthGrants:
    """All consents. Apps are redirected only to the exact `redirect_uris`."""

    now: Callable[[], datetime]
    redirect_uris: list[str] = field(default_factory=list)
    _codes: dict[str, Consent] = field(default_factory=dict, repr=False)
    _consents: list[Consent] = field(default_factory=list, repr=False)

    def create_code(self, authorization: AuthorizationRequest, member: Member) -> str:
        """Return a code for the app, which works once for a limited time."""
        code = secrets.token_urlsafe(24)
        consent = Consent(secrets.token_hex(8), member, authorization, self.now() + CODE_LIFETIME)
        self._codes[code] = consent
        self._consents.append(consent)
        return code

    def exchange(self, code: str, redirect_uri: str, verifier: str | None) -> TokenPair:
        """Exchange a code for tokens.

        Raises TokenEndpointError; a reused code revokes its tokens (RFC 6749, 4.1.2).
        """
        consent = self._codes.get(code)
        if consent is None:
            raise TokenEndpointError("invalid_grant", "Unknown code")
        if consent.spent:
            self.revoke(consent)
            raise TokenEndpointError("invalid_grant", "The code was used already")
        if self.now() >= consent.until:
            raise TokenEndpointError("invalid_grant", "The code has expired")
        if redirect_uri != consent.authorization.redirect_uri:
            raise TokenEndpointError("invalid_grant", "The redirect_uri differs from the one before")
        challenge = consent.authorization.challenge
        if (verifier is None) != (challenge is None):
            raise TokenEndpointError("invalid_grant", "A code_challenge requires a code_verifier")
        if verifier is not None and challenge_of(verifier) != challenge:
            raise TokenEndpointError("invalid_grant", "The code_verifier doesn't match the code_challenge")
        consent.spent = True
        return self._issue(consent)

    def refresh(self, token: str, scopes: frozenset[str] | None) -> TokenPair:
        """Exchange a single-use refresh token for new tokens.

        Raises TokenEndpointError; a reused one revokes all tokens of the consent.
        """
        for consent in self._consents:
            if token in consent.old_refresh_tokens:
                self.revoke(consent)
                raise TokenEndpointError("invalid_grant", "The refresh token was used already")
            if token and token == consent.refresh_token:
                if scopes is not None and not scopes <= consent.authorization.scopes:
                    raise TokenEndpointError("invalid_scope", "This was not allowed before")
                return self._issue(consent, scopes)
        raise TokenEndpointError("invalid_grant", "Unknown refresh token")

    def revoke(self, consent: Consent) -> None:
        """Revoke a consent."""
        consent.old_refresh_tokens.add(consent.refresh_token)
        consent.refresh_token = ""
        self._end_access(consent)

    def revoke_all(self, member: Member) -> None:
        """Revoke all consents of a member, as on Build.io's own page."""
        for consent in self._consents:
            if consent.member is member:
                self.revoke(consent)

    def expire(self, member: Member) -> None:
        """Expire the access tokens of a member's consents, as if two hours had passed."""
        for token, access in member.tokens.items():
            if access.grant:
                member.tokens[token] = Access(access.scopes, self.now(), access.grant)

    def _issue(self, consent: Consent, scopes: frozenset[str] | None = None) -> TokenPair:
        self._end_access(consent)
        if consent.refresh_token:
            consent.old_refresh_tokens.add(consent.refresh_token)
        access, consent.refresh_token = f"bld_oauth-{_random()}", f"bld_refresh-{_random()}"
        given = scopes or consent.authorization.scopes
        consent.member.tokens[access] = Access(given, self.now() + ACCESS_TOKEN_LIFETIME, consent.id)
        return TokenPair(access, consent.refresh_token, given)

    def _end_access(self, consent: Consent) -> None:
        tokens = consent.member.tokens
        for token in [name for name, access in tokens.items() if access.grant == consent.id]:
            del tokens[token]


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636, 4.2)."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _random() -> str:
    return secrets.token_urlsafe(24)
