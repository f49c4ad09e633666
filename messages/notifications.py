"""What subscriptions are told: one build, a broken series, a thread's head, and many builds in one message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.build import App, Build, BuildState, RunKind
from domain.failure_streak import BuildSummary, StreakPosition, StreakState
from domain.log.failure import Failure
from domain.message import Block, Message
from domain.message_state import CardState
from domain.notifications.deploy_link import DeployLink
from domain.notifications.rule import BuildEvent
from messages import build_text
from messages.build_buttons import open_button, streak_row
from messages.build_card import build_card, build_line
from messages.deploy_buttons import offer_row
from messages.kit.blocks import context, paragraphs, row, section
from messages.kit.mrkdwn import (
    ai_summary,
    block_of_code,
    code,
    cut_markup,
    escape,
    lasted,
    link,
    mention,
    when,
)
from messages.provider_presentation import ProviderPresentation
from messages.run_vocabulary import words_of

FAILURE_TEXT = 1500
AI_SUMMARY = 900


@dataclass(frozen=True)
class NotificationContent:
    """One moment of a build, with what is known about it.

    `presentation` is its provider's. `mention` are the Slack users that want to be mentioned; `ties` are the channel's
    deploy links, which may be offered.
    """

    build: Build
    app: App
    presentation: ProviderPresentation
    happening: str = BuildEvent.ENDED
    standing: StreakState | None = None
    failure: Failure | None = None
    usual: timedelta | None = None
    mention: Sequence[str] = ()
    ties: Sequence[DeployLink] = ()


def told_build(telling: NotificationContent, *, now: datetime) -> Message:
    """One build: its card, and where it failed, why and since when."""
    build, app = telling.build, telling.app
    card = build_card(
        build, app, presentation=telling.presentation, now=now, usual=telling.usual, ties=telling.ties
    )
    first, *rest = card.blocks
    headline = _too_long(build, app, telling.happening)
    blocks = [*([section(headline)] if headline else []), first, *failure_blocks(telling), *rest]
    spoken = " ".join(part for part in (headline, card.text, _spoken(telling)) if part)
    return Message(cut_markup(spoken, 3500), blocks)


def earlier_moment(telling: NotificationContent, happening: str) -> Message:
    """What was told of a build before it ended, once it has: how it ended is shown in full elsewhere."""
    build, app = telling.build, telling.app
    lines = [_too_long(build, app, happening), build_line(build, app)]
    return Message(build_text.in_a_sentence(build, app), [section("\n".join(line for line in lines if line))])


def series_card(tellings: Sequence[NotificationContent], note: CardState, *, now: datetime) -> Message:
    """A broken series, as it stands after the last of its builds: red until one passes."""
    last = tellings[-1]
    build, app, standing = last.build, last.app, last.standing
    if standing is None or standing.red is None:
        return told_build(last, now=now)
    if standing.position is StreakPosition.FIXED:
        return _fixed(last, standing.red, note)
    words = words_of(build.kind)
    times = words.again.format(count=standing.failures) if standing.failures > 1 else words.once
    lines = [f"🔴 {build_text.where(build, app)} *{words.broken}*", *_broke(build, standing)]
    since = f" since {when(standing.red.at)}" if standing.red.at else ""
    the_last = f"; the last is {build_text.name(build, app)}" if build.kind is not RunKind.DYNO else ""
    lines.append(f"{times[0].upper()}{times[1:]}{since}{the_last}")
    blocks = [section("\n".join(lines)), *failure_blocks(last, history=False), *_note(note, now)]
    text = f"{build_text.where_spoken(build, app)} {words.broken}: {times}. {_spoken(last)}"
    buttons = streak_row(
        build, app, last.presentation, claimed=bool(note.claimed_by), snoozed=note.is_snoozed(now)
    )
    return Message(escape(text, 3000), [*blocks, *buttons])


def thread_head(telling: NotificationContent) -> Message:
    """What stands above a thread: the branch or pull request, and how it stands now."""
    build, app = telling.build, telling.app
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
        escape(f"{app.title}, {spoken}: {build_text.called(build)} {build_text.result_spoken(build)}", 1000),
        [section(text)],
    )


def gathered(tellings: Sequence[NotificationContent], *, title: str) -> Message:
    """Several builds in one message; nothing is left out."""
    counts = Counter(build_text.symbol(one.build) for one in tellings)
    sums = " · ".join(f"{symbol} {count}" for symbol, count in counts.most_common())
    lines = [f"{build_line(one.build, one.app)}{_why(one)}" for one in tellings]
    spoken = " ".join(build_text.in_a_sentence(one.build, one.app) for one in tellings)
    mentioned = sorted({person for one in tellings for person in one.mention if _failed(one)})
    blocks = [section(f"*{title}*\n{sums}"), *paragraphs(lines, most_blocks=len(lines))]
    return Message(cut_markup(f"{title}: {spoken}", 3500), [*blocks, *_mentions(mentioned)])


def outage(tellings: Sequence[NotificationContent]) -> Message:
    """Many apps that fail at the same time."""
    apps = len({one.app.slug for one in tellings})
    more = f"{apps} more apps" if apps > 1 else "one more app"
    return gathered(
        tellings, title=f"🔥 Looks like an outage: {more} failed within minutes of others; I gather them here"
    )


def flood(tellings: Sequence[NotificationContent], *, limit: int) -> Message:
    """More than a channel can read."""
    sorts = build_text.sorts(one.build for one in tellings)
    words = f"🌊 More than {limit} messages in an hour here, so {sorts} are gathered in this one until it is calmer"
    return gathered(tellings, title=words)


def _failed(telling: NotificationContent) -> bool:
    return telling.happening == BuildEvent.ENDED and telling.build.state is BuildState.FAILED


def failure_blocks(telling: NotificationContent, *, history: bool = True) -> list[Block]:
    """Where a build failed and why, with its series' history where that is wanted; empty where nothing is known."""
    blocks: list[Block] = []
    standing, failure = telling.standing, telling.failure
    if history and standing is not None and (lines := _history(telling.build, standing)):
        blocks.append(context("\n".join(lines)))
    if _failed(telling) and failure is not None:
        words = [f"*Failed in* {code(failure.step)}"] if failure.step else []
        if failure.exit_code is not None and words:
            words[0] += f" (exit code {failure.exit_code})"
        if failure.lines:
            words.append(block_of_code("\n".join(failure.lines), FAILURE_TEXT))
        blocks += [section("\n".join(words))] if words else []
        blocks += (
            [section(ai_summary(failure.summary, AI_SUMMARY, provider=telling.build.provider))]
            if failure.summary
            else []
        )
    return blocks + (_mentions(telling.mention) if _failed(telling) else [])


