"""The client for one provider's API: sends the token only to its host, retries when safe, pauses when asked to."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from urllib.parse import quote, urljoin, urlsplit

import structlog
from pydantic import SecretStr

from domain.control_characters import json_without_nul
from domain.credentials import Credentials
from domain.provider import Provider
from domain.provider_errors import (
    Forbidden,
    InvalidToken,
    NotFound,
    ProviderDown,
    ProviderError,
    RateLimited,
    ResponseLost,
    TooBusy,
    TooLarge,
    build_error,
    pause_until,
)
from domain.url import read_address, resolve_redirect
from providers.http.pauses import TokenPauses
from providers.http.transport import (
    LARGEST_ANSWER,
    Busy,
    ConnectionLost,
    HttpTransport,
    RequestNotSent,
    Response,
    ResponseTooLarge,
)

log = structlog.get_logger()

DEADLINE = timedelta(seconds=20)
TRIES = 4
FIRST_PAUSE = 0.3
MAX_REDIRECTS = 3
# A gateway says that the API did not answer, not that it did nothing (RFC 9110, 15.6.3 and 15.6.5).
GATEWAYS = (502, 504)
# One for all clients: one is made for each request, and a generator of its own would cost more than the rest of it.
_RANDOMNESS = random.Random()  # noqa: S311 - it only spreads retries out


@dataclass(frozen=True)
class ApiResponse:
    """A successful response with its unparsed body."""

    status: int
    body: bytes


@lru_cache(maxsize=256)
def _origin_of(url: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port of a URL; None if it is not one. Polls request the same few again and again."""
    address = read_address(url)
    return address.origin if address is not None else None


