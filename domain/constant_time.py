"""Comparison of secrets in constant time. Pure; no I/O."""

from __future__ import annotations

import hashlib
import hmac

from pydantic import SecretStr


def secrets_equal(candidate: str, secret: SecretStr | str) -> bool:
    """Return whether a text from outside, whatever it contains, equals the secret; an empty secret equals nothing.

    Compares digests, which have equal lengths: comparing texts of different lengths ends sooner (docs.python.org,
    `hmac.compare_digest`).
    """
    expected = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
    return bool(expected) and hmac.compare_digest(_digest(candidate), _digest(expected))


def _digest(text: str) -> bytes:
    # Header bytes that are not UTF-8 arrive as lone surrogates.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