def _history(build: Build, standing: StreakState) -> list[str]:
    if build.kind is RunKind.DYNO:
        # What it is said of is the process itself, whenever it went down.
        again = standing.position is StreakPosition.STILL_FAILING
        return [words_of(build.kind).again.format(count=standing.failures).capitalize()] if again else []
    match standing.position:
        case StreakPosition.BROKEN:
            # It is this build itself, whose commit stands above.
            this = words_of(build.kind).one
            green = _number(standing.green)
            return [f"Broke with this {this}, was green at {green}"] if standing.green else []
        case StreakPosition.STILL_FAILING:
            broke = f"Broke with {_mark(standing.red)}" if standing.red else ""
            return [f"Failure {standing.failures} in a row. {broke}".strip()]
        case StreakPosition.FIXED:
            broken_by = f", which {_mark(standing.red)} broke" if standing.red else ""
            return [
                f"Fixes the series{broken_by}; {build_text.failed_before(build, standing.failures)} before"
            ]
        case _:
            return []


def _broke(build: Build, standing: StreakState) -> list[str]:
    if build.kind is RunKind.DYNO:
        return []
    green = f", was green at {_number(standing.green)}" if standing.green else ""
    return [f"Broke with {_mark(standing.red)}{green}"]


def _fixed(last: NotificationContent, red: BuildSummary, note: CardState) -> Message:
    build, app, standing = last.build, last.app, last.standing
    mended = words_of(build.kind).mended
    took = f" after {lasted(build.finished_at - red.at)}" if build.finished_at and red.at else ""
    lines = [f"🟢 {build_text.where(build, app)} *{mended}*{took}"]
    if build.kind is not RunKind.DYNO:
        before = build_text.failed_before(build, standing.failures if standing else 0)
        lines.append(f"Fixed by {_mark(BuildSummary.of(build))}; {before} before")
    lines += _broke(build, standing) if standing else []
    if note.claimed_by:
        lines.append(f"{mention(note.claimed_by)} was on it")
    text = f"{build_text.where_spoken(build, app)} {mended}{took}."
    page = open_button(build, last.presentation)
    below = [*([row(page)] if page else []), *offer_row(build, app, last.ties)]
    return Message(escape(text, 1000), [section("\n".join(lines)), *below])


def _mark(mark: BuildSummary | None) -> str:
    """The build at which a series turned: number, commit, first words, and by whom."""
    if mark is None:
        return "a build"
    commit = link(mark.commit_url, build_text.short_hash(mark.commit_hash)) if mark.commit_hash else ""
    subject = escape(mark.subject, 120) if mark.subject else ""
    by = f"by {_author(mark.by)}" if mark.by else ""
    return " ".join(part for part in (_number(mark), commit, subject, by) if part)


def _author(name: str) -> str:
    return mention(name[1:].upper()) if name.startswith("@") else escape(name, 80)


def _number(mark: BuildSummary | None) -> str:
    if mark is None:
        return ""
    return link(mark.url, mark.label or (f"#{mark.number}" if mark.number is not None else mark.slug))


def _note(note: CardState, now: datetime) -> list[Block]:
    words = []
    if note.claimed_by:
        words.append(f"🙋 {mention(note.claimed_by)} is on it")
    if note.snoozed_until is not None and note.is_snoozed(now):
        by = f" by {mention(note.snoozed_by)}" if note.snoozed_by else ""
        words.append(
            f"💤 Snoozed until {when(note.snoozed_until)}{by}. More failures don't update this card before then; a"
            " fix does."
        )
    return [context(*words)] if words else []


def _mentions(people: Sequence[str]) -> list[Block]:
    return [context(f"👋 {' '.join(mention(one) for one in people)}")] if people else []


def _too_long(build: Build, app: App, happening: str) -> str:
    if happening == BuildEvent.ON_HOLD_TOO_LONG:
        doing = "has been on hold" if build.state is BuildState.ON_HOLD else "was on hold"
        return f"⏳ {build_text.name(build, app)} {doing} for long"
    if happening == BuildEvent.RUNNING_TOO_LONG:
        return f"🐢 {build_text.name(build, app)} {'ran' if build.ended else 'has been running'} for long"
    return ""


def _spoken(telling: NotificationContent) -> str:
    if not _failed(telling) or telling.failure is None:
        return ""
    failure = telling.failure
    step = f"Failed in {failure.step}. " if failure.step else ""
    return escape(step + (failure.lines[-1] if failure.lines else ""), 400)


def _why(telling: NotificationContent) -> str:
    stopped = build_text.abort(telling.build)
    if stopped and ":" in stopped:
        return f"\n      {escape(stopped, 300)}"
    if _failed(telling) and telling.failure is not None and telling.failure.step:
        return f"\n      in {code(telling.failure.step)}"
    return ""
