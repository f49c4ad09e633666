"""A domain of an app and its certificate. State only."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

Status = Literal["pending", "verifying", "issued", "failed"]

# Default durations, in simulated seconds.
PENDING = timedelta(seconds=20)
VERIFYING = timedelta(seconds=40)
CERTIFICATE_LIFETIME = timedelta(days=90)
# Such host names never resolve (RFC 6761, "invalid").
UNRESOLVED = ".invalid"

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOSTNAME = re.compile(rf"(?:\*\.)?(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])")
_CERTIFICATE = re.compile(
    r"-----BEGIN CERTIFICATE-----\s+(?P<body>[A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----"
)
_ASN1_SEQUENCE = 0x30


@dataclass(eq=False)
class Domain:
    """A domain. `has_custom_certificate`: the certificate was uploaded.

    `is_platform_domain`: the domain is Build.io's own.
    """

    id: str
    hostname: str
    target: str
    created_at: datetime
    is_platform_domain: bool = False
    has_custom_certificate: bool = False
    speed: float = 1.0
    status: Status = "pending"
    error: str | None = None
    expires_at: datetime | None = None
    since: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.since = self.created_at
        if self.has_custom_certificate or self.is_platform_domain:
            self.status = "issued"

    def advance(self, now: datetime) -> None:
        """Move to the state at this time."""
        if self.status == "pending" and now >= (verifying := self.since + PENDING / self.speed):
            self.status, self.since = "verifying", verifying
        if self.status == "verifying" and now >= (ends := self.since + VERIFYING / self.speed):
            if self.hostname.endswith(UNRESOLVED):
                self.fail(f"{self.hostname} does not resolve to {self.target}", ends)
            else:
                self.issue(ends)

    def issue(self, at: datetime) -> None:
        """Issue the certificate."""
        self.status, self.since, self.error, self.expires_at = "issued", at, None, at + CERTIFICATE_LIFETIME

    def fail(self, error: str, at: datetime) -> None:
        """Fail the certificate."""
        self.status, self.since, self.error = "failed", at, error

    def take_certificate(self, at: datetime) -> None:
        """Replace the certificate with an uploaded one."""
        self.has_custom_certificate, self.status, self.since, self.error, self.expires_at = (
            True,
            "issued",
            at,
            None,
            None,
        )


def is_hostname(text: str) -> bool:
    """Return whether the text is a lower-case host name with a domain (RFC 1123, 2.1); one leading `*.` is allowed."""
    return len(text) <= 253 and _HOSTNAME.fullmatch(text) is not None


def is_certificate(text: str) -> bool:
    """Return whether the text looks like PEM certificates (RFC 7468): the frame, base64, and an ASN.1 sequence."""
    found = list(_CERTIFICATE.finditer(text))
    try:
        return bool(found) and all(
            b64decode("".join(match["body"].split()), validate=True)[:1] == bytes([_ASN1_SEQUENCE])
            for match in found
        )
    except binascii.Error:
        return False
