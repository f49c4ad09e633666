"""A host name of an app, and the certificate that it gets. State alone."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

Status = Literal["pending", "verifying", "issued", "failed"]

# How long each part takes, in simulated seconds.
PENDING = timedelta(seconds=20)
VERIFYING = timedelta(seconds=40)
LIVES = timedelta(days=90)
# Such names never resolve (RFC 6761, "invalid").
UNRESOLVED = ".invalid"

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOSTNAME = re.compile(rf"(?:\*\.)?(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])")
_CERTIFICATE = re.compile(
    r"-----BEGIN CERTIFICATE-----\s+(?P<body>[A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----"
)
_ASN1_SEQUENCE = 0x30


@dataclass(eq=False)
class Domain:
    """A host name. `given`: somebody gave its certificate, so none is fetched; `platform`: Build.io's own."""

    id: str
    hostname: str
    target: str
    created_at: datetime
    platform: bool = False
    given: bool = False
    pace: float = 1.0
    status: Status = "pending"
    error: str | None = None
    expires_at: datetime | None = None
    since: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.since = self.created_at
        if self.given or self.platform:
            self.status = "issued"

    def advance(self, now: datetime) -> None:
        """Live until now."""
        if self.status == "pending" and now >= (verifying := self.since + PENDING / self.pace):
            self.status, self.since = "verifying", verifying
        if self.status == "verifying" and now >= (ends := self.since + VERIFYING / self.pace):
            if self.hostname.endswith(UNRESOLVED):
                self.fail(f"{self.hostname} does not resolve to {self.target}", ends)
            else:
                self.issue(ends)

    def issue(self, at: datetime) -> None:
        """Get the certificate."""
        self.status, self.since, self.error, self.expires_at = "issued", at, None, at + LIVES

    def fail(self, error: str, at: datetime) -> None:
        """Get none."""
        self.status, self.since, self.error = "failed", at, error

    def take_certificate(self, at: datetime) -> None:
        """Somebody gives a certificate of their own."""
        self.given, self.status, self.since, self.error, self.expires_at = True, "issued", at, None, None


def is_hostname(text: str) -> bool:
    """Whether it is a host name with a domain, in lower case (RFC 1123, 2.1); one `*.` before it is allowed."""
    return len(text) <= 253 and _HOSTNAME.fullmatch(text) is not None


def is_certificate(text: str) -> bool:
    """Whether it looks like one certificate or more in PEM (RFC 7468): the frame, base64, and an ASN.1 sequence."""
    found = list(_CERTIFICATE.finditer(text))
    try:
        return bool(found) and all(
            b64decode("".join(one["body"].split()), validate=True)[:1] == bytes([_ASN1_SEQUENCE])
            for one in found
        )
    except binascii.Error:
        return False