class ApiClient:
    """A client for a provider's API with one set of credentials.

    Clients that use the same token and the same `pauses` pause together: after a 429 none of them sends a request
    before the pause ends. `scheme` is the word before the token in the Authorization header. `errors_in_text`: an
    error that is not JSON is quoted as it is.
    """

    def __init__(
        self,
        http: HttpTransport,
        *,
        provider: Provider,
        scheme: str,
        base_url: str,
        credentials: Credentials,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        randomness: random.Random | None = None,
        deadline: timedelta = DEADLINE,
        pauses: TokenPauses | None = None,
        errors_in_text: bool = True,
    ) -> None:
        self._provider, self._scheme = provider, scheme
        self.base_url = base_url.rstrip("/")
        self._origin = _origin_of(self.base_url)
        self._http = http
        self._credentials = credentials
        self._clock = clock
        self._sleep = sleep
        self._randomness = randomness or _RANDOMNESS
        self._deadline = deadline
        self._errors_in_text = errors_in_text
        self._pauses = pauses or TokenPauses()

    @property
    def host(self) -> str:
        """The API's host name."""
        return urlsplit(self.base_url).hostname or ""

    def root_url(self) -> str:
        """Return the address of the API's root, above its version."""
        return urljoin(self.base_url, "/")

    async def read(
        self, path: str, params: Mapping[str, str] | None = None, *, max_tries: int = TRIES
    ) -> ApiResponse:
        """GET a path or a full URL of the API's own host; retry within the deadline where that may help.

        Raises ProviderError.
        """
        deadline = self._clock() + self._deadline
        for attempt in range(1, max_tries + 1):
            try:
                return await self._request("GET", path, params=params)
            except RateLimited as limit:
                if attempt == max_tries or limit.until is None or limit.until >= deadline:
                    raise
                await self._sleep((limit.until - self._clock()).total_seconds())
            except ProviderDown:
                pause = FIRST_PAUSE * 2**attempt * self._randomness.uniform(0.5, 1.0)
                if attempt == max_tries or self._clock() + timedelta(seconds=pause) >= deadline:
                    raise
                await self._sleep(pause)
        raise AssertionError("the last try returns or raises")

    async def change(
        self, method: str, path: str, json: object, *, seconds: float | None = None
    ) -> ApiResponse:
        """Send a request that changes something, without retries. `seconds` is the timeout of a slow response.

        Raises ResponseLost if the change may have happened anyway, and ProviderError.
        """
        return await self._request(method, path, json=json, seconds=seconds)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: object | None = None,
        seconds: float | None = None,
    ) -> ApiResponse:
        """Send a request with the token, and follow the redirects of a read. Raises ProviderError."""
        try:
            token = await self._credentials.token(changes=method != "GET")
            await self._check_pause(token)
            has_retried = False
            url = path if path.startswith(("http://", "https://")) else self.base_url + path
            for _ in range(MAX_REDIRECTS):
                # The token is sent to the API's own host only.
                if self._origin is None or _origin_of(url) != self._origin:
                    raise ProviderDown("it redirected the request")
                response = await self._send(method, url, params, json, token, seconds)
                content = json_without_nul(response.content)
                await self._record_pause(response, token)
                if response.status_code < 300:
                    return ApiResponse(response.status_code, content)
                if response.status_code >= 400:
                    error = self._read_error(response, content)
                    refused = token if response.status_code == 401 else None
                    if refused is not None and not has_retried and await self._is_replaced(refused, error):
                        # A refused request was not carried out (RFC 9110, 15.5.2), so it may be sent once more.
                        has_retried, token = True, await self._credentials.token(changes=method != "GET")
                        continue
                    if isinstance(error, Forbidden) and token is not None:
                        error.owner = self._credentials.owner_of(token)
                    if method != "GET" and response.status_code in GATEWAYS:
                        raise ResponseLost(error.words) from error
                    raise error
                # Only reads follow redirects: a change is sent once.
                if method != "GET":
                    raise ProviderDown("it redirected the request")
                url, params = resolve_redirect(url, response.headers.get("location")), None
            raise ProviderDown("it redirected the request in a loop")
        except ProviderError as error:
            error.provider = error.provider or self._provider
            raise

    def _read_error(self, response: Response, content: bytes) -> ProviderError:
        return self._counted(
            build_error(
                response.status_code,
                response.headers,
                content,
                now=self._clock(),
                in_text=self._errors_in_text,
            )
        )

    async def _is_replaced(self, refused: SecretStr, error: ProviderError) -> bool:
        """Return whether the refused token has been replaced. Raises the credentials' InvalidToken, with a message."""
        try:
            return await self._credentials.refused(refused)
        except InvalidToken as problem:
            problem.words = problem.words or error.words
            raise

    async def _send(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None,
        json: object | None,
        token: SecretStr | None,
        seconds: float | None,
    ) -> Response:
        headers = {"Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"{self._scheme} {token.get_secret_value()}"
        try:
            return await self._http.send(
                method,
                url,
                headers=headers,
                params=dict(params) if params else None,
                json=json,
                seconds=seconds,
                requester=self._credentials.requester,
            )
        except Busy as error:
            raise TooBusy from error
        except RequestNotSent as error:
            raise self._counted(ProviderDown("no connection")) from error
        except ResponseTooLarge as error:
            words = f"more than {LARGEST_ANSWER // 2**20} MiB in one response"
            raise self._counted(TooLarge(words) if method == "GET" else ResponseLost()) from error
        except ConnectionLost as error:
            raise self._counted(ProviderDown("no response") if method == "GET" else ResponseLost()) from error

    def _counted(self, error: ProviderError) -> ProviderError:
        """Count the error of a request that was sent; return it."""
        kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()
        self._http.counts.count_provider_error(self._provider, kind)
        return error

    async def _check_pause(self, token: SecretStr | None) -> None:
        seconds = await self._pauses.seconds_left(token)
        if seconds > 0:
            raise RateLimited(self._clock() + timedelta(seconds=seconds))

    async def _record_pause(self, response: Response, token: SecretStr | None) -> None:
        now = self._clock()
        until = pause_until(response.headers, now=now)
        if until is not None:
            await self._pauses.record(token, (until - now).total_seconds())
            self._http.counts.count_provider_pause(self._provider)
            log.info("provider.pause", host=self.host, until=until.isoformat(), status=response.status_code)


def path_of(*parts: str, provider: Provider) -> str:
    """Build a path from untrusted names; each stays one segment. Raises NotFound for `..` and the like."""
    for part in parts:
        if part in ("", ".", "..") or "/" in part or "\\" in part:
            raise NotFound(provider=provider)  # nothing can have this name
    return "".join(f"/{quote(part, safe='')}" for part in parts)
