"""Whether somebody knows a secret, without telling by the time it takes how near they came. Pure; no I/O."""

from __future__ import annotations

import hashlib
import hmac

from pydantic import SecretStr


def secrets_equal(given: str, secret: SecretStr | str) -> bool:
    """Whether this is the secret; whatever came over the wire may be asked about.

    Digests are compared, which are all as long: the comparison of texts ends sooner where their lengths differ
    (docs.python.org, `hmac.compare_digest`).
    """
    expected = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
    return bool(expected) and hmac.compare_digest(_digest(given), _digest(expected))


def _digest(text: str) -> bytes:
    # Bytes of a header that are no UTF-8 come as lone surrogates.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
