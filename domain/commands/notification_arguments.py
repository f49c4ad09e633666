"""Parsing and formatting of notification rules: results, events, and delivery."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.commands.arguments import STATES, format_filter, parse_choice, parse_duration, parse_switch
from domain.commands.errors import CommandError, quote_typed
from domain.commands.tokenizer import format_options
from domain.notifications.rule import (
    DeliveryStyle,
    NotificationRule,
    QuietHours,
    Result,
    Weekday,
    format_duration,
)

KEYS = ("status", "on-hold", "running", "style", "at", "on", "zone", "quiet", "broadcast")
EXAMPLE = "subscribe android branch:main status:broken,fixed"
# What people call a result; `started` is not one, but is an option of the same key.
RESULTS = {
    **{name: Result(state.value) for name, state in STATES.items() if state.ended},
    "broken": Result.BROKEN,
    "still-failing": Result.STILL_FAILING,
    "fixed": Result.FIXED,
}
# The name of each result that is shown: its first.
_RESULT_NAMES = {result: name for name, result in reversed(RESULTS.items())}
OFFERED_RESULTS = "success, failed, aborted, aborted-with-success, started, broken, still-failing, fixed"
_STYLES = {style.value: style for style in DeliveryStyle}
_DAYS = {day.name[:3].lower(): day for day in Weekday}
_CLOCK = re.compile(r"(\d{1,2})(?::(\d{2}))?$")
_EXAMPLES = {"at": "subscribe style:daily at:9:00", "quiet": "subscribe quiet:22:00-7:00"}


def parse_rule(options: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """Return the fields of a NotificationRule that the options give. Raises CommandError."""
    fields: dict[str, object] = {}
    for key, texts in options.items():
        if key == "status":
            fields |= _parse_status(texts)
        else:
            field, parse = _FIELDS[key]
            fields[field] = parse(texts[-1], key=key)
    _check_times(options, DeliveryStyle(str(fields.get("style", DeliveryStyle.EACH))))
    return fields


def format_rule_options(rule: NotificationRule) -> list[tuple[str, str]]:
    """Return the options that describe the rule after `subscribe`."""
    digest = rule.style in (DeliveryStyle.DAILY, DeliveryStyle.WEEKLY)
    statuses = ["started"] * rule.started + [
        _RESULT_NAMES[result] for result in Result if result in rule.results
    ]
    options = [
        ("status", ",".join(statuses)),
        ("on-hold", format_duration(rule.on_hold_over) if rule.on_hold_over else ""),
        ("running", format_duration(rule.running_over) if rule.running_over else ""),
        ("style", rule.style.value if rule.style is not DeliveryStyle.EACH else ""),
        ("at", f"{rule.at:%H:%M}" if digest else ""),
        ("on", rule.on.name[:3].lower() if rule.style is DeliveryStyle.WEEKLY else ""),
        ("quiet", f"{rule.quiet.start:%H:%M}-{rule.quiet.end:%H:%M}" if rule.quiet else ""),
        ("zone", rule.zone if digest or rule.quiet else ""),
        ("broadcast", "yes" if rule.broadcast else ""),
    ]
    return format_filter(rule.filter) + [(key, text) for key, text in options if text]


def format_rule(rule: NotificationRule) -> str:
    """Format the rule as it can be typed after `subscribe`."""
    return format_options(format_rule_options(rule))


def _check_times(options: Mapping[str, Sequence[str]], style: DeliveryStyle) -> None:
    """Raise CommandError for a time that has no effect with the other options."""
    digest = style in (DeliveryStyle.DAILY, DeliveryStyle.WEEKLY)
    if "on" in options and style is not DeliveryStyle.WEEKLY:
        every_day = "; `style:daily` posts every day" if style is DeliveryStyle.DAILY else ""
        raise CommandError(
            f"`on:` is the day of a weekly summary, so it needs `style:weekly`{every_day}.",
            example="subscribe style:weekly on:mon at:9:00",
        )
    if "at" in options and not digest:
        raise CommandError(
            "`at:` is the time of a summary, so it needs `style:daily` or `style:weekly`.",
            example="subscribe style:daily at:9:00",
        )
    if "zone" in options and not digest and "quiet" not in options:
        raise CommandError(
            "`zone:` is the time zone of `at:` and `quiet:`, so it needs `style:daily`, `style:weekly` or `quiet:`.",
            example="subscribe style:daily at:9:00 zone:Europe/Berlin",
        )


def _parse_status(texts: Sequence[str]) -> dict[str, object]:
    names = [name.strip().casefold().replace("_", "-") for text in texts for name in text.split(",")]
    if not all(names):
        raise CommandError("`status:` needs a value.", example=EXAMPLE)
    if unknown := [name for name in names if name not in RESULTS and name != "started"]:
        raise CommandError(
            f"Unknown status {quote_typed(unknown[0])}. Use {OFFERED_RESULTS}.", example=EXAMPLE
        )
    results = frozenset(RESULTS[name] for name in names if name in RESULTS)
    return {"results": results, "started": "started" in names}


def _parse_zone(text: str, *, key: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CommandError(
            f"{quote_typed(f'{key}:{text}')} isn't a known time zone. Use a name from the IANA list.",
            example="subscribe style:daily at:9:00 zone:Europe/Berlin",
        ) from error
    return text


def _parse_quiet(text: str, *, key: str) -> QuietHours | None:
    if text.casefold() in ("no", "off"):
        return None
    start, dash, end = text.partition("-")
    if not dash:
        raise CommandError(
            f"{quote_typed(f'{key}:{text}')} isn't valid: give when quiet hours start and end.",
            example=_EXAMPLES["quiet"],
        )
    return QuietHours(start=parse_time_of_day(start, key=key), end=parse_time_of_day(end, key=key))


def _parse_style(text: str, *, key: str) -> DeliveryStyle:
    return parse_choice(text, _STYLES, what=key, example="subscribe style:card")


def _parse_day(text: str, *, key: str) -> Weekday:
    day = text[:3] if text[:3].casefold() in _DAYS else text
    return parse_choice(day, _DAYS, what="day", example=f"subscribe style:weekly {key}:mon at:9:00")


def parse_time_of_day(text: str, *, key: str) -> time:
    """Parse a time of day. Raises CommandError."""
    match = _CLOCK.match(text.strip())
    if match is None or int(match[1]) > 23 or int(match[2] or 0) > 59:
        raise CommandError(
            f"{quote_typed(f'{key}:{text}')} isn't a valid time of day. Write it as 9:00.",
            example=_EXAMPLES[key],
        )
    return time(int(match[1]), int(match[2] or 0))


# The rule's field for each key, and the function that parses its value.
_FIELDS: dict[str, tuple[str, Callable[..., object]]] = {
    "on-hold": ("on_hold_over", parse_duration),
    "running": ("running_over", parse_duration),
    "style": ("style", _parse_style),
    "at": ("at", parse_time_of_day),
    "on": ("on", _parse_day),
    "zone": ("zone", _parse_zone),
    "quiet": ("quiet", _parse_quiet),
    "broadcast": ("broadcast", parse_switch),
}
