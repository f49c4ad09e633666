"""Make untrusted text safe for Slack's mrkdwn, and format times and quantities. Pure; no I/O."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from domain.provider import Provider
from domain.redaction.redactor import redact, redact_beginning
from domain.slack_ids import is_slack_id

# Control characters, and marks that change the reading direction or are invisible: they can make text look like other
# text. Lone surrogates, which JSON may contain and no file can, are not characters.
_INVISIBLE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ud800-\udfff\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_BLANKS = re.compile(" {3,}")
_SURROGATE = re.compile("[\ud800-\udfff]")
# Combining marks are drawn above and below a letter. No language stacks more than four; more cover other lines.
_MARK = (
    "[\u0300-\u036f\u0483-\u0489\u064b-\u065f\u0e34-\u0e3a\u0e47-\u0e4e\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff"
    "\ufe20-\ufe2f]"
)
_STACKED_MARKS = re.compile(f"({_MARK}{{4}}){_MARK}+")
_UNSAFE_IN_LINK = {character: f"%{ord(character):02X}" for character in "<>|\"'`\\^{} \t\n\r"}
_NOT_PLAIN_IN_LINK = re.compile(f"[{re.escape(''.join(_UNSAFE_IN_LINK))}]|[^\x00-\x7f]")
# An escaped character, a link, a time or a mention without its end.
_UNFINISHED_MARKUP = re.compile(r"(?:&[a-z]{0,3}|<[^<>]*)\Z")
_ENTITY = re.compile("&(?=(?:amp|lt|gt);)")
LONGEST_LINK = 2000


def plain(text: str, most: int) -> str:
    """Return untrusted text in one line for places without markup, with secrets redacted."""
    return cut(" ".join(visible_text(redact_beginning(text, most), instead=" ").split()), most)


def visible_text(text: str, *, instead: str = "") -> str:
    """Remove characters that hide text, change its direction or cover other lines."""
    return _STACKED_MARKS.sub(r"\1", _INVISIBLE.sub(instead, text))


def literal(text: str, *, prose: bool = False) -> str:
    """Return untrusted text so that no two texts look the same: unchanged, or as JSON if that could mislead.

    Several blanks in a row are written as codes: they would push what follows into a line of its own.
    In `prose`, letters of all languages stay; in a name, a letter of another alphabet is written as its code, since it
    may look like a Latin letter.
    """
    is_plain = text.isprintable() and (prose or text.isascii()) and visible_text(text) == text
    is_plain = is_plain and not _BLANKS.search(text)
    if is_plain and text == text.strip() and text and "`" not in text and not text.startswith('"'):
        return text
    quoted = json.dumps(text, ensure_ascii=not prose).replace("`", "\\u0060")
    quoted = _BLANKS.sub(lambda blanks: "\\u0020" * len(blanks[0]), quoted)
    return "".join(
        character
        if character.isprintable() and visible_text(character) == character
        else f"\\u{ord(character):04x}"
        for character in quoted
    )


def replace_surrogates(text: str) -> str:
    """Replace lone surrogates, which JSON may contain but which can't be encoded."""
    return _SURROGATE.sub("\ufffd", text)


