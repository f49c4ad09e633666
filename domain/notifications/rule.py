"""The notification rule of a subscription: which builds and events, and how they are delivered."""

from __future__ import annotations

from datetime import time, timedelta
from enum import IntEnum, StrEnum

from domain.build import FrozenModel
from domain.build_filter import BuildFilter, describe_conditions, join_words


class Result(StrEnum):
    """A result that a rule can ask for: how the build ended, or what that changed in its streak.

    `failed` is every failure; `broken` only the first of a streak, `still-failing` every further one.
    """

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABORTED = "aborted"
    ABORTED_WITH_SUCCESS = "aborted-with-success"
    BROKEN = "broken"
    STILL_FAILING = "still-failing"
    FIXED = "fixed"


class BuildEvent(StrEnum):
    """An event in a build's life; a subscription is notified of each once."""

    STARTED = "started"
    PROGRESSED = "progressed"
    ON_HOLD_TOO_LONG = "on-hold-too-long"
    RUNNING_TOO_LONG = "running-too-long"
    ENDED = "ended"


class DeliveryStyle(StrEnum):
    """The way in which a subscription is notified."""

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


# Exact wording: other bots lost their users' trust with a "notify on failure" that meant only the first failure.
_RESULT_PHRASES = {
    Result.SUCCEEDED: "all successes",
    Result.FAILED: "all failures",
    Result.ABORTED: "all aborts",
    Result.ABORTED_WITH_SUCCESS: "all aborts counted as success",
    Result.BROKEN: "first failures",
    Result.STILL_FAILING: "repeated failures",
    Result.FIXED: "fixes",
}
EVERY_END = "all finished builds"


class QuietHours(FrozenModel):
    """Hours of a day without notifications, from `start` to `end`, past midnight if `end` is earlier."""

    start: time
    end: time


class NotificationRule(FrozenModel):
    """The rule of one subscription. Empty `results`: every end, whatever the result.

    `at` and `on` are the time of a digest, `zone` (an IANA name) is the time zone of that and of `quiet`. `broadcast`:
    a reply in a thread also appears in the channel. `once`: the subscription ends after it has notified of one end.
    `run`: it follows a run that its creator has just started, in the message that announced it.
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
    """Parts of the rule contradict each other; the message says which."""


def validate_rule(rule: NotificationRule) -> NotificationRule:
    """Return the rule unchanged. Raises InvalidNotificationRule, which says what can't be combined."""
    events = rule.started or rule.on_hold_over or rule.running_over
    if rule.style is DeliveryStyle.CARD and (rule.results or events):
        raise InvalidNotificationRule(
            "`style:card` posts failures and fixes, so it can't be combined with `status:`, `on-hold:` or `running:`."
        )
    if rule.style is DeliveryStyle.LIVE and (rule.results or rule.started):
        raise InvalidNotificationRule(
            "`style:live` posts every build from start to finish, so it can't be combined with `status:`."
        )
    if rule.style is DeliveryStyle.LIVE and rule.quiet:
        raise InvalidNotificationRule(
            "`style:live` can't wait for `quiet:` hours to end. Choose another style, or remove `quiet:`."
        )
    if rule.broadcast and rule.style is not DeliveryStyle.THREAD:
        raise InvalidNotificationRule(
            "`broadcast:yes` is only for `style:thread`. Other styles always post in the channel."
        )
    return rule


def describe_rule(rule: NotificationRule, app: str, *, ends: str = EVERY_END) -> str:
    """Describe the rule as a sentence without its end: "Android: all failures on branch main; one thread per branch".

    `ends` is the text for a rule that notifies of every end.
    """
    return (
        f"{app}: {_describe_events(rule, ends)}{describe_conditions(rule.filter)}{_describe_delivery(rule)}"
    )


def _describe_events(rule: NotificationRule, ends: str) -> str:
    if rule.filter.builds:
        return "the result of one build"
    if rule.style is DeliveryStyle.CARD:
        return "failures and fixes"
    events = ["all starts"] if rule.started or rule.style is DeliveryStyle.LIVE else []
    events += [_RESULT_PHRASES[result] for result in Result if result in rule.results]
    if not rule.results:
        events.append(ends)
    if rule.on_hold_over:
        events.append(f"builds on hold longer than {format_duration(rule.on_hold_over)}")
    if rule.running_over:
        events.append(f"builds running longer than {format_duration(rule.running_over)}")
    return join_words(events, "and")


def _describe_delivery(rule: NotificationRule) -> str:
    when = f"at {rule.at:%H:%M} ({rule.zone})"
    delivery = {
        DeliveryStyle.EACH: "",
        DeliveryStyle.LIVE: "; one message per build, updated live",
        DeliveryStyle.CARD: "; one card per failure streak, updated until it is fixed",
        DeliveryStyle.THREAD: "; one thread per branch or pull request",
        DeliveryStyle.DAILY: f"; daily summary {when}",
        DeliveryStyle.WEEKLY: f"; weekly summary on {rule.on.name.capitalize()} {when}",
    }[rule.style]
    if rule.broadcast:
        delivery += ", replies also shown in the channel"
    if rule.quiet:
        hours = f"{rule.quiet.start:%H:%M}–{rule.quiet.end:%H:%M} ({rule.zone})"
        delivery += f"; quiet hours {hours}, summarized afterwards"
    return delivery


def format_duration(duration: timedelta) -> str:
    """Format whole hours or minutes as they can be typed: `2h`, `15m`."""
    minutes = round(duration.total_seconds() / 60)
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"
