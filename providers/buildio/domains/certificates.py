"""Checks of pasted certificates before they are sent. Pure; no I/O.

Build.io takes one text as `cert` (reference, "Domains"); its format is not documented. So we send what all servers
understand: PEM (RFC 7468) with the certificate first, then its chain, then the key.
"""

from __future__ import annotations

import re
from datetime import datetime
from textwrap import wrap
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

Part = Literal["certificate", "chain", "private"]

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----(.*?)-----END \1-----", re.DOTALL)
_CERTIFICATE, _KEY = "CERTIFICATE", "PRIVATE KEY"
# RFC 7468, 2: a generator wraps its lines at 64 characters.
_WIDTH = 64
NAMES_SAID = 5


class CertificateProblem(ValueError):
    """The pasted text can't be used; `part` is the part that is wrong. The message never contains a key."""

    def __init__(self, part: Part, message: str) -> None:
        super().__init__(message)
        self.part = part


def check_certificate(pasted: str, hostname: str, at: datetime) -> str:
    """Return the certificate, chain and key as they are sent: nothing around them, all lines of equal width.

    Raises CertificateProblem if a part can't be read, or they don't match each other, the hostname or the time.
    """
    blocks = [(match[1], match[2].strip()) for match in _BLOCK.finditer(pasted)]
    own, *chain = [_rewrap(*block) for block in blocks if block[0] == _CERTIFICATE] or [""]
    keys = [_rewrap(*block) for block in blocks if block[0].endswith(_KEY)]
    leaf = _load_certificate(own, "certificate")
    for certificate in chain:
        _load_certificate(certificate, "chain")
    if len(keys) != 1:
        problem = "There's more than one key." if keys else "The private key is missing."
        raise CertificateProblem("private", problem)
    _check_key(keys[0], leaf)
    _check_use(leaf, hostname, at)
    return "".join([own, *chain, *keys])


def fingerprint(pem: str) -> str | None:
    """Return the SHA-256 of the first certificate, as browsers and openssl show it; None if none can be read."""
    try:
        leaf = x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        return None
    return leaf.fingerprint(SHA256()).hex(":").upper()


def _load_certificate(pem: str, part: Part) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as problem:
        raise CertificateProblem(
            part, "This isn't a valid certificate. Paste all of it, including its first and last line."
        ) from problem


def _check_key(pem: str, leaf: x509.Certificate) -> None:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        problem = "The key has a passphrase, so Build.io can't use it. Paste it without one."
    except (ValueError, UnsupportedAlgorithm):
        problem = "This isn't a valid key. Paste all of it, including its first and last line."
    else:
        as_der = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        if key.public_key().public_bytes(*as_der) == leaf.public_key().public_bytes(*as_der):
            return
        problem = "This key doesn't match the certificate."
    # Without the cause: its text may contain parts of what was pasted.
    raise CertificateProblem("private", problem) from None


def _check_use(leaf: x509.Certificate, hostname: str, at: datetime) -> None:
    if leaf.not_valid_after_utc <= at:
        raise CertificateProblem("certificate", f"It expired on {leaf.not_valid_after_utc:%Y-%m-%d}.")
    names = _read_hostnames(leaf)
    if names and not any(_matches_hostname(name.lower(), hostname) for name in names):
        shown = ", ".join(name[:100] for name in names[:NAMES_SAID])
        raise CertificateProblem("certificate", f"It's for {shown}, not for {hostname}.")


def _read_hostnames(leaf: x509.Certificate) -> list[str]:
    """Return the hostnames; empty if the certificate has no subject alternative names, which the servers may judge."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return names.get_values_for_type(x509.DNSName)


def _matches_hostname(name: str, hostname: str) -> bool:
    """Match a hostname; an asterisk stands for one label, the leftmost (RFC 9525, 6.3)."""
    if name == hostname:
        return True
    first, _, rest = hostname.partition(".")
    return name.startswith("*.") and name[2:] == rest and first != "*"


def _rewrap(kind: str, body: str) -> str:
    # An old key with a passphrase has headers (RFC 1421); loading the key rejects it.
    lines = [body] if ":" in body else wrap("".join(body.split()), _WIDTH)
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""])
