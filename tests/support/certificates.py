"""Certificates and keys made for a test; none is used anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class CertificateWithKey:
    """A certificate with its key, in PEM; `encrypted_key` is the key with a passphrase."""

    certificate: str
    key: str
    encrypted_key: str


def make_certificate(*names: str, until: datetime | None = None, bits: int = 0) -> CertificateWithKey:
    """Make a self-signed certificate for these host names, with an RSA key of `bits` bits or else an EC key."""
    key = rsa.generate_private_key(65537, bits) if bits else ec.generate_private_key(ec.SECP256R1())
    end = until or datetime.now(UTC) + timedelta(days=30)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "made for a test")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(end - timedelta(days=90)).not_valid_after(end)
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
        )
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    key_format = (Encoding.PEM, PrivateFormat.TraditionalOpenSSL)
    return CertificateWithKey(
        certificate,
        key.private_bytes(*key_format, NoEncryption()).decode(),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")).decode(),
    )
