"""Secrets without a name before them: words that look random. Pure; no I/O.

A word is text between blanks, quotes, brackets, = or : (it may be a value, or stand alone). It counts as a secret if
all of this is true:

1. It has 20 characters or more, only letters, digits, +, /, - and _, with upper case, lower case and digits among them.
   So git's hashes, digests, UUIDs, slugs, object ids and words of one case do not count; a word with a dot, an @ or a $
   is a file, a class, a version or an address.
2. Its letters differ: 3.5 bits or more of Shannon entropy per character (`AAAA…==` has none).
3. At most 60 % of it can be explained: by parts (between hyphens and the like) made of words, short numbers and
   acronyms (`iPhone16Pro_iOS18_2`), else by words, capitals or digits of four or more, and hex. By chance, a quarter of
   a random word can be explained.
4. If it has a slash, one part is as long as a secret's, and none is a plain word: it is base64, not a path.
5. It is not in a URL (`urls` handles credentials there), not a fingerprint, checksum or public key by the word before
   it, and not a compiler's name of a function.
"""

from __future__ import annotations

import re
from collections import Counter
from math import log2

from domain.redaction.private_keys import REDACTED

SHORTEST = 20
LONGEST_PART = 12
LEAST_ENTROPY = 3.5
MAX_EXPLAINED_SHARE = 0.6

_WORD = re.compile(r"[A-Za-z0-9+/\-_.~@$%#\\]{20,}(?:={1,2}(?![A-Za-z0-9]))?", re.ASCII)
_ALPHABET = re.compile(r"[A-Za-z0-9+/\-_]+={0,2}", re.ASCII)
_EXPLAINED = re.compile(
    r"[A-Z][a-z]{3,}|[a-z]{4,}|[A-Z]{4,}|[0-9]{4,}|(?<![A-Za-z0-9])(?:[0-9a-f]{8,}|[0-9A-F]{8,})(?![A-Za-z0-9])",
    re.ASCII,
)
# Part of a name. The repetition is possessive, or it would try all ways to split AAAAAAAA.
_NAME = re.compile(r"[a-z]?(?:[A-Z][a-z]{2,}|[A-Z]{2,5}|[a-z]{2,}|[0-9]{1,4}(?![0-9]))++[A-Z]?", re.ASCII)
_BETWEEN = re.compile(r"[+/_\-]+", re.ASCII)
_PLAIN = re.compile(r"[A-Z]?[a-z]{3,}", re.ASCII)
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]{0,20}:\\?/\\?/[^\s\"'<>]+", re.ASCII)
_PUBLIC = re.compile(
    r"(?i)(?:sha-?(?:1|224|256|384|512)|md5|h1|crc32c?|integrity|checksums?|digest|hash|etag|fingerprint|base64,"
    r"|ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-[a-z0-9]+|build ?id|cache[ _-]?key|x-amz-id-2"
    r"|trace-?id|request-?id)\)?[\"']?\s?[:=\-]?\s{0,20}[\"']?$",
    re.ASCII,
)
_PUBLIC_PREFIX = re.compile(r"sha(?:1|224|256|384|512)-|_?_Z[A-Z]|_T0|AAAA[BCE][0-9A-Za-z]", re.ASCII)


def redact_random_words(line: str) -> str:
    """Redact words that look random."""
    if len(line) < SHORTEST:
        return line
    addresses = [found.span() for found in _ADDRESS.finditer(line)] if "/" in line else []
    addresses.reverse()

    def redact_word(found: re.Match[str]) -> str:
        start = found.start()
        while addresses and addresses[-1][1] <= start:
            addresses.pop()
        if (addresses and addresses[-1][0] <= start) or not looks_random(found[0].rstrip(".")):
            return found[0]
        if _PUBLIC.search(line, max(0, start - 40), start):
            return found[0]
        return REDACTED + "." * found[0].endswith(".")

    return _WORD.sub(redact_word, line)


def looks_random(word: str) -> bool:
    """Return whether the word looks random (rules 1 to 4)."""
    if not _ALPHABET.fullmatch(word) or _PUBLIC_PREFIX.match(word):
        return False
    # Without the line of a frame that may be attached to it: it would count as letters.
    letters = word.rstrip("=").strip("+-_")
    if (
        len(letters) < SHORTEST
        or letters.isupper()
        or letters.islower()
        or not any(map(str.isdigit, letters))
    ):
        return False
    if "/" in letters and not _is_base64(letters.split("/")):
        return False
    explained = sum(map(_count_explained, _BETWEEN.split(letters)))
    return explained <= MAX_EXPLAINED_SHARE * len(letters) and entropy(letters) >= LEAST_ENTROPY


def _is_base64(parts: list[str]) -> bool:
    return max(map(len, parts)) >= LONGEST_PART and not any(map(_PLAIN.fullmatch, parts))


def _count_explained(part: str) -> int:
    """Count the characters of the part that are in words and the like."""
    if _NAME.fullmatch(part):
        return len(part)
    return sum(len(found[0]) for found in _EXPLAINED.finditer(part))


def entropy(word: str) -> float:
    """Return the Shannon entropy of the word's characters, in bits per character."""
    length = len(word)
    return -sum(count / length * log2(count / length) for count in Counter(word).values())
