"""The wire: httpx over aiohttp's transport. The only module that knows which HTTP library is used."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Self

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from domain.fair_limiter import NOBODY, FairLimiter, LimitReached, Quota, Requester
from providers.http.provider_clock import ProviderClock

# Connecting is quick or hopeless; reading may be slow when the provider is busy.
TIMEOUT = httpx.Timeout(15, connect=5)
# Connections to one provider. No workspace ever has all of them, nor one person all of a workspace's; the bot itself,
# which watches, has as many as a workspace.
QUICK = Quota(total=20, workspace=10, person=5, waiting=200, seconds=15)
# Beside them, for what is known to take long: files, and commands that run.
SLOW = Quota(total=20, workspace=6, person=3, waiting=50, seconds=30)
# A page of fifty builds is some hundred kilobytes; the longest chunks of a log are a few megabytes.
LARGEST_ANSWER = 16 * 1024 * 1024
# Of an answer that says no, only its words are wanted.
LARGEST_REFUSAL = 64 * 1024
# In all, for one that never stops to trickle.
ANSWER_SECONDS = 60.0

LOST = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, TimeoutError, OSError)


class RequestNotSent(Exception):
    """The request never left: no connection could be made."""


class Busy(Exception):
    """The request never left: as many as may be are under way for whom it was."""


class ConnectionLost(Exception):
    """The request may have arrived; no whole answer came back."""


class ResponseTooLarge(Exception):
    """More came than is read, or it is packed in a way of which nobody can say how much it holds."""


@dataclass(frozen=True)
class Response:
    """An answer that was read."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes


class StreamedResponse:
    """An answer whose body has not been read."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.status_code = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.is_redirect = response.has_redirect_location

    async def pieces(self, most: int) -> AsyncIterator[bytes]:
        """The body as it comes, unpacked. Raises ResponseTooLarge as soon as there is more of it than `most`."""
        self._check_packing()
        read = 0
        async for piece in self._response.aiter_bytes():
            read += len(piece)
            if read > most:
                raise ResponseTooLarge(f"more than {most} bytes")
            yield piece

    def _check_packing(self) -> None:
        # Gzip makes at most a thousand bytes of one, and is unpacked in small pieces. Packed once more, or otherwise,
        # a few kilobytes would be gigabytes before they could be counted.
        packed = self._response.headers.get_list("content-encoding", split_commas=True)
        if len(packed) > 1 or any(way.strip().lower() in ("br", "zstd") for way in packed):
            raise ResponseTooLarge(f"packed as {', '.join(packed)}")


@cache
def _tls() -> ssl.SSLContext:
    """Whom the machine trusts: reading its certificates takes 20 ms, so all connections share what was read."""
    return ssl.create_default_context()


class _Pool:
    """Connections that are shared fairly."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._limiter = FairLimiter(quota)
        self._session: aiohttp.ClientSession | None = None
        self._client: httpx.AsyncClient | None = None

    async def open(self) -> None:
        """Make it ready."""
        # Jars that keep nothing, httpx's own too: a cookie of one host must never travel, and none is ever needed.
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=self._quota.total, ssl=_tls()),
            trust_env=False,
            middlewares=(_once,),
        )
        self._client = httpx.AsyncClient(
            transport=AiohttpTransport(client=self._session, verify=_tls()),
            timeout=TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": "buildbell", "Accept-Encoding": "gzip, deflate"},
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        )

    async def close(self) -> None:
        """Close all of them."""
        if self._client is not None:
            await self._client.aclose()
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def connection(self, requester: Requester) -> AsyncIterator[httpx.AsyncClient]:
        """What a request is sent with, while there is a connection for it. Raises Busy."""
        if self._client is None:
            raise RuntimeError("Http is used before it was entered")
        try:
            await self._limiter.acquire(requester)
        except LimitReached as problem:
            raise Busy from problem
        try:
            yield self._client
        finally:
            self._limiter.release(requester)


class HttpTransport:
    """The connections to one provider; they keep no cookies and follow nothing.

    `clock` learns from every answer what time it is there.
    """

    def __init__(self, clock: ProviderClock | None = None) -> None:
        self._quick, self._slow = _Pool(QUICK), _Pool(SLOW)
        self.clock = clock or ProviderClock(lambda: datetime.now(UTC))

    async def __aenter__(self) -> Self:
        await self._quick.open()
        await self._slow.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._quick.close()
        await self._slow.close()

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        params: dict[str, str] | None = None,
        json: object | None = None,
        form: Mapping[str, str] | None = None,
        seconds: float | None = None,
        requester: Requester = NOBODY,
    ) -> Response:
        """Send a request and read the whole answer; of one that says no, its beginning.

        `seconds` is how long the answer may take where it is known to be slow; `requester` is in whose share of the
        connections it counts. Raises Busy, RequestNotSent, ConnectionLost or ResponseTooLarge.
        """
        pool = self._quick if seconds is None else self._slow
        async with pool.connection(requester) as client:
            request = client.stream(
                method,
                url,
                headers=headers,
                params=params,
                json=json,
                data=form,
                timeout=TIMEOUT if seconds is None else httpx.Timeout(seconds, connect=TIMEOUT.connect),
            )
            response = await _answer_to(request, ANSWER_SECONDS if seconds is None else seconds)
            self.clock.observe(response.headers.get("Date"))
            return response

    @asynccontextmanager
    async def stream(self, url: str, *, requester: Requester = NOBODY) -> AsyncIterator[StreamedResponse]:
        """GET with nothing but the address, the answer's body unread.

        Raises Busy; and ConnectionLost, also while it is read.
        """
        async with self._slow.connection(requester) as client:
            try:
                async with client.stream("GET", url) as response:
                    yield StreamedResponse(response)
            except LOST as error:
                raise ConnectionLost(type(error).__name__) from error


async def _answer_to(request: AbstractAsyncContextManager[httpx.Response], seconds: float) -> Response:
    try:
        async with asyncio.timeout(seconds), request as response:
            return Response(response.status_code, response.headers, await _read(StreamedResponse(response)))
    except LOST as error:
        # httpx-aiohttp calls many a broken connection a ConnectTimeout; aiohttp's own error, its cause, is exact.
        reason = error.__cause__ or error
        if isinstance(reason, aiohttp.ClientConnectorError):
            raise RequestNotSent(type(reason).__name__) from error
        raise ConnectionLost(type(reason).__name__) from error


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Where a connection breaks, aiohttp asks again by itself, for DELETE as for GET.

    It does so for two kinds of errors (aiohttp, `ClientSession._request`); of a change another kind is made of them.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if request.method == "GET" or isinstance(error, aiohttp.ClientConnectorError):
            raise
        raise aiohttp.ClientConnectionError(type(error).__name__) from error


async def _read(response: StreamedResponse) -> bytes:
    content = bytearray()
    refusal = response.status_code >= 300
    try:
        async for piece in response.pieces(LARGEST_REFUSAL if refusal else LARGEST_ANSWER):
            content += piece
    except ResponseTooLarge:
        if not refusal:
            raise
    return bytes(content)
