"""Text from outside, made safe for Slack's mrkdwn, and quantities in words. Pure; no I/O."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from domain.provider import Provider
from domain.redaction.redactor import redact, redact_beginning
from domain.slack_ids import is_slack_id

# Control characters, and marks that turn the reading direction or hide: they can make text look like other text.
# Halves of characters, which JSON may hold and no file can, are none at all.
_UNSEEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ud800-\udfff\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_BLANKS = re.compile(" {3,}")
_HALF = re.compile("[\ud800-\udfff]")
# Marks are written above and below a letter. No language stacks more than four; a tower covers the lines around it.
_MARK = (
    "[\u0300-\u036f\u0483-\u0489\u064b-\u065f\u0e34-\u0e3a\u0e47-\u0e4e\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff"
    "\ufe20-\ufe2f]"
)
_TOWER = re.compile(f"({_MARK}{{4}}){_MARK}+")
_UNSAFE_IN_LINK = {character: f"%{ord(character):02X}" for character in "<>|\"'`\\^{} \t\n\r"}
# An escaped character, an address, a time or a mention that lacks its end.
_BEGUN = re.compile(r"(?:&[a-z]{0,3}|<[^<>]*)\Z")
_ENTITY = re.compile("&(?=(?:amp|lt|gt);)")
LONGEST_LINK = 2000


def plain(text: str, most: int) -> str:
    """Text from outside in one line, for places without markup; no secret that somebody has written into it."""
    return cut(" ".join(visible_text(redact_beginning(text, most), instead=" ").split()), most)


def visible_text(text: str, *, instead: str = "") -> str:
    """Text from outside as it seems to be: without what hides, turns it round or towers over other lines."""
    return _TOWER.sub(r"\1", _UNSEEN.sub(instead, text))


def literal(text: str, *, prose: bool = False) -> str:
    """Return text from outside so that no two texts look the same: as it is, or as JSON where that may mislead.

    Many blanks in a row are written as their numbers: they would push what follows into a line of its own.
    Of `prose` the letters of all languages stay; in a name a letter of another alphabet is written as its number,
    since it may look like one of ours.
    """
    plain_enough = text.isprintable() and (prose or text.isascii()) and visible_text(text) == text
    plain_enough = plain_enough and not _BLANKS.search(text)
    if plain_enough and text == text.strip() and text and "`" not in text and not text.startswith('"'):
        return text
    quoted = json.dumps(text, ensure_ascii=not prose).replace("`", "\\u0060")
    quoted = _BLANKS.sub(lambda found: "\\u0020" * len(found[0]), quoted)
    return "".join(
        one if one.isprintable() and visible_text(one) == one else f"\\u{ord(one):04x}" for one in quoted
    )


def replace_surrogates(text: str) -> str:
    """Text in which each character is a whole one: what people typed comes back, but JSON's halves have no bytes."""
    return _HALF.sub("\ufffd", text)


def cut(text: str, most: int) -> str:
    """The text's beginning, marked as cut where it was."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def cut_markup(text: str, most: int) -> str:
    """The beginning of text with our own markup in it, marked as cut where it was; nothing of it is cut in half."""
    return text if len(text) <= most else _BEGUN.sub("", text[: most - 1]).rstrip() + "…"


def escape(text: str, most: int = 300) -> str:
    """Text from outside in one line, for mrkdwn: nothing in it is markup or pings anybody; at most `most` long.

    Slack's rule: `&`, `<` and `>` are escaped ("Text"). A backtick would open code that swallows what follows.
    """
    return _escaped(plain(text, most).replace("`", "'"), most)


def sentence(text: str, most: int) -> str:
    """Our own words with some from outside in them: escaped, but backticks still make code."""
    return _escaped(plain(text, most), most)


def block_of_code(text: str, most: int) -> str:
    """Lines from outside as a block of code, at most `most` long with its fences; the end is kept, not the start."""
    inner = visible_text(text.replace("\t", "    ")).replace("```", "'''")
    escaped = html.escape(inner, quote=False)
    room = most - len("```\n\n```")
    if len(escaped) > room:
        escaped = html.escape(_last_that_fits(inner, room), quote=False)
    return f"```\n{escaped}\n```"


def beginning_of_code(text: str, most: int) -> str:
    """Text from outside as a block of code, at most `most` long with its fences; the beginning is kept, and marked."""
    inner = visible_text(text).replace("```", "'''")
    room = most - len("```\n\n```")
    if len(html.escape(inner, quote=False)) > room:
        inner = inner[: _how_many_fit(inner, room - 1)] + "…"
    return f"```\n{html.escape(inner, quote=False)}\n```"


def ai_summary(words: str, most: int, *, provider: Provider) -> str:
    """Return what the provider's AI says about a failure, marked as such, at most `most` long."""
    head = f"*{provider.label}'s own summary, made by AI*"
    lines: list[str] = []
    room = most - len(head)
    for line in (one for one in words.split("\n") if one.strip()):
        shown = f"\n>{escape(line, max(min(600, room - 3), 1))}"
        if len(shown) > room or room < 40:
            break
        lines.append(shown)
        room -= len(shown)
    return head + "".join(lines)


