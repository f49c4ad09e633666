"""From a line of text to its words: quotes, keys and what Slack does to both."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from bot.commands.errors import CommandError

# Slack makes typed quotes typographic; each closes only with its own kind.
_QUOTES = {'"': '"', "'": "'", "“": "”", "”": "”", "„": "“", "‘": "’", "«": "»"}
# Zero-width and direction marks come along when text is copied and can't be seen by who pastes it.
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad]")
_KEY = re.compile(r"(-?[A-Za-z][A-Za-z_-]*):")
_MENTION = re.compile(r"^\s*<@[^>]+>\s*")
_LINK = re.compile(r"<((?:https?://|mailto:)[^|>\s]+)(?:\|[^>]*)?>")
_OWN_NAME = re.compile(r"^\s*/?bitrise\b", re.IGNORECASE)


@dataclass(frozen=True)
class Token:
    """A word, with the key before its colon if it has one; `start` is where it begins in the line."""

    text: str
    start: int
    key: str | None = None
    quoted: bool = False


def from_message(text: str) -> str:
    """The line as it was typed: without the mention, Slack's markup of links, and its escapes."""
    text = _LINK.sub(r"\1", _MENTION.sub("", text))
    return _OWN_NAME.sub("", html.unescape(text))


def from_slash(text: str) -> str:
    """The line as it was typed; Slack sends it raw, but a pasted link may come in its own markup."""
    return _LINK.sub(r"\1", text)


def tokens(line: str) -> list[Token]:
    """The words of a line. Raises CommandError for a quote that is not closed."""
    line = _INVISIBLE.sub("", line)
    found: list[Token] = []
    at = 0
    while at < len(line):
        if line[at].isspace():
            at += 1
            continue
        start, key = at, None
        if (match := _KEY.match(line, at)) and not line.startswith("//", match.end()):
            key, at = match[1].casefold(), match.end()
        text, at, quoted = _value(line, at)
        found.append(Token(text, start, key, quoted))
    return found


def _value(line: str, at: int) -> tuple[str, int, bool]:
    """The text up to the next space that no quote holds."""
    parts: list[str] = []
    quoted = False
    begin = at
    while at < len(line) and not line[at].isspace():
        # a quote within a word is an apostrophe: don't
        opens = line[at] in _QUOTES and (at == begin or line[at - 1] in ",=")
        if not opens:
            parts.append(line[at])
            at += 1
            continue
        end = line.find(_QUOTES[line[at]], at + 1)
        if end < 0:
            raise CommandError(
                f"The quote that begins with {line[at : at + 20]} is not closed.",
                example='builds branch:"my branch"',
            )
        parts.append(line[at + 1 : end])
        quoted = True
        at = end + 1
    return "".join(parts), at, quoted
