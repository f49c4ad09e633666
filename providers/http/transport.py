"""HTTP connections: httpx over aiohttp's transport. The only module that knows which HTTP library is used.

Requests are given to httpx's transport, without `httpx.AsyncClient`: its cookies, redirects and authentication are not
wanted, and it uses twice the CPU of the request itself.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache, lru_cache
from typing import Self

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from domain.fair_limiter import NOBODY, FairLimiter, LimitReached, Quota, Requester
from services.metrics import Metrics

# A Date header has whole seconds and takes time to arrive: clocks closer than this are treated as equal.
SAME_TIME = timedelta(seconds=5)
# No real clock differs by more than this; such a header is ignored.
FURTHEST_TIME = timedelta(days=30)


class ProviderClock:
    """Our clock, adjusted to the provider's: every response has its time (RFC 9110, 6.6.1, "Date").

    Durations of running builds and of downtime compare the provider's times with the provider's clock.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._ahead = timedelta(0)

    def __call__(self) -> datetime:
        """Return the time at the provider."""
        return self._clock() + self._ahead

    def observe(self, date: str | None) -> None:
        """Adjust to a response's Date header; a missing or invalid one changes nothing."""
        try:
            at = parsedate_to_datetime(date or "")
            ahead = at - self._clock()
        except (ValueError, TypeError, OverflowError):
            return
        if abs(ahead) <= FURTHEST_TIME:
            self._ahead = ahead if abs(ahead) > SAME_TIME else timedelta(0)


# Connecting is quick or fails; reading may be slow when the provider is busy.
TIMEOUT = httpx.Timeout(15, connect=5)
# Connections to one provider. No workspace can take all of them, and no person all of a workspace's; the bot itself,
# which polls, has as many as a workspace.
QUICK = Quota(total=20, workspace=10, person=5, waiting=200, seconds=15)
# Separate connections for slow requests: files and one-off commands.
SLOW = Quota(total=20, workspace=6, person=3, waiting=50, seconds=30)
# A page of fifty builds has some hundred kilobytes; the longest chunks of a log have a few megabytes.
LARGEST_ANSWER = 16 * 1024 * 1024
# Of an error response, only the message is needed.
LARGEST_REFUSAL = 64 * 1024
# The total time, for a response that trickles without end.
ANSWER_SECONDS = 60.0
DEFAULT_HEADERS = {"User-Agent": "buildbell", "Accept-Encoding": "gzip, deflate"}
# httpx adds Host and Content-Length to a request without a stream; aiohttp adds them anyway.
_NO_BODY = httpx.ByteStream(b"")

LOST = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, TimeoutError, OSError)


class RequestNotSent(Exception):
    """No connection could be made, so the request was not sent."""


class Busy(Exception):
    """The requester has too many requests in progress, so this one was not sent."""


class ConnectionLost(Exception):
    """The request may have arrived, but no complete response came back."""


class ResponseTooLarge(Exception):
    """The response is larger than the limit, or compressed so that its size can't be bounded."""


@dataclass(frozen=True)
class Response:
    """A response with its whole body."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes


class StreamedResponse:
    """A response whose body has not been read yet."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.status_code = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.is_redirect = response.has_redirect_location

    async def pieces(self, most: int) -> AsyncIterator[bytes]:
        """Stream the decompressed body. Raises ResponseTooLarge as soon as it exceeds `most` bytes."""
        is_compressed = self._check_compression()
        read = 0
        stream = self._response.aiter_bytes() if is_compressed else self._response.stream
        assert isinstance(stream, AsyncIterable)  # noqa: S101 - the transport's streams are asynchronous
        async for piece in stream:
            read += len(piece)
            if read > most:
                raise ResponseTooLarge(f"more than {most} bytes")
            yield piece

    def _check_compression(self) -> bool:
        """Return whether the body is compressed. Raises ResponseTooLarge."""
        # Gzip expands one byte to at most a thousand, and is decompressed in small pieces. Compressed twice, or in
        # another way, a few kilobytes could become gigabytes before they are counted.
        encodings = self._response.headers.get_list("content-encoding", split_commas=True)
        if len(encodings) > 1 or any(encoding.strip().lower() in ("br", "zstd") for encoding in encodings):
            raise ResponseTooLarge(f"packed as {', '.join(encodings)}")
        return bool(encodings)


@cache
def _tls_context() -> ssl.SSLContext:
    """Return the TLS context with the system's certificates. Reading them takes 20 ms, so all connections share it."""
    return ssl.create_default_context()


