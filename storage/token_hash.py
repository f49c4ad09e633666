"""Hashes of random tokens, which must not be readable in the database."""

from __future__ import annotations

import hashlib


def fingerprint_of(token: str) -> str:
    """Return the hash by which a random, unguessable token is found again."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
