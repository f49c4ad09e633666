"""Certificates as people paste them, looked at before they are sent. Pure; no I/O.

Build.io takes one text as `cert` (reference, "Domains"), and the reference says no more of it. So it is given what all
servers understand: PEM (RFC 7468), the certificate first, then what signs it, then the key.
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
    """What was pasted can't be used; `part` is what is wrong with it. No key is said again."""

    def __init__(self, part: Part, words: str) -> None:
        super().__init__(words)
        self.part = part


def check_certificate(pasted: str, hostname: str, at: datetime) -> str:
    """The certificate, what signs it and the key, as they are sent: nothing around them, lines of one width.

    Raises CertificateProblem where one can't be read, they do not belong together, or not to this host name and time.
    """
    blocks = [(match[1], match[2].strip()) for match in _BLOCK.finditer(pasted)]
    own, *chain = [_wrapped(*block) for block in blocks if block[0] == _CERTIFICATE] or [""]
    keys = [_wrapped(*block) for block in blocks if block[0].endswith(_KEY)]
    leaf = _certificate(own, "certificate")
    for one in chain:
        _certificate(one, "chain")
    if len(keys) != 1:
        words = "There is more than one key." if keys else "The private key that belongs to it is missing."
        raise CertificateProblem("private", words)
    _check_key(keys[0], leaf)
    _check_use(leaf, hostname, at)
    return "".join([own, *chain, *keys])


def fingerprint(pem: str) -> str | None:
    """Return the SHA-256 of the first certificate, as browsers and openssl show it; None where none can be read."""
    try:
        leaf = x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        return None
    return leaf.fingerprint(SHA256()).hex(":").upper()


def _certificate(pem: str, part: Part) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as problem:
        raise CertificateProblem(
            part, "This is no certificate that can be read. Paste all of it, with its first and last line."
        ) from problem


def _check_key(pem: str, leaf: x509.Certificate) -> None:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        problem = "The key has a passphrase, and Build.io could not use it. Paste it without one."
    except (ValueError, UnsupportedAlgorithm):
        problem = "This is no key that can be read. Paste all of it, with its first and last line."
    else:
        as_der = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        if key.public_key().public_bytes(*as_der) == leaf.public_key().public_bytes(*as_der):
            return
        problem = "This key does not belong to the certificate."
    # Without the cause: its words may hold parts of what was pasted.
    raise CertificateProblem("private", problem) from None


def _check_use(leaf: x509.Certificate, hostname: str, at: datetime) -> None:
    if leaf.not_valid_after_utc <= at:
        raise CertificateProblem("certificate", f"It ended on {leaf.not_valid_after_utc:%Y-%m-%d}.")
    names = _names(leaf)
    if names and not any(_covers(name.lower(), hostname) for name in names):
        said = ", ".join(name[:100] for name in names[:NAMES_SAID])
        raise CertificateProblem("certificate", f"It is for {said}, and not for {hostname}.")


def _names(leaf: x509.Certificate) -> list[str]:
    """The host names that it is for; none where it has none of today's kind, which is for its servers to judge."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return names.get_values_for_type(x509.DNSName)


def _covers(name: str, hostname: str) -> bool:
    """An asterisk stands for one label, the leftmost (RFC 9525, 6.3)."""
    if name == hostname:
        return True
    first, _, rest = hostname.partition(".")
    return name.startswith("*.") and name[2:] == rest and first != "*"


def _wrapped(kind: str, body: str) -> str:
    # An old key with a passphrase has headers (RFC 1421); it is refused, but by what reads keys.
    lines = [body] if ":" in body else wrap("".join(body.split()), _WIDTH)
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""])
