"""The corpus for redaction tests: lines with made-up secrets, and lines of builds without any."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
SEED = 20261121
_LOWER, _UPPER, _DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
_ALPHABETS = {
    "A": _LOWER + _UPPER + _DIGITS,
    "a": _LOWER + _DIGITS,
    "U": _UPPER + _DIGITS,
    "l": _LOWER,
    "d": _DIGITS,
    "h": "0123456789abcdef",
    "H": "0123456789ABCDEF",
    "b": _LOWER + _UPPER + _DIGITS + "+/",
    "u": _LOWER + _UPPER + _DIGITS + "-_",
}
_GAP = re.compile(r"\{([AaUldhHbu])(\d+)\}")
_MARKED = re.compile(r"«([^»]*)»")


@dataclass(frozen=True)
class Line:
    """A piece of a log, and the secrets in it; `template` is its text in the corpus."""

    template: str
    text: str
    secrets: tuple[str, ...]

    def seen_in(self, shown: str) -> list[str]:
        """Return the parts of secrets that are visible: a whole one, or eight of its characters in a row."""
        return [piece for secret in self.secrets for piece in _pieces(secret) if piece in shown]


def secret_lines(seed: int = SEED) -> Iterator[Line]:
    """Yield the lines with secrets, generated from the seed."""
    generator = random.Random(seed)
    for template in _lines("secrets.txt"):
        filled = _GAP.sub(lambda blank: _random_word(generator, blank[1], int(blank[2])), template).replace(
            "␤", "\n"
        )
        yield Line(template, _MARKED.sub(r"\1", filled), tuple(_MARKED.findall(filled)))


def harmless_lines() -> list[str]:
    """Return the lines that must stay unchanged."""
    return list(_lines("harmless.txt"))


def _lines(name: str) -> Iterator[str]:
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("# "):
            yield line


def _random_word(generator: random.Random, kind: str, length: int) -> str:
    word = "".join(generator.choices(_ALPHABETS[kind], k=length))
    # An issuer's random part has capitals and digits; a short one could by chance have none.
    return (
        word
        if length < 16 or kind not in "Abu" or len({*map(_letter_kind, word)}) >= 3
        else _random_word(generator, kind, length)
    )


def _letter_kind(letter: str) -> int:
    return 0 if letter.islower() else 1 if letter.isupper() else 2


def _pieces(secret: str) -> Iterator[str]:
    for line in re.split(r"\\+n|\s", secret):
        yield from [line[at : at + 8] for at in range(len(line) - 7)] or [line] * bool(line)
