"""OAuth 2.0 at Build.io: a person lets the bot act for them without handing it a token (reference, "Authentication").

The authorization code flow (RFC 6749, 4.1) with PKCE (RFC 7636), which a server that does not know it ignores.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urljoin

from pydantic import SecretStr

from domain.credentials import Tokens
from domain.errors import (
    InvalidToken,
    ProviderDown,
    ProviderError,
    RequestRejected,
    ResponseLost,
    UnexpectedResponse,
    build_error,
)
from domain.provider import Provider
from providers.buildio.api.field_parsing import Fields
from providers.http.field_parsing import parse_json
from providers.http.transport import ConnectionLost, HttpTransport, RequestNotSent, Response, ResponseTooLarge

SCOPES = ("read", "write")  # reference, "Authentication"
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636, 4.1
_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")  # whatever a header can carry
_LONGEST_LIFE = 10 * 365 * 24 * 3600


def endpoints_beside(api_url: str) -> tuple[str, str]:
    """Where people allow and where tokens are handed out, on the API's own host (reference, "Authentication")."""
    return urljoin(api_url, "/oauth/authorize"), urljoin(api_url, "/oauth/token")


def make_verifier(randomness: bytes) -> str:
    """The secret of one login, from 32 to 96 random bytes (RFC 7636, 4.1). Raises ValueError for fewer or more."""
    verifier = base64.urlsafe_b64encode(randomness).rstrip(b"=").decode()
    if not _VERIFIER.fullmatch(verifier):
        raise ValueError("a verifier is made from 32 to 96 bytes")
    return verifier


def make_challenge(verifier: str) -> str:
    """What the login shows of its secret, by S256 (RFC 7636, 4.2). Raises ValueError for what is no verifier."""
    if not _VERIFIER.fullmatch(verifier):
        raise ValueError("it is no verifier")
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class BuildioOAuth:
    """The bot as an OAuth client of Build.io. What asks Build.io raises ProviderError, and asks once."""

    def __init__(
        self,
        http: HttpTransport,
        client_id: str,
        client_secret: SecretStr,
        authorize_url: str,
        token_url: str,
        redirect_uri: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._http = http
        self._client_id, self._client_secret = client_id, client_secret
        self._authorize_url, self._token_url = authorize_url, token_url
        self._redirect_uri = redirect_uri
        self._clock = clock

    def authorize(self, state: str, verifier: str) -> str:
        """The page on which a person allows it. `state` comes back with them (RFC 6749, 4.1.1)."""
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect_uri,
            "scope": " ".join(SCOPES),
            "state": state,
            "code_challenge": make_challenge(verifier),
            "code_challenge_method": "S256",
        }
        return f"{self._authorize_url}{'&' if '?' in self._authorize_url else '?'}{urlencode(query)}"

    async def exchange(self, code: str, verifier: str) -> Tokens:
        """The tokens for the code that a person has come back with, which is good for once (RFC 6749, 4.1.3)."""
        answer = await self._ask(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self._redirect_uri,
                "code_verifier": verifier,
            }
        )
        return self._tokens(answer, None)

    async def check(self) -> None:
        """Find out whether Build.io knows the application; it is asked with a code that nobody was given.

        Raises InvalidToken where it does not, and another ProviderError where nothing was found out.
        """
        try:
            await self.exchange("none", make_verifier(bytes(32)))
        except RequestRejected as refusal:
            if refusal.code == "invalid_client":  # RFC 6749, 5.2
                raise InvalidToken(refusal.words, provider=Provider.BUILDIO) from refusal

    async def refresh(self, refresh_token: SecretStr) -> Tokens:
        """The next tokens. Raises InvalidToken where the person has to log in anew.

        After ResponseLost the token may be spent: Build.io may have handed out the next ones (RFC 6749, 6).
        """
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token.get_secret_value()}
        try:
            answer = await self._ask(form)
        except RequestRejected as refusal:
            if refusal.code != "invalid_grant":
                raise
            error = InvalidToken(refusal.words, provider=Provider.BUILDIO)
            error.code = refusal.code
            raise error from refusal
        return self._tokens(answer, refresh_token)

    async def _ask(self, form: dict[str, str]) -> bytes:
        try:
            response = await self._http.send(
                "POST",
                self._token_url,
                headers={"Accept": "application/json", "Authorization": self._as_ourselves()},
                form=form,
            )
        except RequestNotSent as error:
            raise ProviderDown("no connection", provider=Provider.BUILDIO) from error
        except (ConnectionLost, ResponseTooLarge) as error:
            raise ResponseLost(provider=Provider.BUILDIO) from error
        if response.status_code < 300:
            return response.content
        # Where it leads on to is not asked: the secrets are for this address alone.
        if response.status_code < 400:
            raise ProviderDown("it sent the request elsewhere", provider=Provider.BUILDIO)
        raise self._error(response)

    def _as_ourselves(self) -> str:
        # RFC 6749, 2.3.1: by HTTP Basic, both parts encoded as in a form. In the body they are not recommended.
        both = f"{quote(self._client_id, safe='')}:{quote(self._client_secret.get_secret_value(), safe='')}"
        return f"Basic {base64.b64encode(both.encode()).decode()}"

    def _error(self, response: Response) -> ProviderError:
        """The error of an answer: `error` is its code, `error_description` its words (RFC 6749, 5.2)."""
        error = build_error(
            response.status_code, response.headers, response.content, now=self._clock(), in_text=False
        )
        said = _said(response.content)
        code = said.name("error")
        if code is not None and response.status_code in (400, 401, 403):
            error = RequestRejected(said.text("error_description") or code)
            error.code = code
        error.provider = Provider.BUILDIO
        return error

    def _tokens(self, body: bytes, refresh_token: SecretStr | None) -> Tokens:
        content: Any = parse_json(body, provider=Provider.BUILDIO)
        given = content if isinstance(content, dict) else {}
        access = _token_in(given.get("access_token"))
        kind = given.get("token_type", "bearer")
        if access is None or not isinstance(kind, str) or kind.lower() != "bearer":
            raise UnexpectedResponse("there is no token in it", provider=Provider.BUILDIO)
        fields = Fields(given)
        seconds = fields.number("expires_in")
        lives = seconds is not None and 0 < seconds < _LONGEST_LIFE
        return Tokens(
            access_token=access,
            # One that is not replaced goes on being good (RFC 6749, 6).
            refresh_token=_token_in(given.get("refresh_token")) or refresh_token,
            expires_at=self._clock() + timedelta(seconds=seconds) if lives and seconds is not None else None,
            # Those that were asked for are not told (RFC 6749, 5.1).
            scopes=tuple((fields.name("scope") or " ".join(SCOPES)).split()),
        )


def _said(body: bytes) -> Fields:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    return Fields(content if isinstance(content, dict) else {})


def _token_in(value: object) -> SecretStr | None:
    return SecretStr(value) if isinstance(value, str) and _TOKEN.fullmatch(value) else None
