"""Download logs and files from the providers' storage: no token, no cookies, and from known hosts only."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from domain.fair_limiter import NOBODY, Requester
from domain.provider import Provider
from domain.provider_errors import (
    DownloadExpired,
    DownloadRefused,
    ProviderDown,
    ProviderError,
    TooBusy,
    TooLarge,
)
from domain.url import Url, read_address, resolve_redirect
from providers.http.transport import Busy, ConnectionLost, HttpTransport, ResponseTooLarge, StreamedResponse

MAX_REDIRECTS = 3
# Nobody reads a log of a gigabyte, and an endless file would be read forever.
LARGEST_FILE = 1024 * 1024 * 1024
FILE_SECONDS = 900.0
# Bitrise's own buckets: on Amazon's storage by host name, on Google's by the path's first part. Seen in the seed
# documents (`bitrise-….s3.amazonaws.com`) and in Bitrise's own programs of 2026 (`storage.googleapis.com/bitrise-…`).
_AMAZON = re.compile(r"bitrise-[a-z0-9-]+\.s3(?:\.dualstack)?(?:[.-][a-z0-9-]+)?\.amazonaws\.com")
_GOOGLE = "storage.googleapis.com"


@dataclass(frozen=True)
class Tail:
    """The end of a file; `whole`: it is the entire file."""

    content: bytes
    whole: bool


class Downloads:
    """Downloads files from the links that providers return."""

    def __init__(
        self,
        http: HttpTransport,
        *,
        api_url: str,
        hosts: Sequence[str],
        requester: Requester = NOBODY,
        provider: Provider | None = None,
    ) -> None:
        """Allow `hosts` (DOWNLOAD_HOSTS, as `host` or `host:port`); requests count in the quota of `requester`."""
        self._http = http
        self._requester = requester
        self._provider = provider
        self._api = read_address(api_url)
        self._hosts = frozenset(host.lower() for host in hosts)

    def may_fetch(self, url: str) -> bool:
        """Return whether files may be downloaded from the link's host.

        If the API uses HTTPS, files must too, and only on the API's own port or the default port.
        """
        address = read_address(url)
        if address is None or (address.scheme != "https" and not self._api_is_plain_http):
            return False
        if self._api is not None and address.origin == self._api.origin:
            return True
        if f"{address.host}:{address.port}" in self._hosts:
            return True
        if not address.has_default_port and not self._api_is_plain_http:
            return False
        api_host = self._api.host if self._api is not None else None
        return address.host == api_host or address.host in self._hosts or _is_known_storage(address)

    @property
    def _api_is_plain_http(self) -> bool:
        return self._api is not None and self._api.scheme == "http"

    async def tail(self, url: str, most: int) -> Tail:
        """Return the last `most` bytes of the file, without holding the rest in memory.

        The whole file is read, since the link must be requested without additional headers, so without Range (Bitrise
        API v0.1, "GET /apps/{APP-SLUG}/builds/{BUILD-SLUG}/log"). Raises the errors of `open`.
        """
        pieces: deque[bytes] = deque()
        held = total = 0
        async with self.open(url) as chunks:
            async for chunk in chunks:
                pieces.append(chunk)
                held += len(chunk)
                total += len(chunk)
                while held - len(pieces[0]) >= most:
                    held -= len(pieces.popleft())
        return Tail(b"".join(pieces)[-most:], whole=total <= most)

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Stream the file. Raises DownloadRefused, DownloadExpired, TooLarge, TooBusy or ProviderDown."""
        try:
            async with self._open_following_redirects(url) as chunks:
                yield chunks
        except ProviderError as error:
            error.provider = error.provider or self._provider
            raise

    @asynccontextmanager
    async def _open_following_redirects(self, url: str) -> AsyncIterator[AsyncIterator[bytes]]:
        try:
            async with asyncio.timeout(FILE_SECONDS):
                for _ in range(MAX_REDIRECTS):
                    if not self.may_fetch(url):
                        raise DownloadRefused(_host_of(url))
                    async with self._http.stream(url, requester=self._requester) as response:
                        if not response.is_redirect:
                            _check_status(response)
                            yield response.pieces(LARGEST_FILE)
                            return
                        url = resolve_redirect(url, response.headers.get("location"))
                raise ProviderDown("the link redirects in a loop")
        except Busy as error:
            raise TooBusy from error
        except ResponseTooLarge as error:
            raise TooLarge(f"more than {LARGEST_FILE // 2**20} MiB in one file") from error
        except (ConnectionLost, TimeoutError) as error:
            raise ProviderDown("the file's storage didn't respond") from error


def _host_of(url: str) -> str:
    address = read_address(url)
    return address.host if address is not None else "it isn't a valid address"


def _check_status(response: StreamedResponse) -> None:
    if response.status_code in (403, 404, 410):
        raise DownloadExpired
    if response.status_code >= 300:
        raise ProviderDown("the file's storage reported an error")


def _is_known_storage(address: Url) -> bool:
    if _AMAZON.fullmatch(address.host):
        return True
    return address.host == _GOOGLE and address.path.startswith("/bitrise-")