def cut(text: str, most: int) -> str:
    """Shorten the text; an ellipsis marks the cut."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def cut_markup(text: str, most: int) -> str:
    """Shorten text that contains our own markup; an ellipsis marks the cut, and no markup is cut in half."""
    return text if len(text) <= most else _UNFINISHED_MARKUP.sub("", text[: most - 1]).rstrip() + "…"


def escape(text: str, most: int = 300) -> str:
    """Escape untrusted text for one line of mrkdwn, at most `most` long: it contains no markup and pings nobody.

    `&`, `<` and `>` are escaped (Slack's rules, "Text"). A backtick would start code that includes what follows.
    """
    return _escape_to_fit(plain(text, most).replace("`", "'"), most)


def sentence(text: str, most: int) -> str:
    """Escape our own sentence that contains untrusted text; backticks still make code."""
    return _escape_to_fit(plain(text, most), most)


def block_of_code(text: str, most: int) -> str:
    """Show untrusted lines as a code block, at most `most` long with its fences; only the end is shown if needed."""
    inner = visible_text(text.replace("\t", "    ")).replace("```", "'''")
    escaped = html.escape(inner, quote=False)
    room = most - len("```\n\n```")
    if len(escaped) > room:
        escaped = html.escape(_fitting_end(inner, room), quote=False)
    return f"```\n{escaped}\n```"


def beginning_of_code(text: str, most: int) -> str:
    """Show untrusted text as a code block, at most `most` long with its fences; a cut at the end is marked."""
    inner = visible_text(text).replace("```", "'''")
    room = most - len("```\n\n```")
    if len(html.escape(inner, quote=False)) > room:
        inner = inner[: _count_fitting(inner, room - 1)] + "…"
    return f"```\n{html.escape(inner, quote=False)}\n```"


def ai_summary(words: str, most: int, *, provider: Provider) -> str:
    """Render the provider's AI summary of a failure, labelled as such, at most `most` long."""
    head = f"*{provider.label}'s AI summary*"
    lines: list[str] = []
    room = most - len(head)
    for line in (part for part in words.split("\n") if part.strip()):
        shown = f"\n>{escape(line, max(min(600, room - 3), 1))}"
        if len(shown) > room or room < 40:
            break
        lines.append(shown)
        room -= len(shown)
    return head + "".join(lines)


def code(text: str, most: int = 100) -> str:
    """Show untrusted text as inline code."""
    return f"`{escape(text, most) or ' '}`"


def link(url: str | None, label: str, most: int = 300) -> str:
    """Link the label to the URL; only the label if it is not a web address, is too long or contains a secret."""
    shown = escape(label, most).replace("|", "¦") or "…"
    safe = address(url)
    # Everyone in the channel can read it, so a URL that contains a secret is not shown.
    if safe is None or len(safe) > LONGEST_LINK or redact(safe) != safe:
        return shown
    # Slack accepts a plain ampersand unless it begins an entity, which Slack would decode.
    return f"<{_ENTITY.sub('&amp;', safe)}|{shown}>"


def address(url: str | None) -> str | None:
    """Percent-encode an untrusted web address; None if it is not one."""
    if url is None or not url.startswith(("https://", "http://")):
        return None
    return _NOT_PLAIN_IN_LINK.sub(
        lambda found: _UNSAFE_IN_LINK.get(found[0]) or quote(found[0]), _INVISIBLE.sub("", url)
    )


def join_facts(*parts: str | None) -> str:
    """Join short facts in one line; unknown ones are skipped."""
    return " · ".join(part for part in parts if part)


def in_channel(channel: str) -> str:
    """Return where something is, to follow other words; nothing for a direct message."""
    return f" in <#{channel}>" if channel.startswith(("C", "G")) else ""


def mention(person: str) -> str:
    """Mention a person by Slack user id; anything else is shown as escaped text."""
    return f"<@{person}>" if is_slack_id(person) else escape(person)


def mention_group(group: str) -> str:
    """Mention a user group by Slack's id: all its members are notified."""
    return f"<!subteam^{group}>" if is_slack_id(group) else escape(group)


def when(at: datetime) -> str:
    """Format a time, which Slack shows in the reader's time zone and language."""
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} at {{time}}|{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC>"


def clock_time(at: datetime) -> str:
    """Format a time of day with seconds, which Slack shows in the reader's time zone."""
    return f"<!date^{int(at.timestamp())}^{{time_secs}}|{at.astimezone(UTC):%H:%M:%S} UTC>"


def format_duration(span: timedelta) -> str:
    """Format a duration in its two largest units: `6m 3s`, `3 days 2h`.

    Bitrise rounds some times and not others, so a build may seem to end before it was triggered: that is `0s`.
    """
    seconds = max(round(span.total_seconds()), 0)
    parts = [
        (seconds // 86400, " day" if seconds // 86400 == 1 else " days"),
        (seconds // 3600 % 24, "h"),
        (seconds // 60 % 60, "m"),
        (seconds % 60, "s"),
    ]
    first = next((index for index, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count}{unit}" for count, unit in parts[first : first + 2] if count) or "0s"


def size(number: int) -> str:
    """Format a number of bytes: `4.2 MB`."""
    amount = float(number)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError("the last unit takes any amount")


def _escape_to_fit(text: str, most: int) -> str:
    escaped = html.escape(text, quote=False)
    if len(escaped) <= most:
        return escaped
    return html.escape(text[: _count_fitting(text, most - 1)], quote=False) + "…"


def _fitting_end(text: str, room: int) -> str:
    """Return the longest end of the text that fits once escaped, from the beginning of a line if possible."""
    end = text[len(text) - _count_fitting(text[::-1], room) :]
    _, newline, whole_lines = end.partition("\n")
    return whole_lines if newline and whole_lines else end


def _count_fitting(text: str, room: int) -> int:
    """Count how many of the first characters fit once escaped."""
    for count, character in enumerate(text):
        room -= len(html.escape(character, quote=False))
        if room < 0:
            return count
    return len(text)
