"""What each channel should have been told, and what it was told. Shares no code with the bot."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.bitrise.state import Build, Pipeline
from sandbox.slack.server import SlackSimulator
from sandbox.slack.workspace import Post

RESULTS = {
    "success": "succeeded",
    "error": "failed",
    "aborted": "was aborted",
    "aborted-with-success": "was aborted, counted as a success",
}
_TOLD = re.compile(
    r"(Sample Android|Sample iOS|Web Shop) (#\d+) (succeeded|failed|was aborted(?:, counted as a success)?)"
)


@dataclass(frozen=True)
class Expectation:
    """A channel, and which ended builds it is to be told.

    `doubtful`: Slack does not let the bot read back there. `by_start`: its messages stand where the builds began.
    """

    channel: str
    wants: Callable[[Build], bool]
    doubtful: bool = False
    by_start: bool = False


@dataclass
class NotificationReport:
    """What went wrong, in words; `twice` counts repetitions where they are allowed."""

    problems: list[str] = field(default_factory=list)
    told: int = 0
    twice: int = 0


def compare_notifications(
    slack: SlackSimulator, builds: list[Build], expectations: list[Expectation]
) -> NotificationReport:
    """Count."""
    found = NotificationReport()
    for expected in expectations:
        _reckon_channel(slack, builds, expected, found)
    return found


def _reckon_channel(
    slack: SlackSimulator, builds: list[Build], expected: Expectation, found: NotificationReport
) -> None:
    ended = {name_of(build): build for build in builds if build.result and expected.wants(build)}
    shown = [name for post in slack.posts(expected.channel) for name in notifications_in(slack, post)]
    counts = Counter(shown)
    found.told += len(counts)
    for name in ended:
        if counts[name] == 0:
            found.problems.append(f"#{expected.channel} was never told: {name}")
        elif counts[name] > 1:
            found.twice += counts[name] - 1
            if not expected.doubtful:
                found.problems.append(f"#{expected.channel} was told {counts[name]} times: {name}")
    found.problems += [
        f"#{expected.channel} was told what it did not ask for: {name}"
        for name in counts
        if name not in ended
    ]
    if not (expected.doubtful or expected.by_start):
        order = [ended[name] for name in shown if name in ended]
        found.problems += _out_of_order(expected.channel, order)


def reckon_pipelines(
    slack: SlackSimulator, pipelines: list[Pipeline], channel: str, found: NotificationReport
) -> None:
    """Count the cards of pipelines: one each, which shows its end; or, where Bitrise failed for long, its builds."""
    texts = [slack.message_text(post) for post in slack.posts(channel)]
    for pipeline in pipelines:
        name = f"{pipeline.app.title} {pipeline.name} #{pipeline.number}"
        cards = [text for text in texts if re.search(rf"{name} (?:is|succeeded|failed)", text)]
        ends = {"succeeded": "succeeded", "failed": "failed"}[pipeline.status]
        alone = {
            build.number: sum(f"Pipes #{build.number} " in text for text in texts)
            for build in pipeline.builds.values()
            if build.result
        }
        found.told += len(cards)
        if len(cards) > 1:
            found.problems.append(f"#{channel} has {len(cards)} cards of {name}")
        if cards and f"{name} {ends}" not in cards[0]:
            found.problems.append(f"#{channel} does not show that {name} {ends}: {cards[0][:200]}")
        if not cards and not all(alone.values()):
            found.problems.append(f"#{channel} was never told: {name}")
        found.problems += [
            f"#{channel} was told {times} times: Pipes #{number}"
            for number, times in alone.items()
            if times > 1
        ]


def _out_of_order(channel: str, order: list[Build]) -> list[str]:
    """Where a build is shown after one that ended later, in whole seconds, as Bitrise tells them."""
    problems, latest = [], 0
    for build in order:
        at = int(build.finished_at.timestamp()) if build.finished_at else 0
        if at < latest:
            problems.append(f"#{channel} was told out of order: {name_of(build)}")
        latest = max(latest, at)
    return problems


def notifications_in(slack: SlackSimulator, post: Post) -> list[str]:
    """The ended builds that a message tells of; the head of a thread only repeats its replies."""
    words = slack.message_text(post)
    return [] if words.startswith("🧵") else [" ".join(match) for match in _TOLD.findall(words)]


def name_of(build: Build) -> str:
    """The build as a message names it."""
    return f"{build.app.title} #{build.number} {RESULTS[build.result or 'success']}"