def code(text: str, most: int = 100) -> str:
    """Text from outside as a word of code."""
    return f"`{escape(text, most) or ' '}`"


def link(url: str | None, label: str, most: int = 300) -> str:
    """The label, leading to the address where that is a web address of a sensible length."""
    shown = escape(label, most).replace("|", "¦") or "…"
    safe = address(url)
    # Everybody reads it: an address that opens something for whoever has it is no link for all.
    if safe is None or len(safe) > LONGEST_LINK or redact(safe) != safe:
        return shown
    # Slack takes an ampersand as it is, but for one that begins what it would read as another character.
    return f"<{_ENTITY.sub('&amp;', safe)}|{shown}>"


def address(url: str | None) -> str | None:
    """A web address from outside in the letters that addresses are written in; None where it is none."""
    if url is None or not url.startswith(("https://", "http://")):
        return None
    return "".join(
        _UNSAFE_IN_LINK.get(one, one) if one.isascii() else quote(one) for one in _UNSEEN.sub("", url)
    )


def mention(person: str) -> str:
    """A person by Slack's id, which is Slack's own and no text from outside."""
    return f"<@{person}>" if is_slack_id(person) else escape(person)


def mention_group(group: str) -> str:
    """A user group by Slack's id: everybody in it is notified."""
    return f"<!subteam^{group}>" if is_slack_id(group) else escape(group)


def when(at: datetime) -> str:
    """A time that Slack shows in the reader's own time zone and words."""
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} at {{time}}|{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC>"


def clock_time(at: datetime) -> str:
    """A time of day with its seconds, which Slack shows in the reader's own time zone."""
    return f"<!date^{int(at.timestamp())}^{{time_secs}}|{at.astimezone(UTC):%H:%M:%S} UTC>"


def format_duration(span: timedelta) -> str:
    """A span in words: `6 min 3 s`; the two largest units."""
    seconds = round(span.total_seconds())
    parts = [
        (seconds // 86400, "d"),
        (seconds // 3600 % 24, "h"),
        (seconds // 60 % 60, "min"),
        (seconds % 60, "s"),
    ]
    first = next((place for place, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"


def size(number: int) -> str:
    """Bytes in words: `4.2 MB`."""
    amount = float(number)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError("the last unit takes any amount")


def _escaped(text: str, most: int) -> str:
    escaped = html.escape(text, quote=False)
    if len(escaped) <= most:
        return escaped
    return html.escape(text[: _how_many_fit(text, most - 1)], quote=False) + "…"


def _last_that_fits(text: str, room: int) -> str:
    """As much of the text's end as fits once it is escaped, from the beginning of a line where there is one."""
    end = text[len(text) - _how_many_fit(text[::-1], room) :]
    _, newline, whole_lines = end.partition("\n")
    return whole_lines if newline and whole_lines else end


def _how_many_fit(text: str, room: int) -> int:
    """How many of the first characters fit once they are escaped."""
    for count, character in enumerate(text):
        room -= len(html.escape(character, quote=False))
        if room < 0:
            return count
    return len(text)
