"""Reading the terms of a subscription: which results and moments, and how they are told."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.commands.arguments import one_of, span, switch
from domain.commands.errors import CommandError
from domain.notifications.rule import DeliveryStyle, QuietHours, Result, Weekday

KEYS = ("status", "on-hold", "running", "style", "at", "on", "zone", "quiet", "broadcast")
EXAMPLE = "subscribe android branch:main status:broken,fixed"
# What people call a result; `started` is no result but is asked for in the same breath.
RESULTS = {
    "success": Result.SUCCEEDED,
    "succeeded": Result.SUCCEEDED,
    "passed": Result.SUCCEEDED,
    "green": Result.SUCCEEDED,
    "failed": Result.FAILED,
    "failure": Result.FAILED,
    "error": Result.FAILED,
    "red": Result.FAILED,
    "aborted": Result.ABORTED,
    "aborted-with-success": Result.ABORTED_WITH_SUCCESS,
    "broken": Result.BROKEN,
    "still-failing": Result.STILL_FAILING,
    "fixed": Result.FIXED,
}
OFFERED = "success, failed, aborted, aborted-with-success, started, broken, still-failing, fixed"
_STYLES = {style.value: style for style in DeliveryStyle}
_DAYS = {day.name[:3].lower(): day for day in Weekday}
_CLOCK = re.compile(r"(\d{1,2})(?::(\d{2}))?$")


def read(keyed: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """The fields of Terms that the words ask for, by the words' keys. Raises CommandError."""
    found: dict[str, object] = {}
    for key, texts in keyed.items():
        found |= _status(texts) if key == "status" else _READERS[key](texts[-1])
    _check_times(keyed, DeliveryStyle(str(found.get("style", DeliveryStyle.EACH))))
    return found


def _check_times(keyed: Mapping[str, Sequence[str]], style: DeliveryStyle) -> None:
    """Raise CommandError for a time that would mean nothing beside the rest."""
    digest = style in (DeliveryStyle.DAILY, DeliveryStyle.WEEKLY)
    if "on" in keyed and style is not DeliveryStyle.WEEKLY:
        every_day = "; style:daily comes every day" if style is DeliveryStyle.DAILY else ""
        raise CommandError(
            f"on: is the day of a weekly digest, so it goes with style:weekly{every_day}.",
            example="subscribe style:weekly on:mon at:9:00",
        )
    if "at" in keyed and not digest:
        raise CommandError(
            "at: is the time of a digest, so it goes with style:daily or style:weekly.",
            example="subscribe style:daily at:9:00",
        )
    if "zone" in keyed and not digest and "quiet" not in keyed:
        raise CommandError(
            "zone: is the time zone of at: and quiet:, so it goes with style:daily, style:weekly or quiet:.",
            example="subscribe style:daily at:9:00 zone:Europe/Berlin",
        )


def _status(texts: Sequence[str]) -> dict[str, object]:
    names = [name.strip().casefold().replace("_", "-") for text in texts for name in text.split(",")]
    if not all(names):
        raise CommandError("status: needs something behind it.", example=EXAMPLE)
    if unknown := [name for name in names if name not in RESULTS and name != "started"]:
        raise CommandError(f"I can't tell of status {unknown[0]}; there are {OFFERED}.", example=EXAMPLE)
    results = frozenset(RESULTS[name] for name in names if name in RESULTS)
    return {"results": results, "started": "started" in names}


def _on_hold(text: str) -> dict[str, object]:
    return {"on_hold_over": span(text, key="on-hold")}


def _running(text: str) -> dict[str, object]:
    return {"running_over": span(text, key="running")}


def _style(text: str) -> dict[str, object]:
    return {"style": one_of(text, _STYLES, what="style", example="subscribe style:card")}


def _at(text: str) -> dict[str, object]:
    return {"at": clock(text, key="at")}


def _on(text: str) -> dict[str, object]:
    return {"on": one_of(text[:3], _DAYS, what="day", example="subscribe style:weekly on:mon at:9:00")}


def _zone(text: str) -> dict[str, object]:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CommandError(
            f"zone:{text} is no time zone that I know: write it as in the IANA list.",
            example="subscribe style:daily at:9:00 zone:Europe/Berlin",
        ) from error
    return {"zone": text}


def _quiet(text: str) -> dict[str, object]:
    if text.casefold() in ("no", "off"):
        return {"quiet": None}
    start, dash, end = text.partition("-")
    if not dash:
        raise CommandError(
            f"quiet:{text} are no hours: write when they begin and end.", example="subscribe quiet:22:00-7:00"
        )
    return {"quiet": QuietHours(start=clock(start, key="quiet"), end=clock(end, key="quiet"))}


def _broadcast(text: str) -> dict[str, object]:
    return {"broadcast": switch(text, key="broadcast")}


def clock(text: str, *, key: str) -> time:
    """A time of day. Raises CommandError."""
    match = _CLOCK.match(text.strip())
    if match is None or int(match[1]) > 23 or int(match[2] or 0) > 59:
        raise CommandError(
            f"{key}:{text} is no time of day: write it as 9:00.", example="subscribe style:daily at:9:00"
        )
    return time(int(match[1]), int(match[2] or 0))


_READERS = {
    "on-hold": _on_hold,
    "running": _running,
    "style": _style,
    "at": _at,
    "on": _on,
    "zone": _zone,
    "quiet": _quiet,
    "broadcast": _broadcast,
}
