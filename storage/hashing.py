"""What is kept of words that travel with people and must not be read from the database."""

from __future__ import annotations

import hashlib


def fingerprint_of(word: str) -> str:
    """By what a word that nobody can guess is found again."""
    return hashlib.sha256(word.encode("utf-8", "surrogatepass")).hexdigest()
