"""What people have let apps do in their name: codes, access tokens, refresh tokens that work once. State alone.

Build.io's reference names the two endpoints and the scopes; the rest is OAuth 2.0 (RFC 6749) with PKCE (RFC 7636) as
the current practice asks for (RFC 9700).
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
CODES_LIVE = timedelta(minutes=10)
ACCESS_LIVES = timedelta(hours=2)


class TokenEndpointError(Exception):
    """An error of the token endpoint's, by its name in RFC 6749, 5.2."""

    def __init__(self, error: str, words: str, *, status: int = 400) -> None:
        super().__init__(words)
        self.error, self.words, self.status = error, words, status


@dataclass(frozen=True)
class AuthorizationRequest:
    """What an app asks for on the page; `challenge` is that of PKCE, by S256."""

    redirect_uri: str
    scopes: frozenset[str]
    state: str | None
    challenge: str | None


@dataclass
class Consent:
    """That somebody allowed it; all tokens of it end together."""

    id: str
    member: Member
    asked: AuthorizationRequest
    until: datetime
    spent: bool = False
    refresh_token: str = field(default="", repr=False)
    past: set[str] = field(default_factory=set, repr=False)


@dataclass(frozen=True)
class TokenPair:
    """A pair of tokens."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    scopes: frozenset[str]


@dataclass
class OAuthGrants:
    """Everything that was allowed. An app is sent back to `redirect_uris` alone, letter for letter."""

    now: Callable[[], datetime]
    redirect_uris: list[str] = field(default_factory=list)
    _codes: dict[str, Consent] = field(default_factory=dict, repr=False)
    _consents: list[Consent] = field(default_factory=list, repr=False)

    def allow(self, asked: AuthorizationRequest, member: Member) -> str:
        """A code for the app, which works once and not for long."""
        code = secrets.token_urlsafe(24)
        consent = Consent(secrets.token_hex(8), member, asked, self.now() + CODES_LIVE)
        self._codes[code] = consent
        self._consents.append(consent)
        return code

    def exchange(self, code: str, redirect_uri: str, verifier: str | None) -> TokenPair:
        """Tokens for a code.

        Raises TokenEndpointError; a code that comes twice ends what it had given (RFC 6749, 4.1.2).
        """
        consent = self._codes.get(code)
        if consent is None:
            raise TokenEndpointError("invalid_grant", "The code is not known")
        if consent.spent:
            self.end(consent)
            raise TokenEndpointError("invalid_grant", "The code was used already")
        if self.now() >= consent.until:
            raise TokenEndpointError("invalid_grant", "The code has expired")
        if redirect_uri != consent.asked.redirect_uri:
            raise TokenEndpointError("invalid_grant", "The redirect_uri is another one than before")
        challenge = consent.asked.challenge
        if (verifier is None) != (challenge is None):
            raise TokenEndpointError(
                "invalid_grant", "There must be a code_verifier where there was a code_challenge"
            )
        if verifier is not None and challenge_of(verifier) != challenge:
            raise TokenEndpointError("invalid_grant", "The code_verifier does not fit the code_challenge")
        consent.spent = True
        return self._issue(consent)

    def refresh(self, token: str, scopes: frozenset[str] | None) -> TokenPair:
        """New tokens for a refresh token, which works once.

        Raises TokenEndpointError; used again, it ends all of them.
        """
        for consent in self._consents:
            if token in consent.past:
                self.end(consent)
                raise TokenEndpointError("invalid_grant", "The refresh token was used already")
            if token and token == consent.refresh_token:
                if scopes is not None and not scopes <= consent.asked.scopes:
                    raise TokenEndpointError("invalid_scope", "This was not allowed before")
                return self._issue(consent, scopes)
        raise TokenEndpointError("invalid_grant", "The refresh token is not known")

    def end(self, consent: Consent) -> None:
        """Take back what was allowed."""
        consent.past.add(consent.refresh_token)
        consent.refresh_token = ""
        self._end_access(consent)

    def end_all(self, member: Member) -> None:
        """Take back all that a member has allowed, as they would on Build.io's own page."""
        for consent in self._consents:
            if consent.member is member:
                self.end(consent)

    def expire(self, member: Member) -> None:
        """Let the access tokens that come from a member's consent end now, as if two hours had passed."""
        for token, access in member.tokens.items():
            if access.grant:
                member.tokens[token] = Access(access.scopes, self.now(), access.grant)

    def _issue(self, consent: Consent, scopes: frozenset[str] | None = None) -> TokenPair:
        self._end_access(consent)
        if consent.refresh_token:
            consent.past.add(consent.refresh_token)
        access, consent.refresh_token = f"bld_oauth-{_random()}", f"bld_refresh-{_random()}"
        given = scopes or consent.asked.scopes
        consent.member.tokens[access] = Access(given, self.now() + ACCESS_LIVES, consent.id)
        return TokenPair(access, consent.refresh_token, given)

    def _end_access(self, consent: Consent) -> None:
        tokens = consent.member.tokens
        for token in [name for name, access in tokens.items() if access.grant == consent.id]:
            del tokens[token]


def challenge_of(verifier: str) -> str:
    """The S256 challenge (RFC 7636, 4.2)."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _random() -> str:
    return secrets.token_urlsafe(24)
