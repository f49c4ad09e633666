"""Taking secrets out of a text line by line, all kinds in turn. Pure; no I/O."""

from __future__ import annotations

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

# What is taken out may bare something else beside it, but never much.
_MOST_ROUNDS = 4
_IN_WORDS = "".join(map(chr, range(0x21, 0x7F)))
# How much more of a text is looked through than is shown: what is taken out makes it shorter.
_LOOKED_AT = 256


def redact(text: str) -> str:
    """The text with `[redacted]` where a token, key, password or signed link stood; all else as it was."""
    if not find_candidates(text.encode("utf-8", "replace")):
        return text
    lines, redaction = text.split("\n"), StreamRedactor()
    if cut := count_cut_key_lines(lines):
        lines[:cut] = [REDACTED]
    return "\n".join(shown for line in lines if (shown := redaction.line(line)) is not None)


def truncate_at_word(text: str, most: int) -> str:
    """At most so much of the text, without the word that would be cut in two: of half a secret nothing tells.

    Secrets are made of ASCII, and have no blanks in them.
    """
    return text if len(text) <= most else text[:most].rstrip(_IN_WORDS)


def drop_first_word(text: str) -> str:
    """The end of a text that was cut anywhere, without the word that was cut in two."""
    return text.lstrip(_IN_WORDS)


def redact_beginning(text: str, most: int) -> str:
    """As much of the text as may be shown in `most` characters, redacted, and marked as cut where it was.

    However long the text is, little of it is looked through.
    """
    looked_at = truncate_at_word(text, most + _LOOKED_AT)
    return redact(text) if looked_at is text else f"{redact(looked_at)}…"


class StreamRedactor:
    """Takes the secrets out of a text that comes line by line, whole lines of which may belong to one."""

    def __init__(self) -> None:
        self._keys = PrivateKeys()
        self._announced = False
        self._block: int | None = None

    @property
    def waiting(self) -> bool:
        """Whether the next line may belong to a secret that an earlier line began."""
        return self._keys.inside or self._announced or self._block is not None

    def line(self, line: str) -> str | None:
        """The line as it may be shown; None where nothing of it may be."""
        rest = self._keys.without(line)
        if rest is None:
            return None
        if self._block is not None:
            if not rest.strip() or len(rest) - len(rest.lstrip()) > self._block:
                return rest[: len(rest) - len(rest.lstrip())] + REDACTED if rest.strip() else rest
            self._block = None
        announced, self._announced = self._announced, ANNOUNCED.match(rest) is not None
        if announced and (told := ANNOUNCED_VALUE.match(rest)) and not is_ordinary(told[2].strip()):
            return told[1] + REDACTED
        if rest.endswith(("|", ">", "-", "+")) and (block := BLOCK.match(rest)):
            self._block = len(block[1])
        return _settled(rest)


def _settled(line: str) -> str:
    """The line after as many rounds as change it, so that redacting it again finds nothing more."""
    for _ in range(_MOST_ROUNDS):
        before, line = line, _once(line)
        if line == before:
            return line
    return line if _once(line) == line else REDACTED


def _once(line: str) -> str:
    line = redact_url_credentials(line)
    line = redact_headers(line)
    line = redact_token_patterns(line)
    line = redact_arguments(line)
    line = redact_command_secrets(line)
    line = redact_named_secrets(line)
    line = redact_ambiguous_names(line)
    return redact_random_words(line)
