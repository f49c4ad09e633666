"""Redaction of all kinds of secrets in a text, line by line, and of known values anywhere in it. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterable

from domain.redaction.ambiguous_names import redact_ambiguous_names
from domain.redaction.command_secrets import redact_command_secrets
from domain.redaction.entropy import redact_random_words
from domain.redaction.false_positives import is_ordinary
from domain.redaction.headers import redact_arguments, redact_headers
from domain.redaction.named_secrets import ANNOUNCED, ANNOUNCED_VALUE, BLOCK, redact_named_secrets
from domain.redaction.prefilter import find_candidates
from domain.redaction.private_keys import REDACTED, PrivateKeys, count_cut_key_lines
from domain.redaction.token_patterns import redact_token_patterns
from domain.redaction.urls import redact_url_credentials

# Redacting a secret may expose another beside it, but never many.
_MAX_ROUNDS = 4
_WORD_CHARACTERS = "".join(map(chr, range(0x21, 0x7F)))
# How much more of a text is searched than is shown: redaction makes it shorter.
_EXTRA_SEARCHED = 256


def redact(text: str) -> str:
    """Replace tokens, keys, passwords and signatures of links with `[redacted]`; everything else stays unchanged."""
    if not find_candidates(text.encode("utf-8", "replace")):
        return text
    lines, redaction = text.split("\n"), StreamRedactor()
    if cut := count_cut_key_lines(lines):
        lines[:cut] = [REDACTED]
    return "\n".join(shown for line in lines if (shown := redaction.line(line)) is not None)


def truncate_at_word(text: str, most: int) -> str:
    """Cut the text to at most `most` characters, without the word that would be cut: half a secret can't be recognised.

    Secrets consist of ASCII without blanks.
    """
    return text if len(text) <= most else text[:most].rstrip(_WORD_CHARACTERS)


def drop_first_word(text: str) -> str:
    """Return the end of a text that was cut anywhere, without the word that was cut."""
    return text.lstrip(_WORD_CHARACTERS)


def redact_beginning(text: str, most: int) -> str:
    """Redact the first `most` characters or a little more, with an ellipsis if the text was cut.

    However long the text is, only its beginning is searched.
    """
    if len(text) <= most + _EXTRA_SEARCHED:
        return redact(text)
    return f"{redact(truncate_at_word(text, most + _EXTRA_SEARCHED))}…"


class StreamRedactor:
    """Redacts the secrets in a text that comes line by line; a secret may span lines."""

    def __init__(self) -> None:
        self._private_keys = PrivateKeys()
        self._announced = False
        self._block: int | None = None

    @property
    def waiting(self) -> bool:
        """Return whether the next line may belong to a secret that began on an earlier line."""
        return self._private_keys.inside or self._announced or self._block is not None

    def line(self, line: str) -> str | None:
        """Return the redacted line; None if it must not be shown at all."""
        rest = self._private_keys.redact(line)
        if rest is None:
            return None
        if self._block is not None:
            if not rest.strip() or len(rest) - len(rest.lstrip()) > self._block:
                return rest[: len(rest) - len(rest.lstrip())] + REDACTED if rest.strip() else rest
            self._block = None
        announced, self._announced = self._announced, ANNOUNCED.match(rest) is not None
        if announced and (value := ANNOUNCED_VALUE.match(rest)) and not is_ordinary(value[2].strip()):
            return value[1] + REDACTED
        if rest.endswith(("|", ">", "-", "+")) and (block := BLOCK.match(rest)):
            self._block = len(block[1])
        return _redact_until_stable(rest)


def _redact_until_stable(line: str) -> str:
    """Redact the line until nothing changes, so that redacting it again finds nothing more."""
    for _ in range(_MAX_ROUNDS):
        before, line = line, _redact_once(line)
        if line == before:
            return line
    return line if _redact_once(line) == line else REDACTED


def _redact_once(line: str) -> str:
    line = redact_url_credentials(line)
    line = redact_headers(line)
    line = redact_token_patterns(line)
    line = redact_arguments(line)
    line = redact_command_secrets(line)
    line = redact_named_secrets(line)
    line = redact_ambiguous_names(line)
    return redact_random_words(line)


# Shorter values are common words, such as `true`, or a port.
SHORTEST_VALUE = 8


def redact_values(text: str, values: Iterable[str]) -> str:
    """Redact the values; each line of a value with several lines is redacted too, since the text may be cut."""
    hidden = {
        part for value in values for part in (value, *value.splitlines()) if len(part) >= SHORTEST_VALUE
    }
    for part in sorted(hidden, key=len, reverse=True):
        text = text.replace(part, REDACTED)
    return text
