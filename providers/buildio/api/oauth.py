"""OAuth 2.0 at Build.io: a person authorizes the bot without sharing a token (reference, "Authentication").

Authorization code flow (RFC 6749, 4.1) with PKCE (RFC 7636), which servers without support for it ignore.
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
from domain.provider_errors import (
    InvalidToken,
    ProviderDown,
    ProviderError,
    RequestRejected,
    ResponseLost,
    UnexpectedResponse,
    build_error,
)
from providers.buildio.api.field_parsing import Fields
from providers.buildio.provider import BUILDIO
from providers.http.field_parsing import parse_json
from providers.http.transport import ConnectionLost, HttpTransport, RequestNotSent, Response, ResponseTooLarge

SCOPES = ("read", "write")  # reference, "Authentication"
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636, 4.1
_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")  # any printable ASCII, as a header allows
_LONGEST_LIFE = 10 * 365 * 24 * 3600


def endpoints_beside(api_url: str) -> tuple[str, str]:
    """Return the authorize and token URLs, which are on the API's host (reference, "Authentication")."""
    return urljoin(api_url, "/oauth/authorize"), urljoin(api_url, "/oauth/token")


def make_verifier(randomness: bytes) -> str:
    """Create a code verifier from 32 to 96 random bytes (RFC 7636, 4.1). Raises ValueError for fewer or more."""
    verifier = base64.urlsafe_b64encode(randomness).rstrip(b"=").decode()
    if not _VERIFIER.fullmatch(verifier):
        raise ValueError("a verifier is made from 32 to 96 bytes")
    return verifier


def make_challenge(verifier: str) -> str:
    """Return the code challenge by S256 (RFC 7636, 4.2). Raises ValueError for an invalid verifier."""
    if not _VERIFIER.fullmatch(verifier):
        raise ValueError("it isn't a valid verifier")
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class BuildioOAuth:
    """The bot as an OAuth client of Build.io. Methods that send requests raise ProviderError and never retry."""

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
        """Return the URL of the authorize page. `state` is returned with the code (RFC 6749, 4.1.1)."""
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
        """Exchange the code for tokens. A code is single-use (RFC 6749, 4.1.3)."""
        answer = await self._send(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self._redirect_uri,
                "code_verifier": verifier,
            }
        )
        return self._parse_tokens(answer, None)

    async def check(self) -> None:
        """Check the client ID and secret by sending an invalid code.

        Raises InvalidToken if they are wrong, and another ProviderError if this could not be determined.
        """
        try:
            await self.exchange("none", make_verifier(bytes(32)))
        except RequestRejected as refusal:
            if refusal.code == "invalid_client":  # RFC 6749, 5.2
                raise InvalidToken(refusal.words, provider=BUILDIO) from refusal

    async def refresh(self, refresh_token: SecretStr) -> Tokens:
        """Refresh the tokens. Raises InvalidToken if the person has to sign in again.

        After ResponseLost the refresh token may be used up: Build.io may have issued new tokens (RFC 6749, 6).
        """
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token.get_secret_value()}
        try:
            answer = await self._send(form)
        except RequestRejected as refusal:
            if refusal.code != "invalid_grant":
                raise
            error = InvalidToken(refusal.words, provider=BUILDIO)
            error.code = refusal.code
            raise error from refusal
        return self._parse_tokens(answer, refresh_token)

    async def _send(self, form: dict[str, str]) -> bytes:
        try:
            response = await self._http.send(
                "POST",
                self._token_url,
                headers={"Accept": "application/json", "Authorization": self._basic_auth()},
                form=form,
            )
        except RequestNotSent as error:
            raise ProviderDown("no connection", provider=BUILDIO) from error
        except (ConnectionLost, ResponseTooLarge) as error:
            raise ResponseLost(provider=BUILDIO) from error
        if response.status_code < 300:
            return response.content
        # Redirects are not followed: the secrets are for this URL only.
        if response.status_code < 400:
            raise ProviderDown("it redirected the request", provider=BUILDIO)
        raise self._build_error(response)

    def _basic_auth(self) -> str:
        # RFC 6749, 2.3.1: HTTP Basic with both parts form-encoded. Sending them in the body is not recommended.
        credentials = (
            f"{quote(self._client_id, safe='')}:{quote(self._client_secret.get_secret_value(), safe='')}"
        )
        return f"Basic {base64.b64encode(credentials.encode()).decode()}"

    def _build_error(self, response: Response) -> ProviderError:
        """Build the error for a response: `error` is its code, `error_description` its text (RFC 6749, 5.2)."""
        error = build_error(
            response.status_code, response.headers, response.content, now=self._clock(), in_text=False
        )
        fields = _error_fields(response.content)
        code = fields.name("error")
        if code is not None and response.status_code in (400, 401, 403):
            error = RequestRejected(fields.text("error_description") or code)
            error.code = code
        error.provider = BUILDIO
        return error

    def _parse_tokens(self, body: bytes, refresh_token: SecretStr | None) -> Tokens:
        content: Any = parse_json(body, provider=BUILDIO)
        content_fields = content if isinstance(content, dict) else {}
        access = _parse_token(content_fields.get("access_token"))
        kind = content_fields.get("token_type", "bearer")
        if access is None or not isinstance(kind, str) or kind.lower() != "bearer":
            raise UnexpectedResponse("there is no token in it", provider=BUILDIO)
        fields = Fields(content_fields)
        seconds = fields.number("expires_in")
        is_valid = seconds is not None and 0 < seconds < _LONGEST_LIFE
        return Tokens(
            access_token=access,
            # If no new one is issued, the old one stays valid (RFC 6749, 6).
            refresh_token=_parse_token(content_fields.get("refresh_token")) or refresh_token,
            expires_at=self._clock() + timedelta(seconds=seconds)
            if is_valid and seconds is not None
            else None,
            # Scopes equal to the requested ones may be omitted (RFC 6749, 5.1).
            scopes=tuple((fields.name("scope") or " ".join(SCOPES)).split()),
        )


def _error_fields(body: bytes) -> Fields:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    return Fields(content if isinstance(content, dict) else {})


def _parse_token(value: object) -> SecretStr | None:
    return SecretStr(value) if isinstance(value, str) and _TOKEN.fullmatch(value) else None
