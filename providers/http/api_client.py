"""Asking one provider's API: its token to its own host only, retries where they are safe, pauses when it wants one."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote, urljoin, urlsplit

import structlog
from pydantic import SecretStr

from domain.credentials import Credentials
from domain.errors import (
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
from domain.nul import json_without_nul
from domain.provider import Provider
from domain.url import read_address, resolve_redirect
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
MOST_REDIRECTS = 3
# Somebody between says that the API did not answer, not that it did nothing (RFC 9110, 15.6.3 and 15.6.5).
GATEWAYS = (502, 504)


@dataclass(frozen=True)
class ApiResponse:
    """A successful answer: its body as it came."""

    status: int
    body: bytes


class ApiClient:
    """A provider's API under somebody's credentials.

    Everybody who asks with the same token, and shares `pauses`, shares its pauses: after a 429 nobody asks again
    before its end. `scheme` is the word before the token in the Authorization header. `errors_in_text`: an error that
    is no JSON is said again as it is.
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
        pauses: dict[str, datetime] | None = None,
        errors_in_text: bool = True,
    ) -> None:
        self._provider, self._scheme = provider, scheme
        self.base_url = base_url.rstrip("/")
        self._own = read_address(self.base_url)
        self._http = http
        self._credentials = credentials
        self._clock = clock
        self._sleep = sleep
        self._randomness = randomness or random.Random()  # noqa: S311 - it only spreads retries out
        self._deadline = deadline
        self._errors_in_text = errors_in_text
        self._pauses = pauses if pauses is not None else {}

    @property
    def host(self) -> str:
        """The API's own host name."""
        return urlsplit(self.base_url).hostname or ""

    def root_url(self) -> str:
        """The address of the API's root, above its version."""
        return urljoin(self.base_url, "/")

    async def read(
        self, path: str, params: Mapping[str, str] | None = None, *, most_tries: int = TRIES
    ) -> ApiResponse:
        """GET a path (or a whole address of the API's own host), again where that may help, within the deadline.

        Raises ProviderError.
        """
        give_up = self._clock() + self._deadline
        for tries in range(1, most_tries + 1):
            try:
                return await self._ask("GET", path, params=params)
            except RateLimited as limit:
                if tries == most_tries or limit.until is None or limit.until >= give_up:
                    raise
                await self._sleep((limit.until - self._clock()).total_seconds())
            except ProviderDown:
                pause = FIRST_PAUSE * 2**tries * self._randomness.uniform(0.5, 1.0)
                if tries == most_tries or self._clock() + timedelta(seconds=pause) >= give_up:
                    raise
                await self._sleep(pause)
        raise AssertionError("the last try returns or raises")

    async def change(
        self, method: str, path: str, json: object, *, seconds: float | None = None
    ) -> ApiResponse:
        """Ask once for something to change; never again by itself. `seconds`: how long a slow answer may take.

        Raises ResponseLost where it may have happened all the same, and ProviderError.
        """
        return await self._ask(method, path, json=json, seconds=seconds)

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: object | None = None,
        seconds: float | None = None,
    ) -> ApiResponse:
        try:
            return await self._ask_it(method, path, params, json, seconds)
        except ProviderError as error:
            error.provider = error.provider or self._provider
            raise

    async def _ask_it(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        json: object | None,
        seconds: float | None,
    ) -> ApiResponse:
        token = await self._credentials.token(changes=method != "GET")
        self._mind_the_pause(token)
        renewed = False
        url = path if path.startswith(("http://", "https://")) else self.base_url + path
        for _ in range(MOST_REDIRECTS):
            # The token goes to the API's own host alone.
            if not self._is_own(url):
                raise ProviderDown("it sent the request elsewhere")
            response = await self._send(method, url, params, json, token, seconds)
            content = json_without_nul(response.content)
            self._note_pause(response, token)
            if response.status_code < 300:
                return ApiResponse(response.status_code, content)
            if response.status_code >= 400:
                error = build_error(
                    response.status_code,
                    response.headers,
                    content,
                    now=self._clock(),
                    in_text=self._errors_in_text,
                )
                refused = token if response.status_code == 401 else None
                if refused is not None and not renewed and await self._is_replaced(refused, error):
                    # What was refused was not done (RFC 9110, 15.5.2), so it may be asked again, once.
                    renewed, token = True, await self._credentials.token(changes=method != "GET")
                    continue
                if isinstance(error, Forbidden) and token is not None:
                    error.owner = self._credentials.owner_of(token)
                if method != "GET" and response.status_code in GATEWAYS:
                    raise ResponseLost(error.words) from error
                raise error
            # Only reading follows: a change is asked once.
            if method != "GET":
                raise ProviderDown("it sent the request elsewhere")
            url, params = resolve_redirect(url, response.headers.get("location")), None
        raise ProviderDown("it sent the request round in circles")

    async def _is_replaced(self, refused: SecretStr, error: ProviderError) -> bool:
        """Whether there is another token than the refused one. Raises what the credentials do, with their words."""
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
            raise ProviderDown("no connection") from error
        except ResponseTooLarge as error:
            words = f"more than {LARGEST_ANSWER // 2**20} MiB in one answer"
            raise (TooLarge(words) if method == "GET" else ResponseLost()) from error
        except ConnectionLost as error:
            raise (ProviderDown("no answer") if method == "GET" else ResponseLost()) from error

    def _is_own(self, url: str) -> bool:
        address = read_address(url)
        return address is not None and self._own is not None and address.origin == self._own.origin

    def _mind_the_pause(self, token: SecretStr | None) -> None:
        until = self._pauses.get(_name_of(token))
        if until is not None and until > self._clock():
            raise RateLimited(until)

    def _note_pause(self, response: Response, token: SecretStr | None) -> None:
        until = pause_until(response.headers, now=self._clock())
        if until is not None:
            self._pauses[_name_of(token)] = until
            log.info("provider.pause", host=self.host, until=until.isoformat(), status=response.status_code)


def _name_of(token: SecretStr | None) -> str:
    """A name for a token in a table that may be looked at."""
    return hashlib.sha256(token.get_secret_value().encode()).hexdigest() if token is not None else ""


def path_of(*parts: str, provider: Provider) -> str:
    """A path from names that come from outside: each stays one part of it. Raises NotFound for `..` and the like."""
    for part in parts:
        if part in ("", ".", "..") or "/" in part or "\\" in part:
            raise NotFound(provider=provider)  # nothing is called so
    return "".join(f"/{quote(part, safe='')}" for part in parts)
