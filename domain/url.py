"""Web addresses from outside: read in one way or not at all. Pure; no I/O.

Programs disagree about odd addresses, and a check is worth nothing where it understands another host than the one
that is then asked (CVE-2023-24329 and its kind). So whatever could be understood in two ways counts as no address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urljoin, urlsplit

_PORTS = {"http": 80, "https": 443}
# RFC 3986 knows no others; a backslash is a slash to browsers alone.
_WRITTEN = re.compile(r"[\x21-\x5b\x5d-\x7e]+")
# Names by labels, an address of four numbers, or one of version 6 in brackets. No dot at the end: it would make the
# same host look like another one.
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*|[0-9a-f:.]*:[0-9a-f:.]*")


@dataclass(frozen=True)
class Url:
    """Where an address leads: `host` in lower case, `port` also where it is the scheme's own."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: what a token may be shown to."""
        return self.scheme, self.host, self.port

    @property
    def has_default_port(self) -> bool:
        """Whether the port is the one that the scheme has by itself."""
        return self.port == _PORTS[self.scheme]


def read_address(url: str) -> Url | None:
    """The address' parts; None where it is no web address, names a user, or could be understood in two ways."""
    if not _WRITTEN.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname or ""
    if parts.scheme not in _PORTS or "@" in parts.netloc or not _HOST.fullmatch(host):
        return None
    # Whoever asks takes `..` out first, so the path that was checked would not be the one that is asked for.
    if any(unquote(part) in (".", "..") for part in parts.path.split("/")):
        return None
    return Url(parts.scheme, host, port if port is not None else _PORTS[parts.scheme], parts.path)


def resolve_redirect(url: str, location: str | None) -> str:
    """Where an answer from `url` sends on to; an address that is none where it does not say."""
    try:
        return urljoin(url, location) if location else ""
    except ValueError:
        return ""
