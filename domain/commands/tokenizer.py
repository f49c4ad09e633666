"""From a line of text to its words: quotes, keys and what Slack does to both."""

from __future__ import annotations

import html
import re
import shlex
from dataclasses import dataclass

from domain.commands.errors import CommandError, typed

# Slack makes typed quotes typographic; each closes only with its own kind.
_QUOTES = {'"': '"', "'": "'", "“": "”", "”": "”", "„": "“", "‘": "’", "«": "»"}
# Zero-width and direction marks come along when text is copied and can't be seen by who pastes it.
_STRAIGHT = str.maketrans("“”„‘’", '"""\'\'')
# Phones and Macs make one dash of two.
_DASHES = ("--", "—", "–")
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad]")
_KEY = re.compile(r"(-?[A-Za-z][A-Za-z_-]*):")
_MENTION = re.compile(r"^\s*<@[^>]+>\s*")
_LINK = re.compile(r"<((?:https?://|mailto:)[^|>\s]+)(?:\|([^>]*))?>")


@dataclass(frozen=True)
class Token:
    """A word, with the key before its colon if it has one; `start` is where it begins in the line."""

    text: str
    start: int
    key: str | None = None
    quoted: bool = False

    @property
    def is_dashes(self) -> bool:
        """Whether these are the two dashes behind which something begins that is not ours."""
        return self.key is None and not self.quoted and self.text in _DASHES


def from_message(text: str) -> str:
    """The line as it was typed: without the mention, Slack's markup of links, and its escapes."""
    return html.unescape(_LINK.sub(_as_typed, _MENTION.sub("", _INVISIBLE.sub("", text))))


def from_slash(text: str) -> str:
    """The line as it was typed; Slack sends it raw, but a pasted link may come in its own markup."""
    return _LINK.sub(_as_typed, _INVISIBLE.sub("", text))


def tokens(line: str) -> list[Token]:
    """The words of a line, up to two dashes if there are any: what stands behind those is not ours to read.

    Raises CommandError for a quote that is not closed.
    """
    found: list[Token] = []
    at = 0
    while (at := _begin(line, at)) < len(line) and not (found and found[-1].is_dashes):
        start, key = at, None
        if (match := _KEY.match(line, at)) and not line.startswith("//", match.end()):
            key, at = match[1].casefold(), match.end()
        text, at, quoted = _value(line, at)
        found.append(Token(text, start, key, quoted))
    return found


def arguments(line: str) -> tuple[str, ...]:
    """The words of a command as a shell would take them apart, but for all that it would put in their place.

    Raises CommandError for a quote that is not closed.
    """
    if "'" not in line and '"' not in line:
        line = line.translate(_STRAIGHT)
    try:
        return tuple(shlex.split(line))
    except ValueError:
        raise CommandError("A quote in the command is not closed.", example='run -- echo "hello"') from None


def _begin(line: str, at: int) -> int:
    """Where the next word begins."""
    while at < len(line) and line[at].isspace():
        at += 1
    return at


def _as_typed(link: re.Match[str]) -> str:
    # Slack makes links of what looks like one: www.example.com becomes <http://www.example.com|www.example.com>.
    address, label = link[1], link[2]
    return label if label and address in (f"http://{label}", f"mailto:{label}") else address


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
                f"The quote that begins with {typed(line[at:], 20)} is not closed.",
                example='use "my app"',
            )
        parts.append(line[at + 1 : end])
        quoted = True
        at = end + 1
    return "".join(parts), at, quoted
