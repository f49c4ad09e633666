"""Notifications: one build, a failure streak, the head of a thread, and many builds in one message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.build import App, Build, BuildState, RunKind
from domain.failure_streak import BuildSummary, StreakPosition, StreakState
from domain.log.failure import Failure
from domain.message import Block, CardState, Message
from domain.notifications.deploy_link import DeployLink
from domain.notifications.rule import BuildEvent, DeliveryStyle, NotificationRule
from messages import build_text
from messages.build_card import build_card, build_line, open_button, streak_row
from messages.deploy_buttons import deploy_row
from messages.kit.blocks import button_row, context, paragraphs, section
from messages.kit.mrkdwn import (
    ai_summary,
    block_of_code,
    code,
    cut_markup,
    escape,
    format_duration,
    link,
    mention,
    when,
)
from messages.provider_presentation import ProviderPresentation
from messages.run_vocabulary import vocabulary_of

FAILURE_TEXT = 1500
AI_SUMMARY = 900


@dataclass(frozen=True)
class NotificationContent:
    """One moment of a build, with what is known about it.

    `presentation` is its provider's. `mentioned` are the Slack users that want to be mentioned; `deploy_links` are the
    channel's.
    """

    build: Build
    app: App
    presentation: ProviderPresentation
    event: str = BuildEvent.ENDED
    streak: StreakState | None = None
    failure: Failure | None = None
    usual_duration: timedelta | None = None
    mentioned: Sequence[str] = ()
    deploy_links: Sequence[DeployLink] = ()


def build_notification(content: NotificationContent, *, now: datetime) -> Message:
    """Render the notification of one build: its card, and where and why it failed, and since when."""
    build, app = content.build, content.app
    card = build_card(
        build,
        app,
        presentation=content.presentation,
        now=now,
        usual_duration=content.usual_duration,
        deploy_links=content.deploy_links,
    )
    first, *rest = card.blocks
    headline = _too_long_headline(build, app, content.event)
    blocks = [*([section(headline)] if headline else []), first, *failure_blocks(content), *rest]
    spoken = " ".join(part for part in (headline, card.text, _plain_failure(content)) if part)
    return Message(cut_markup(spoken, 3500), blocks)


def outdated_notification(content: NotificationContent, event: str) -> Message:
    """Shorten an earlier notification of a build that has ended since. Another message shows how it ended."""
    build, app = content.build, content.app
    lines = [_too_long_headline(build, app, event), build_line(build, app)]
    return Message(build_text.plain_summary(build, app), [section("\n".join(line for line in lines if line))])


def streak_card(contents: Sequence[NotificationContent], state: CardState, *, now: datetime) -> Message:
    """Render the card of a failure streak after the last of its builds: red until one passes."""
    last = contents[-1]
    build, app, streak = last.build, last.app, last.streak
    if streak is None or streak.red is None:
        return build_notification(last, now=now)
    if streak.position is StreakPosition.FIXED:
        return _fixed_card(last, streak.red, state)
    words = vocabulary_of(build.kind)
    times = (
        words.failed_repeatedly.format(count=streak.failures) if streak.failures > 1 else words.failed_once
    )
    lines = [f"🔴 {build_text.streak_name(build, app)} *{words.broken}*", *_broken_by(build, streak)]
    since = f" since {when(streak.red.at)}" if streak.red.at else ""
    the_last = f"; latest: {build_text.build_link(build, app)}" if build.kind is not RunKind.DYNO else ""
    lines.append(f"{times[0].upper()}{times[1:]}{since}{the_last}")
    blocks = [section("\n".join(lines)), *failure_blocks(last, with_history=False), *_card_state(state, now)]
    text = f"{build_text.plain_streak_name(build, app)} {words.broken}: {times}. {_plain_failure(last)}"
    buttons = streak_row(
        build, app, last.presentation, claimed=bool(state.claimed_by), snoozed=state.is_snoozed(now)
    )
    return Message(escape(text, 3000), [*blocks, *buttons])


def thread_head(content: NotificationContent) -> Message:
    """Render the head of a thread: the branch or pull request, and its latest build."""
    build, app = content.build, content.app
    if build.pull_request is not None:
        topic = link(build.pull_request_url, f"pull request #{build.pull_request}")
        spoken = f"pull request #{build.pull_request}"
    elif build.branch or build.kind is RunKind.BUILD:
        spoken = f"branch {build.branch}" if build.branch else "tags"
        topic = f"branch {code(build.branch)}" if build.branch else "tags"
    else:
        dyno = build.kind is RunKind.DYNO
        spoken = f"process {build.workflow}" if dyno else "deployments"
        topic = f"process {code(build.workflow or '')}" if dyno else "deployments"
    text = f"🧵 *{escape(app.title, 150)}*: {topic}\n{build_line(build, app)}"
    return Message(
        escape(
            f"{app.title}, {spoken}: {build_text.build_name(build)} {build_text.plain_result(build)}", 1000
        ),
        [section(text)],
    )


def build_digest(contents: Sequence[NotificationContent], *, title: str) -> Message:
    """Render several builds in one message; none is left out."""
    counts = Counter(build_text.build_symbol(content.build) for content in contents)
    sums = " · ".join(f"{symbol} {count}" for symbol, count in counts.most_common())
    lines = [f"{build_line(content.build, content.app)}{_failure_line(content)}" for content in contents]
    spoken = " ".join(build_text.plain_summary(content.build, content.app) for content in contents)
    mentioned = sorted(
        {person for content in contents for person in content.mentioned if _has_failed(content)}
    )
    blocks = [section(f"*{title}*\n{sums}"), *paragraphs(lines, max_blocks=len(lines))]
    return Message(cut_markup(f"{title}: {spoken}", 3500), [*blocks, *_mentions(mentioned)])


def scheduled_digest(contents: Sequence[NotificationContent], rule: NotificationRule) -> Message:
    """Render what the rule has gathered: for a day, a week or its quiet hours."""
    # Two subscriptions may be about the same build.
    unique = list({content.build.slug: content for content in contents}.values())
    count = _count_builds(unique)
    match rule.style:
        case DeliveryStyle.DAILY:
            title = f"Daily summary: {count}"
        case DeliveryStyle.WEEKLY:
            title = f"Weekly summary: {count}"
        case _:
            hours = f" ({rule.quiet.start:%H:%M}–{rule.quiet.end:%H:%M})" if rule.quiet else ""
            title = f"{count} during quiet hours{hours}"
    return build_digest(unique, title=title)


def delayed_digest(contents: Sequence[NotificationContent]) -> Message:
    """Render the builds that ended while no notification could be sent."""
    return build_digest(contents, title=f"Delayed notifications: {_count_builds(contents)}")


def outage_digest(contents: Sequence[NotificationContent]) -> Message:
    """Render the failures of many apps at the same time."""
    apps = len({content.app.slug for content in contents})
    more = f"{apps} more apps" if apps > 1 else "one more app"
    return build_digest(
        contents,
        title=f"🔥 Possible outage: {more} failed within minutes of others; failures are collected here",
    )


def flood_digest(contents: Sequence[NotificationContent], *, limit: int) -> Message:
    """Render the builds of a channel that has had more than `limit` messages in an hour."""
    sorts = build_text.run_kinds(content.build for content in contents)
    words = (
        f"🌊 More than {limit} messages in an hour: {sorts} are collected in this one until there are fewer"
    )
    return build_digest(contents, title=words)


def _count_builds(contents: Sequence[NotificationContent]) -> str:
    return build_text.count_runs(list({content.build.slug: content.build for content in contents}.values()))


def _has_failed(content: NotificationContent) -> bool:
    return content.event == BuildEvent.ENDED and content.build.state is BuildState.FAILED


def failure_blocks(content: NotificationContent, *, with_history: bool = True) -> list[Block]:
    """Render where and why a build failed, and the history of its streak; empty if nothing is known."""
    blocks: list[Block] = []
    streak, failure = content.streak, content.failure
    if with_history and streak is not None and (lines := _streak_history(content.build, streak)):
        blocks.append(context("\n".join(lines)))
    if _has_failed(content) and failure is not None:
        words = [f"*Failed in* {code(failure.step)}"] if failure.step else []
        if failure.exit_code is not None and words:
            words[0] += f" (exit code {failure.exit_code})"
        if failure.lines:
            words.append(block_of_code("\n".join(failure.lines), FAILURE_TEXT))
        blocks += [section("\n".join(words))] if words else []
        blocks += (
            [section(ai_summary(failure.summary, AI_SUMMARY, provider=content.build.provider))]
            if failure.summary
            else []
        )
    return blocks + (_mentions(content.mentioned) if _has_failed(content) else [])


def _streak_history(build: Build, streak: StreakState) -> list[str]:
    if build.kind is RunKind.DYNO:
        # The streak is about the process itself, whenever it went down.
        again = streak.position is StreakPosition.STILL_FAILING
        return (
            [vocabulary_of(build.kind).failed_repeatedly.format(count=streak.failures).capitalize()]
            if again
            else []
        )
    match streak.position:
        case StreakPosition.BROKEN:
            # It is this build itself, whose commit is shown above.
            green = _number(streak.green)
            return [f"First failure. Last passed: {green}"] if streak.green else []
        case StreakPosition.STILL_FAILING:
            since = f"Failing since {_describe_mark(streak.red)}" if streak.red else ""
            return [f"{streak.failures} failures in a row. {since}".strip()]
        case StreakPosition.FIXED:
            first = f"; first failure: {_describe_mark(streak.red)}" if streak.red else ""
            return [f"Fixed after {build_text.count_failures(build, streak.failures)}{first}"]
        case _:
            return []


def _broken_by(build: Build, streak: StreakState) -> list[str]:
    if build.kind is RunKind.DYNO:
        return []
    green = f"; last passed before it: {_number(streak.green)}" if streak.green else ""
    return [f"First failure: {_describe_mark(streak.red)}{green}"]


def _fixed_card(last: NotificationContent, red: BuildSummary, state: CardState) -> Message:
    build, app, streak = last.build, last.app, last.streak
    fixed = vocabulary_of(build.kind).fixed
    took = f" after {format_duration(build.finished_at - red.at)}" if build.finished_at and red.at else ""
    lines = [f"🟢 {build_text.streak_name(build, app)} *{fixed}*{took}"]
    if build.kind is not RunKind.DYNO:
        before = build_text.count_failures(build, streak.failures if streak else 0)
        lines.append(f"Fixed by {_describe_mark(BuildSummary.of(build))} after {before}")
    lines += _broken_by(build, streak) if streak else []
    if state.claimed_by:
        lines.append(f"{mention(state.claimed_by)} was on it")
    text = f"{build_text.plain_streak_name(build, app)} {fixed}{took}."
    page = open_button(build, last.presentation)
    below = [*button_row(page), *deploy_row(build, app, last.deploy_links)]
    return Message(escape(text, 1000), [section("\n".join(lines)), *below])


def _describe_mark(mark: BuildSummary | None) -> str:
    """Describe the build at which a streak turned: number, commit, first line, and author."""
    if mark is None:
        return "an unknown build"
    commit = link(mark.commit_url, build_text.short_hash(mark.commit_hash)) if mark.commit_hash else ""
    subject = f"“{escape(mark.subject, 120)}”" if mark.subject else ""
    by = f"by {_author(mark.by)}" if mark.by else ""
    return " ".join(part for part in (_number(mark), commit, subject, by) if part)


def _author(name: str) -> str:
    return mention(name[1:].upper()) if name.startswith("@") else escape(name, 80)


def _number(mark: BuildSummary | None) -> str:
    if mark is None:
        return ""
    return link(mark.url, mark.label or (f"#{mark.number}" if mark.number is not None else mark.slug))


def _card_state(state: CardState, now: datetime) -> list[Block]:
    words = []
    if state.claimed_by:
        words.append(f"🙋 {mention(state.claimed_by)} is on it")
    if state.snoozed_until is not None and state.is_snoozed(now):
        by = f" by {mention(state.snoozed_by)}" if state.snoozed_by else ""
        words.append(
            f"💤 Snoozed until {when(state.snoozed_until)}{by}. More failures don't update this card before then; a"
            " fix does."
        )
    return [context(*words)] if words else []


def _mentions(people: Sequence[str]) -> list[Block]:
    return [context(f"👋 {' '.join(mention(user) for user in people)}")] if people else []


def _too_long_headline(build: Build, app: App, event: str) -> str:
    if event == BuildEvent.ON_HOLD_TOO_LONG:
        doing = "has been on hold" if build.state is BuildState.ON_HOLD else "was on hold"
        return f"⏳ {build_text.build_link(build, app)} {doing} for a long time"
    if event == BuildEvent.RUNNING_TOO_LONG:
        doing = "ran" if build.ended else "has been running"
        return f"🐢 {build_text.build_link(build, app)} {doing} for a long time"
    return ""


def _plain_failure(content: NotificationContent) -> str:
    if not _has_failed(content) or content.failure is None:
        return ""
    failure = content.failure
    step = f"Failed in {failure.step}. " if failure.step else ""
    return escape(step + (failure.lines[-1] if failure.lines else ""), 400)


def _failure_line(content: NotificationContent) -> str:
    stopped = build_text.abort_text(content.build)
    if stopped and ":" in stopped:
        return f"\n      {escape(stopped, 300)}"
    if _has_failed(content) and content.failure is not None and content.failure.step:
        return f"\n      in {code(content.failure.step)}"
    return ""
