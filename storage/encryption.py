"""Authenticated encryption of secrets in the database, bound to the row that they are stored in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# `buildbell new-key` prints 43 characters; shorter keys are probably invented by hand and easy to guess.
SHORTEST_KEY = 32
_VERSION = b"\x01"
_NAME_LENGTH = 8
_NONCE_LENGTH = 12  # of AES-GCM (NIST SP 800-38D, 8.2)


class DecryptionError(Exception):
    """The value can't be decrypted: the key is missing, or the value was changed or moved to another row."""


class InvalidKey(ValueError):
    """The key can't be used; the message says why."""


class SecretBox:
    """Encrypts with the first key and decrypts with any of them, so that keys can be rotated.

    An encrypted value names its key and can be decrypted only with the same `context`: a value copied to another row
    can't be decrypted there.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        """Take the current key first. Raises InvalidKey."""
        if not keys:
            raise InvalidKey("must contain a key; `buildbell new-key` prints one")
        if any(len(key) < SHORTEST_KEY for key in keys):
            raise InvalidKey(
                f"each key needs {SHORTEST_KEY} characters or more; `buildbell new-key` prints one"
            )
        # A separate key is derived for each use (RFC 5869).
        self._ciphers = {_derive(key, b"name")[:_NAME_LENGTH]: AESGCM(_derive(key, b"seal")) for key in keys}
        self._signing = [_derive(key, b"sign") for key in keys]

    @property
    def key_name(self) -> str:
        """The name of the current key, which does not reveal the key."""
        return next(iter(self._ciphers)).hex()

    @property
    def key_names(self) -> frozenset[str]:
        """The names of all keys that can decrypt."""
        return frozenset(name.hex() for name in self._ciphers)

    def encrypt(self, text: str, *context: str) -> str:
        """Encrypt the text, bound to this context (the associated data of AES-GCM)."""
        name, cipher = next(iter(self._ciphers.items()))
        nonce = os.urandom(_NONCE_LENGTH)
        sealed = cipher.encrypt(nonce, text.encode(), _associated_data(name, context))
        return base64.urlsafe_b64encode(_VERSION + name + nonce + sealed).decode()

    def decrypt(self, sealed: str, *context: str) -> str:
        """Decrypt a text that was encrypted with this context. Raises DecryptionError."""
        name, nonce, content = _parts(sealed)
        if (cipher := self._ciphers.get(name)) is None:
            raise DecryptionError(f"it was sealed with another key ({name.hex()})")
        try:
            return cipher.decrypt(nonce, content, _associated_data(name, context)).decode()
        except InvalidTag as error:
            raise DecryptionError("it was changed, or moved to another row") from error

    def is_current(self, sealed: str) -> bool:
        """Return whether the value is encrypted with the current key. Raises DecryptionError for any other text."""
        return _parts(sealed)[0].hex() == self.key_name

    def sign(self, text: str) -> str:
        """Sign the text, so that it can be recognized as ours."""
        return _signature(self._signing[0], text)

    def is_signed(self, text: str, signature: str) -> bool:
        """Return whether the signature was made by one of our keys for this text."""
        actual = signature.encode("utf-8", "surrogatepass")
        matches = [hmac.compare_digest(_signature(key, text).encode(), actual) for key in self._signing]
        return any(matches)


def _derive(key: str, use: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"buildbell " + use).derive(key.encode())


def _signature(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]


def _associated_data(name: bytes, context: Sequence[str]) -> bytes:
    # Each part is prefixed with its length, so that different contexts never give the same bytes.
    parts = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in context)
    return _VERSION + name + parts


def _parts(sealed: str) -> tuple[bytes, bytes, bytes]:
    try:
        content = base64.urlsafe_b64decode(sealed.encode())
    except ValueError as error:
        raise DecryptionError("it isn't an encrypted value") from error
    if len(content) < len(_VERSION) + _NAME_LENGTH + _NONCE_LENGTH or content[:1] != _VERSION:
        raise DecryptionError("it isn't an encrypted value")
    start = len(_VERSION) + _NAME_LENGTH
    return (
        content[len(_VERSION) : start],
        content[start : start + _NONCE_LENGTH],
        content[start + _NONCE_LENGTH :],
    )
