"""Fetching logs and files from the providers' storage: no token, no cookies, and from known hosts only."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from bot.http.errors import DownloadExpired, DownloadRefused, ProviderDown
from bot.http.transport import Http, Lost, Response

MOST_REDIRECTS = 3


@dataclass(frozen=True)
class Tail:
    """The end of a file; `whole` says that it is all of it."""

    content: bytes
    whole: bool


class Downloads:
    """Reads files behind links that providers hand out."""

    def __init__(self, http: Http, *, api_url: str, hosts: Sequence[str]) -> None:
        self._http = http
        self._api = urlsplit(api_url)
        self._hosts = frozenset(host.lower() for host in hosts)

    def may_fetch(self, url: str) -> bool:
        """Whether files may be fetched from the host that the link leads to."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        host = (parts.hostname or "").lower()
        if parts.username or parts.password or parts.scheme not in ("https", self._api.scheme):
            return False
        return (
            host == (self._api.hostname or "").lower()
            or host in self._hosts
            or _is_known_storage(host, parts)
        )

    async def tail(self, url: str, most: int) -> Tail:
        """The last `most` bytes of the file; never more than that is held.

        The whole file is read for it: the link must be asked with no header beyond the plain request (Bitrise API
        v0.1, "GET /apps/{APP-SLUG}/builds/{BUILD-SLUG}/log"). Raises DownloadRefused, DownloadExpired, ProviderDown.
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
        """The file as it comes. Raises DownloadRefused, DownloadExpired or ProviderDown."""
        try:
            for _ in range(MOST_REDIRECTS):
                if not self.may_fetch(url):
                    raise DownloadRefused(_host(url))
                async with self._http.stream(url) as response:
                    if not response.is_redirect:
                        _check(response)
                        yield response.aiter_bytes()
                        return
                    url = urljoin(url, response.headers.get("location", ""))
            raise ProviderDown("the link leads round in circles")
        except Lost as error:
            raise ProviderDown("the file's storage gave no answer") from error


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "an address without a host"
    except ValueError:
        return "an address that is none"


def _check(response: Response) -> None:
    if response.status_code in (403, 404, 410):
        raise DownloadExpired
    if response.status_code >= 400:
        raise ProviderDown(f"the file's storage answered {response.status_code}")


def _is_known_storage(host: str, parts: SplitResult) -> bool:
    """Bitrise's own buckets: on Amazon's storage by host name, on Google's by the path's first part.

    Seen in the seed documents (`bitrise-….s3.amazonaws.com`) and in Bitrise's own programs of 2026
    (`storage.googleapis.com/bitrise-…`).
    """
    if host.startswith("bitrise-") and host.endswith(".amazonaws.com") and ".s3." in host:
        return True
    return host == "storage.googleapis.com" and parts.path.startswith("/bitrise-")