class _Pool:
    """A connection pool that is shared fairly between requesters."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._limiter = FairLimiter(quota)
        self._transport: AiohttpTransport | None = None

    async def open(self) -> None:
        """Open the HTTP session."""
        session = aiohttp.ClientSession(
            # It stores nothing: a cookie must never reach another host, and none is needed.
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=self._quota.total, ssl=_tls_context()),
            trust_env=False,
            middlewares=(_prevent_repeats,),
        )
        self._transport = AiohttpTransport(client=session, verify=_tls_context())

    async def close(self) -> None:
        """Close all connections."""
        if self._transport is not None:
            await self._transport.aclose()

    @asynccontextmanager
    async def send(
        self, request: httpx.Request, requester: Requester, *, seconds: float | None = None
    ) -> AsyncIterator[StreamedResponse]:
        """Send a request while holding a connection for the requester; the response is closed afterwards.

        `seconds` limits the time from sending to the end of the block. Raises Busy.
        """
        if self._transport is None:
            raise RuntimeError("Http is used before it was entered")
        try:
            await self._limiter.acquire(requester)
        except LimitReached as problem:
            raise Busy from problem
        try:
            async with asyncio.timeout(seconds):
                request.read()
                response = await self._transport.handle_async_request(request)
                try:
                    yield StreamedResponse(response)
                finally:
                    await response.aclose()
        finally:
            self._limiter.release(requester)


class HttpTransport:
    """The connections to one provider; they store no cookies and follow no redirects.

    `clock` is adjusted by the Date header of every response. `counts`: where the API's clients count errors and pauses.
    """

    def __init__(self, clock: ProviderClock | None = None, counts: Metrics | None = None) -> None:
        self.counts = counts or Metrics()
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
        """Send a request and read the whole response; of an error, only the beginning.

        `seconds` is the timeout of a response known to be slow; the connection counts in the quota of `requester`.
        Raises Busy, RequestNotSent, ConnectionLost or ResponseTooLarge.
        """
        pool = self._quick if seconds is None else self._slow
        try:
            request = httpx.Request(
                method,
                _build_url(url, tuple(params.items()) if params else ()),
                headers=DEFAULT_HEADERS | (headers or {}),
                json=json,
                data=form,
                stream=_NO_BODY if json is None and form is None else None,
                extensions=_timeout(seconds),
            )
            async with pool.send(
                request, requester, seconds=ANSWER_SECONDS if seconds is None else seconds
            ) as streamed:
                content = await _read_body(streamed)
        except LOST as error:
            raise _describe_failure(error) from error
        self.clock.observe(streamed.headers.get("Date"))
        return Response(streamed.status_code, streamed.headers, content)

    @asynccontextmanager
    async def stream(self, url: str, *, requester: Requester = NOBODY) -> AsyncIterator[StreamedResponse]:
        """GET an address without additional headers; the response's body is not read yet.

        Raises Busy, and ConnectionLost, also while the body is read.
        """
        try:
            request = httpx.Request(
                "GET", url, headers=DEFAULT_HEADERS, stream=_NO_BODY, extensions=_timeout(None)
            )
            async with self._slow.send(request, requester) as response:
                yield response
        except LOST as error:
            raise ConnectionLost(type(error).__name__) from error


@lru_cache(maxsize=256)
def _build_url(url: str, params: tuple[tuple[str, str], ...]) -> httpx.URL:
    """Return the URL with its parameters. Polls and people request the same few again and again."""
    return httpx.URL(url, params=dict(params)) if params else httpx.URL(url)


@lru_cache(maxsize=16)
def _timeout(seconds: float | None) -> dict[str, dict[str, float | None]]:
    """Return the timeouts of a request as httpx's transports expect them."""
    timeout = TIMEOUT if seconds is None else httpx.Timeout(seconds, connect=TIMEOUT.connect)
    return {"timeout": timeout.as_dict()}


def _describe_failure(error: Exception) -> RequestNotSent | ConnectionLost:
    # httpx-aiohttp reports many broken connections as ConnectTimeout; aiohttp's own error, its cause, is exact.
    reason = error.__cause__ or error
    failure = RequestNotSent if isinstance(reason, aiohttp.ClientConnectorError) else ConnectionLost
    return failure(type(reason).__name__)


async def _prevent_repeats(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Stop aiohttp from repeating a change when a connection breaks; by itself it repeats DELETE as well as GET.

    It does so for two types of errors (aiohttp, `ClientSession._request`); for a change, another type is raised.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if request.method == "GET" or isinstance(error, aiohttp.ClientConnectorError):
            raise
        raise aiohttp.ClientConnectionError(type(error).__name__) from error


async def _read_body(response: StreamedResponse) -> bytes:
    content = bytearray()
    refusal = response.status_code >= 300
    try:
        async for piece in response.pieces(LARGEST_REFUSAL if refusal else LARGEST_ANSWER):
            content += piece
    except ResponseTooLarge:
        if not refusal:
            raise
    return bytes(content)
