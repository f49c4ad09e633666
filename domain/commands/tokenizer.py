"""Splitting of a line into tokens, and quoting of text for one: quotes, keys, and what Slack does to both."""

from __future__ import annotations

import html
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from domain.commands.errors import CommandError, quote_typed

# Slack makes typed quotes typographic; each closes only with its own kind.
_QUOTES = {'"': '"', "'": "'", "“": "”", "”": "”", "„": "“", "‘": "’", "«": "»"}
_QUOTE_CHARACTERS = frozenset(_QUOTES) | frozenset(_QUOTES.values())
_STRAIGHT = str.maketrans("“”„‘’", '"""\'\'')
# Phones and Macs turn two dashes into one.
_DASHES = ("--", "—", "–")
# Zero-width and direction marks are copied along with text, invisible to the user.
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad]")
_KEY = re.compile(r"(-?[A-Za-z][A-Za-z_-]*):")
_MENTION = re.compile(r"^\s*<@[^>]+>\s*")
_LINK = re.compile(r"<((?:https?://|mailto:)[^|>\s]+)(?:\|([^>]*))?>")


@dataclass(frozen=True)
class Token:
    """A word, with the key before its colon if it has one. `start` is its position in the line."""

    text: str
    start: int
    key: str | None = None
    quoted: bool = False

    @property
    def is_double_dash(self) -> bool:
        """Return whether this is the double dash, after which nothing is parsed."""
        return self.key is None and not self.quoted and self.text in _DASHES


def line_from_message(text: str) -> str:
    """Return the line as it was typed: without the mention, Slack's link markup and its escapes."""
    return html.unescape(_LINK.sub(_typed_link, _MENTION.sub("", _INVISIBLE.sub("", text))))


def line_from_slash_command(text: str) -> str:
    """Return the line as it was typed. Slack sends it raw, but a pasted link may have its markup."""
    return _LINK.sub(_typed_link, _INVISIBLE.sub("", text))


def tokenize(line: str) -> list[Token]:
    """Split a line into tokens, up to and including a double dash.

    Raises CommandError for a quote that is not closed.
    """
    tokens: list[Token] = []
    at = 0
    while (at := _skip_spaces(line, at)) < len(line) and not (tokens and tokens[-1].is_double_dash):
        start, key = at, None
        if (match := _KEY.match(line, at)) and not line.startswith("//", match.end()):
            key, at = match[1].casefold(), match.end()
        text, at, quoted = _take_value(line, at)
        tokens.append(Token(text, start, key, quoted))
    return tokens


def quote(text: str, *, always: bool = False) -> str:
    """Return the text as a value that can be typed, in quotes if it needs them. It can't have every kind of them."""
    # After a colon, two slashes would be read as the start of a URL.
    needed = always or text.startswith("//")
    if not needed and not any(letter.isspace() or letter in _QUOTE_CHARACTERS for letter in text):
        return text
    opening, closing = next((pair for pair in _QUOTES.items() if pair[1] not in text), ('"', '"'))
    return f"{opening}{text}{closing}"


def quote_word(text: str, *, always: bool = False) -> str:
    """Return the text as a word without a key that can be typed, in quotes if it needs them."""
    return quote(text, always=always or not text or text in _DASHES or _KEY.match(text) is not None)


def format_options(options: Iterable[tuple[str, str]]) -> str:
    """Format keys and values as they can be typed."""
    return " ".join(f"{key}:{quote(value)}" for key, value in options)


def split_shell_words(line: str) -> tuple[str, ...]:
    """Split a command into words as a shell does, without any expansion.

    Raises CommandError for a quote that is not closed.
    """
    if "'" not in line and '"' not in line:
        line = line.translate(_STRAIGHT)
    try:
        return tuple(shlex.split(line))
    except ValueError:
        raise CommandError("A quote in the command isn't closed.", example='run -- echo "hello"') from None


def _skip_spaces(line: str, at: int) -> int:
    """Return the position at which the next word begins."""
    while at < len(line) and line[at].isspace():
        at += 1
    return at


def _typed_link(link: re.Match[str]) -> str:
    # Slack turns text that looks like a link into one: www.example.com becomes <http://www.example.com|www.example.com>.
    address, label = link[1], link[2]
    return label if label and address in (f"http://{label}", f"mailto:{label}") else address


def _take_value(line: str, at: int) -> tuple[str, int, bool]:
    """Return the text up to the next unquoted space, the position after it, and whether a part was quoted."""
    parts: list[str] = []
    quoted = False
    begin = at
    while at < len(line) and not line[at].isspace():
        # A quote within a word is an apostrophe, as in "don't".
        opens = line[at] in _QUOTES and (at == begin or line[at - 1] in ",=")
        if not opens:
            parts.append(line[at])
            at += 1
            continue
        end = line.find(_QUOTES[line[at]], at + 1)
        if end < 0:
            raise CommandError(
                f"The quote that starts with {quote_typed(line[at:], 20)} isn't closed.",
                example='use "my app"',
            )
        parts.append(line[at + 1 : end])
        quoted = True
        at = end + 1
    return "".join(parts), at, quoted
