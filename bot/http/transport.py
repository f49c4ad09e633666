"""The wire: httpx over aiohttp's transport. The only module that knows which HTTP library is used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Self

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

# Connecting is quick or hopeless; reading may be slow when the provider is busy.
TIMEOUT = httpx.Timeout(15, connect=5)
AT_ONCE = 20

Response = httpx.Response
LOST = (httpx.HTTPError, aiohttp.ClientError, TimeoutError, OSError)


class NotSent(Exception):
    """The request never left: no connection could be made."""


class Lost(Exception):
    """The request may have arrived; no whole answer came back."""


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
        )
        self._client = httpx.AsyncClient(
            transport=AiohttpTransport(client=self._session),
            timeout=TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": "buildbell"},
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
    ) -> Response:
        """Send a request and read the whole answer. Raises NotSent or Lost."""
        try:
            return await self._open().request(method, url, headers=headers, params=params, json=json)
        except LOST as error:
            # httpx-aiohttp calls many a broken connection a ConnectTimeout; aiohttp's own error, its cause, is exact.
            reason = error.__cause__ or error
            if isinstance(reason, aiohttp.ClientConnectorError):
                raise NotSent(type(reason).__name__) from error
            raise Lost(type(reason).__name__) from error

    @asynccontextmanager
    async def stream(self, url: str) -> AsyncIterator[Response]:
        """GET with nothing but the address, the answer's body unread. Raises Lost, also while it is read."""
        try:
            async with self._open().stream("GET", url) as response:
                yield response
        except LOST as error:
            raise Lost(type(error).__name__) from error

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            raise RuntimeError("Http is used before it was entered")
        return self._client
