"""What a subscription asks for."""

from __future__ import annotations

from datetime import time, timedelta
from enum import IntEnum, StrEnum

from domain.build import FrozenModel
from domain.build_filter import BuildFilter


class Result(StrEnum):
    """An end that can be asked for: how the build ended, or what that changed in its series.

    `failed` is every failure; `broken` only the first of a series, `still-failing` every further one.
    """

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABORTED = "aborted"
    ABORTED_WITH_SUCCESS = "aborted-with-success"
    BROKEN = "broken"
    STILL_FAILING = "still-failing"
    FIXED = "fixed"


class BuildEvent(StrEnum):
    """A moment in a build's life that can be told; each is told once to a subscription."""

    STARTED = "started"
    PROGRESSED = "progressed"
    ON_HOLD_TOO_LONG = "on-hold-too-long"
    RUNNING_TOO_LONG = "running-too-long"
    ENDED = "ended"


LIVE_MOMENTS = frozenset({BuildEvent.STARTED, BuildEvent.PROGRESSED, BuildEvent.ENDED})


class DeliveryStyle(StrEnum):
    """How a subscription is told."""

    EACH = "each"
    LIVE = "live"
    CARD = "card"
    THREAD = "thread"
    DAILY = "daily"
    WEEKLY = "weekly"


class Weekday(IntEnum):
    """A day of the week, numbered as Python's `datetime.weekday` does."""

    MONDAY = 0
    TUESDAY = 1
    WEDNESDAY = 2
    THURSDAY = 3
    FRIDAY = 4
    SATURDAY = 5
    SUNDAY = 6


class QuietHours(FrozenModel):
    """Hours of a day in which nothing is told, from `start` to `end`, over midnight where `end` is earlier."""

    start: time
    end: time


class NotificationRule(FrozenModel):
    """The terms of one subscription. `results` empty: every end, whatever the result.

    `at` and `on` say when a digest comes, `zone` (an IANA name) in whose time that and `quiet` are meant. `broadcast`:
    a reply in a thread also appears in the channel. `once`: the subscription is over after it has told one end. `run`:
    it follows what its maker has just started, in the message that said so.
    """

    filter: BuildFilter = BuildFilter()
    results: frozenset[Result] = frozenset()
    started: bool = False
    on_hold_over: timedelta | None = None
    running_over: timedelta | None = None
    style: DeliveryStyle = DeliveryStyle.EACH
    at: time = time(9)
    on: Weekday = Weekday.MONDAY
    zone: str = "UTC"
    quiet: QuietHours | None = None
    broadcast: bool = False
    once: bool = False
    run: bool = False


class InvalidNotificationRule(Exception):
    """The terms contradict each other."""


def validate_rule(terms: NotificationRule) -> NotificationRule:
    """The terms as they are. Raises InvalidNotificationRule, which says what can't be had together."""
    moments = terms.started or terms.on_hold_over or terms.running_over
    if terms.style is DeliveryStyle.CARD and (terms.results or moments):
        raise InvalidNotificationRule(
            "style:card tells what breaks, stays broken and is fixed; it goes without status:, on-hold: and running:."
        )
    if terms.style is DeliveryStyle.LIVE and (terms.results or terms.started):
        raise InvalidNotificationRule(
            "style:live shows every build from its start to its end; it goes without status:."
        )
    if terms.style is DeliveryStyle.LIVE and terms.quiet:
        raise InvalidNotificationRule(
            "style:live can't be held back by quiet: hours; its messages would come too late."
        )
    if terms.broadcast and terms.style is not DeliveryStyle.THREAD:
        raise InvalidNotificationRule(
            "broadcast:yes is for style:thread alone; everything else is in the channel anyway."
        )
    return terms
