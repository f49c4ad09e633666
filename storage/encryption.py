"""Sealing what must not be read from the database: authenticated encryption, bound to the place that it is kept at."""

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

# What `buildbell new-key` prints has 43 characters; a shorter one was thought up by somebody.
SHORTEST_KEY = 32
_VERSION = b"\x01"
_NAME_LENGTH = 8
_NONCE_LENGTH = 12  # of AES-GCM (NIST SP 800-38D, 8.2)


class DecryptionError(Exception):
    """What was sealed can't be opened: the key is gone, or it was changed, or it stands in another place."""


class InvalidKey(ValueError):
    """A key that can't be used; the sentence says why."""


class SecretBox:
    """Seals under the first key and opens under any of them, so that keys can be changed one after the other.

    What is sealed names its key, and opens only at the place that it was sealed for: a row that was copied over
    another one does not open there.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        """Raises InvalidKey."""
        if not keys:
            raise InvalidKey("there is no key")
        if any(len(key) < SHORTEST_KEY for key in keys):
            raise InvalidKey(
                f"each key needs {SHORTEST_KEY} characters or more; `buildbell new-key` prints one"
            )
        # Several uses, each with a key of its own (RFC 5869).
        self._ciphers = {_derive(key, b"name")[:_NAME_LENGTH]: AESGCM(_derive(key, b"seal")) for key in keys}
        self._signing = [_derive(key, b"sign") for key in keys]

    @property
    def key_name(self) -> str:
        """The name of the key that seals, which does not give it away."""
        return next(iter(self._ciphers)).hex()

    @property
    def key_names(self) -> frozenset[str]:
        """The names of all keys that open."""
        return frozenset(name.hex() for name in self._ciphers)

    def encrypt(self, text: str, *place: str) -> str:
        """The text, sealed for this place."""
        name, cipher = next(iter(self._ciphers.items()))
        nonce = os.urandom(_NONCE_LENGTH)
        sealed = cipher.encrypt(nonce, text.encode(), _bound_to(name, place))
        return base64.urlsafe_b64encode(_VERSION + name + nonce + sealed).decode()

    def decrypt(self, sealed: str, *place: str) -> str:
        """The text that was sealed for this place. Raises DecryptionError."""
        name, nonce, content = _parts(sealed)
        if (cipher := self._ciphers.get(name)) is None:
            raise DecryptionError(f"it was sealed with another key ({name.hex()})")
        try:
            return cipher.decrypt(nonce, content, _bound_to(name, place)).decode()
        except InvalidTag as error:
            raise DecryptionError("it was changed, or it stands in another place") from error

    def is_current(self, sealed: str) -> bool:
        """Whether it was sealed with the key that seals now. Raises DecryptionError for what is no seal."""
        return _parts(sealed)[0].hex() == self.key_name

    def sign(self, text: str) -> str:
        """A signature by which the text is known again as ours."""
        return _signature(self._signing[0], text)

    def is_signed(self, text: str, signature: str) -> bool:
        """Whether the signature is ours, for this text."""
        given = signature.encode("utf-8", "surrogatepass")
        fits = [hmac.compare_digest(_signature(key, text).encode(), given) for key in self._signing]
        return any(fits)


def _derive(key: str, use: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"buildbell " + use).derive(key.encode())


def _signature(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]


def _bound_to(name: bytes, place: Sequence[str]) -> bytes:
    # Each part with its length, so that no two places are written alike.
    parts = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in place)
    return _VERSION + name + parts


def _parts(sealed: str) -> tuple[bytes, bytes, bytes]:
    try:
        content = base64.urlsafe_b64decode(sealed.encode())
    except ValueError as error:
        raise DecryptionError("it is no seal") from error
    if len(content) < len(_VERSION) + _NAME_LENGTH + _NONCE_LENGTH or content[:1] != _VERSION:
        raise DecryptionError("it is no seal")
    start = len(_VERSION) + _NAME_LENGTH
    return (
        content[len(_VERSION) : start],
        content[start : start + _NONCE_LENGTH],
        content[start + _NONCE_LENGTH :],
    )
