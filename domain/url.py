"""Strict parsing of URLs from outside. Pure; no I/O.

Programs disagree about unusual URLs, and a check is useless if it sees another host than the one that is then
requested (CVE-2023-24329 and similar). So a URL that could be understood in two ways is invalid.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urljoin, urlsplit

_PORTS = {"http": 80, "https": 443}
# RFC 3986 allows no others; only browsers treat a backslash as a slash.
_ALLOWED_CHARACTERS = re.compile(r"[\x21-\x5b\x5d-\x7e]+")
# A host name, an IPv4 address, or an IPv6 address without its brackets. No dot at the end: it would make the same host
# look like another one.
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*|[0-9a-f:.]*:[0-9a-f:.]*")


@dataclass(frozen=True)
class Url:
    """The parts of a URL: `host` in lower case, `port` even if it is the scheme's default."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: tokens are sent to allowed origins only."""
        return self.scheme, self.host, self.port

    @property
    def has_default_port(self) -> bool:
        """Return whether the port is the scheme's default."""
        return self.port == _PORTS[self.scheme]


def read_address(url: str) -> Url | None:
    """Parse a URL; None if it is not a web address, contains a user, or could be understood in two ways."""
    if not _ALLOWED_CHARACTERS.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname or ""
    if parts.scheme not in _PORTS or "@" in parts.netloc or not _HOST.fullmatch(host):
        return None
    # HTTP clients resolve `..` first, so the path that was checked would not be the one that is requested.
    if "." in unquote(parts.path) and any(unquote(part) in (".", "..") for part in parts.path.split("/")):
        return None
    return Url(parts.scheme, host, port if port is not None else _PORTS[parts.scheme], parts.path)


def resolve_redirect(url: str, location: str | None) -> str:
    """Return the URL that a response from `url` redirects to; "" if there is none."""
    try:
        return urljoin(url, location) if location else ""
    except ValueError:
        return ""
