"""The wire: httpx over aiohttp's transport. The only module that knows which HTTP library is used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Self

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

# Connecting is quick or hopeless; reading may be slow when the provider is busy.
TIMEOUT = httpx.Timeout(15, connect=5)
AT_ONCE = 20
# A page of fifty builds is some hundred kilobytes; the longest chunks of a log are a few megabytes.
LARGEST_ANSWER = 16 * 1024 * 1024
# Of an answer that says no, only its words are wanted.
LARGEST_REFUSAL = 64 * 1024
# In all, for one that never stops to trickle.
ANSWER_SECONDS = 60.0

LOST = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, TimeoutError, OSError)


class NotSent(Exception):
    """The request never left: no connection could be made."""


class Lost(Exception):
    """The request may have arrived; no whole answer came back."""


class TooMuch(Exception):
    """More came than is read, or it is packed in a way of which nobody can say how much it holds."""


@dataclass(frozen=True)
class Response:
    """An answer that was read."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes


class Streamed:
    """An answer whose body has not been read."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.status_code = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.is_redirect = response.has_redirect_location

    async def pieces(self, most: int) -> AsyncIterator[bytes]:
        """The body as it comes, unpacked. Raises TooMuch as soon as there is more of it than `most`."""
        self._check_packing()
        read = 0
        async for piece in self._response.aiter_bytes():
            read += len(piece)
            if read > most:
                raise TooMuch(f"more than {most} bytes")
            yield piece

    def _check_packing(self) -> None:
        # Gzip makes at most a thousand bytes of one, and is unpacked in small pieces. Packed once more, or otherwise,
        # a few kilobytes would be gigabytes before they could be counted.
        packed = self._response.headers.get_list("content-encoding", split_commas=True)
        if len(packed) > 1 or any(way.strip().lower() in ("br", "zstd") for way in packed):
            raise TooMuch(f"packed as {', '.join(packed)}")


class Http:
    """One pool of connections for everything that is asked of providers; it keeps no cookies and follows nothing."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        # Jars that keep nothing, httpx's own too: a cookie of one host must never travel, and none is ever needed.
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=AT_ONCE),
            trust_env=False,
            middlewares=(_once,),
        )
        self._client = httpx.AsyncClient(
            transport=AiohttpTransport(client=self._session),
            timeout=TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": "buildbell", "Accept-Encoding": "gzip, deflate"},
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.aclose()
        if self._session is not None:
            await self._session.close()

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
    ) -> Response:
        """Send a request and read the whole answer; of one that says no, its beginning.

        `seconds` is how long the answer may take where it is known to be slow. Raises NotSent, Lost or TooMuch.
        """
        request = self._open().stream(
            method,
            url,
            headers=headers,
            params=params,
            json=json,
            data=form,
            timeout=TIMEOUT if seconds is None else httpx.Timeout(seconds, connect=TIMEOUT.connect),
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS if seconds is None else seconds), request as response:
                return Response(response.status_code, response.headers, await _read(Streamed(response)))
        except LOST as error:
            # httpx-aiohttp calls many a broken connection a ConnectTimeout; aiohttp's own error, its cause, is exact.
            reason = error.__cause__ or error
            if isinstance(reason, aiohttp.ClientConnectorError):
                raise NotSent(type(reason).__name__) from error
            raise Lost(type(reason).__name__) from error

    @asynccontextmanager
    async def stream(self, url: str) -> AsyncIterator[Streamed]:
        """GET with nothing but the address, the answer's body unread. Raises Lost, also while it is read."""
        try:
            async with self._open().stream("GET", url) as response:
                yield Streamed(response)
        except LOST as error:
            raise Lost(type(error).__name__) from error

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            raise RuntimeError("Http is used before it was entered")
        return self._client


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


async def _read(response: Streamed) -> bytes:
    content = bytearray()
    refusal = response.status_code >= 300
    try:
        async for piece in response.pieces(LARGEST_REFUSAL if refusal else LARGEST_ANSWER):
            content += piece
    except TooMuch:
        if not refusal:
            raise
    return bytes(content)
