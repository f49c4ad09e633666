"""The expected and the posted notifications of each channel. Shares no code with the bot."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.bitrise.state import Build, Pipeline
from sandbox.buildio.deployments import Deployment
from sandbox.buildio.state import App
from sandbox.slack.models import Post
from sandbox.slack.server import SlackSimulator

RESULTS = {
    "success": "passed",
    "error": "failed",
    "aborted": "was aborted",
    "aborted-with-success": "was aborted (counted as success)",
}
_NOTIFICATION = re.compile(
    r"(Sample Android|Sample iOS|Web Shop) (#\d+) (passed|failed|was aborted(?: \(counted as success\))?)"
)
_DEPLOYMENT = re.compile(r"([\w-]+) (deployment v\d+) (succeeded|failed|ended)")


@dataclass(frozen=True)
class Expectation:
    """A channel and the finished builds that it expects.

    `doubtful`: Slack does not let the bot read messages back there. `by_start`: messages are in the order of the
    starts.
    """

    channel: str
    wants: Callable[[Build], bool]
    doubtful: bool = False
    by_start: bool = False


@dataclass
class NotificationReport:
    """The differences as text; `duplicates` counts the allowed ones."""

    problems: list[str] = field(default_factory=list)
    notified: int = 0
    duplicates: int = 0


def compare_notifications(
    slack: SlackSimulator, builds: list[Build], expectations: list[Expectation]
) -> NotificationReport:
    """Compare expected with posted notifications."""
    report = NotificationReport()
    for expected in expectations:
        _compare_channel(slack, builds, expected, report)
    return report


def _compare_channel(
    slack: SlackSimulator, builds: list[Build], expected: Expectation, report: NotificationReport
) -> None:
    expected_builds = {build_name(build): build for build in builds if build.result and expected.wants(build)}
    posts = [
        (name, post.ts) for post in slack.posts(expected.channel) for name in notifications_in(slack, post)
    ]
    counts = Counter(name for name, _ in posts)
    report.notified += len(counts)
    for name in expected_builds:
        if counts[name] == 0:
            report.problems.append(f"#{expected.channel} was not notified: {name}")
        elif counts[name] > 1:
            report.duplicates += counts[name] - 1
            if not expected.doubtful:
                report.problems.append(f"#{expected.channel} was notified {counts[name]} times: {name}")
    report.problems += [
        f"#{expected.channel} has an unexpected notification: {name}"
        for name in counts
        if name not in expected_builds
    ]
    if not (expected.doubtful or expected.by_start):
        order = [(expected_builds[name], ts) for name, ts in posts if name in expected_builds]
        report.problems += _out_of_order(expected.channel, order)


def compare_pipelines(
    slack: SlackSimulator, pipelines: list[Pipeline], channel: str, report: NotificationReport
) -> None:
    """Check pipelines: one card each, which shows the result; or their builds, if Bitrise failed for long."""
    texts = [slack.message_text(post) for post in slack.posts(channel)]
    for pipeline in pipelines:
        name = f"{pipeline.app.title} {pipeline.name} #{pipeline.number}"
        cards = [text for text in texts if re.search(rf"{name} (?:is|passed|failed)", text)]
        result = {"succeeded": "passed", "failed": "failed"}[pipeline.status]
        build_messages = {
            build.number: sum(f"Pipes #{build.number} " in text for text in texts)
            for build in pipeline.builds.values()
            if build.result
        }
        report.notified += len(cards)
        if len(cards) > 1:
            report.problems.append(f"#{channel} has {len(cards)} cards of {name}")
        if cards and f"{name} {result}" not in cards[0]:
            report.problems.append(f"#{channel} does not show that {name} {result}: {cards[0][:200]}")
        if not cards and not all(build_messages.values()):
            report.problems.append(f"#{channel} was not notified: {name}")
        report.problems += [
            f"#{channel} was notified {count} times: Pipes #{number}"
            for number, count in build_messages.items()
            if count > 1
        ]


def compare_deployments(
    slack: SlackSimulator, names: list[str], channel: str, report: NotificationReport
) -> None:
    """Compare the ended deployments, in order of each app, with what was posted."""
    posted = [
        " ".join(match)
        for post in slack.posts(channel)
        for match in _DEPLOYMENT.findall(slack.message_text(post))
    ]
    counts = Counter(posted)
    report.notified += len(counts)
    report.problems += [
        f"#{channel} was notified {counts[name]} times: {name}" for name in names if counts[name] != 1
    ]
    report.problems += [
        f"#{channel} has an unexpected notification: {name}" for name in counts if name not in names
    ]
    for app in {name.split()[0] for name in names}:
        of_app = [name for name in posted if name.split()[0] == app]
        if of_app != sorted(of_app, key=names.index) if set(of_app) <= set(names) else False:
            report.problems.append(f"#{channel} was notified out of order: {of_app}")


def deployment_name(deployment: Deployment, app: App) -> str:
    """Return a deployment's name in messages."""
    return f"{app.name} deployment v{deployment.version} {deployment.status}"


def _out_of_order(channel: str, posted: list[tuple[Build, str]]) -> list[str]:
    """Return problems: builds posted after one that finished later, compared in whole seconds as at Bitrise."""
    problems, latest_end, latest = [], 0, ""
    for build, ts in posted:
        ended_at = int(build.finished_at.timestamp()) if build.finished_at else 0
        told = f"{build_name(build)} (finished {build.finished_at:%H:%M:%S.%f}, posted {ts})"
        if ended_at < latest_end:
            problems.append(f"#{channel} was notified out of order: {told} after {latest}")
        if ended_at >= latest_end:
            latest_end, latest = ended_at, told
    return problems


def notifications_in(slack: SlackSimulator, post: Post) -> list[str]:
    """Return the finished builds of a message; the parent of a thread only repeats its replies."""
    text = slack.message_text(post)
    return [] if text.startswith("🧵") else [" ".join(match) for match in _NOTIFICATION.findall(text)]


def build_name(build: Build) -> str:
    """Return a build's name in messages."""
    return f"{build.app.title} #{build.number} {RESULTS[build.result or 'success']}"
