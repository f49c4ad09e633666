"""What subscriptions are told: one build, a broken series, a thread's head, and many builds in one message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.build import App, Build, State
from bot.failure import Failure
from bot.messages import actions, wording
from bot.messages.blocks import button, confirm, context, link_button, paragraphs, row, section
from bot.messages.builds import build_card, build_line
from bot.messages.buttons import BuildButton
from bot.messages.message import Block, Message
from bot.messages.notes import CardNote
from bot.messages.text import (
    ai_summary,
    block_of_code,
    code,
    cut_markup,
    escape,
    lasted,
    link,
    mention,
    plain,
    when,
)
from bot.series import Mark, Position, Standing
from bot.terms import Happening

FAILURE_TEXT = 1500
AI_SUMMARY = 900


@dataclass(frozen=True)
class Telling:
    """A moment of a build, with what is known around it. `mention` are the Slack users that want to be mentioned."""

    build: Build
    app: App
    happening: str = Happening.ENDED
    standing: Standing | None = None
    failure: Failure | None = None
    usual: timedelta | None = None
    mention: Sequence[str] = ()


def told_build(telling: Telling, *, now: datetime) -> Message:
    """One build: its card, and where it failed, why and since when."""
    build, app = telling.build, telling.app
    card = build_card(build, app, now=now, usual=telling.usual)
    first, *rest = card.blocks
    headline = _too_long(telling)
    blocks = [*([section(headline)] if headline else []), first, *failure_blocks(telling), *rest]
    spoken = " ".join(part for part in (headline, card.text, _spoken(telling)) if part)
    return Message(cut_markup(spoken, 3500), blocks)


def series_card(tellings: Sequence[Telling], note: CardNote, *, now: datetime) -> Message:
    """A broken series, as it stands after the last of its builds: red until one passes."""
    last = tellings[-1]
    build, app, standing = last.build, last.app, last.standing
    if standing is None or standing.red is None:
        return told_build(last, now=now)
    where = f"*{escape(app.title, 150)}* on {code(build.branch or build.tag or 'tags')}"
    workflow = f", workflow {code(build.workflow)}" if build.workflow else ""
    if standing.position is Position.FIXED:
        return _fixed(last, standing.red, f"{where}{workflow}", note)
    times = (
        f"{standing.failures} builds have failed in a row"
        if standing.failures > 1
        else "one build has failed"
    )
    lines = [f"🔴 {where}{workflow} *is broken*", *_broke(standing)]
    since = f" since {when(standing.red.at)}" if standing.red.at else ""
    lines.append(f"{times[0].upper()}{times[1:]}{since}; the last is {wording.name(build, app)}")
    blocks = [section("\n".join(lines)), *failure_blocks(last, history=False), *_note(note, now)]
    text = f"{plain(app.title, 150)} on {build.branch or build.tag or 'tags'} is broken: {times}. {_spoken(last)}"
    return Message(escape(text, 3000), [*blocks, _card_buttons(build, app, note)])


def thread_head(telling: Telling) -> Message:
    """What stands above a thread: the branch or pull request, and how it stands now."""
    build, app = telling.build, telling.app
    if build.pull_request is not None:
        topic = link(build.pull_request_url, f"pull request #{build.pull_request}")
        spoken = f"pull request #{build.pull_request}"
    else:
        spoken = f"branch {build.branch}" if build.branch else "tags"
        topic = f"branch {code(build.branch)}" if build.branch else "tags"
    text = f"🧵 *{escape(app.title, 150)}*: {topic}\n{build_line(build, app)}"
    return Message(
        escape(f"{app.title}, {spoken}: {build.label} {wording.result(build)}", 1000), [section(text)]
    )


def gathered(tellings: Sequence[Telling], *, title: str) -> Message:
    """Several builds in one message; nothing is left out."""
    counts = Counter(wording.symbol(one.build) for one in tellings)
    sums = " · ".join(f"{symbol} {count}" for symbol, count in counts.most_common())
    lines = [f"{build_line(one.build, one.app)}{_why(one)}" for one in tellings]
    spoken = " ".join(wording.in_a_sentence(one.build, one.app) for one in tellings)
    mentioned = sorted({person for one in tellings for person in one.mention if _failed(one)})
    blocks = [section(f"*{title}*\n{sums}"), *paragraphs(lines, most_blocks=len(lines))]
    return Message(cut_markup(f"{title}: {spoken}", 3500), [*blocks, *_mentions(mentioned)])


def outage(tellings: Sequence[Telling]) -> Message:
    """Many apps that fail at the same time."""
    apps = len({one.app.slug for one in tellings})
    more = f"{apps} more apps" if apps > 1 else "one more app"
    return gathered(
        tellings, title=f"🔥 Looks like an outage: {more} failed within minutes of others; I gather them here"
    )


def flood(tellings: Sequence[Telling], *, limit: int) -> Message:
    """More than a channel can read."""
    return gathered(
        tellings,
        title=f"🌊 More than {limit} messages in an hour here, so builds are gathered in this one until it is calmer",
    )


def _failed(telling: Telling) -> bool:
    return telling.happening == Happening.ENDED and telling.build.state is State.FAILED


def failure_blocks(telling: Telling, *, history: bool = True) -> list[Block]:
    """Where a build failed and why, with its series' history where that is wanted; empty where nothing is known."""
    blocks: list[Block] = []
    standing, failure = telling.standing, telling.failure
    if history and standing is not None and (lines := _history(standing)):
        blocks.append(context("\n".join(lines)))
    if _failed(telling) and failure is not None:
        words = [f"*Failed in* {code(failure.step)}"] if failure.step else []
        if failure.exit_code is not None and words:
            words[0] += f" (exit code {failure.exit_code})"
        if failure.lines:
            words.append(block_of_code("\n".join(failure.lines), FAILURE_TEXT))
        blocks += [section("\n".join(words))] if words else []
        blocks += [section(ai_summary(failure.summary, AI_SUMMARY))] if failure.summary else []
    return blocks + (_mentions(telling.mention) if _failed(telling) else [])


def _history(standing: Standing) -> list[str]:
    match standing.position:
        case Position.BROKEN:
            # It is this build itself, whose commit stands above.
            return (
                [f"Broke with this build, was green at {_number(standing.green)}"] if standing.green else []
            )
        case Position.STILL_FAILING:
            broke = f"Broke with {_mark(standing.red)}" if standing.red else ""
            return [f"Failure {standing.failures} in a row. {broke}".strip()]
        case Position.FIXED:
            broken_by = f", which {_mark(standing.red)} broke" if standing.red else ""
            return [f"Fixes the series{broken_by}; {_failures(standing.failures)} before"]
        case _:
            return []


def _broke(standing: Standing) -> list[str]:
    green = f", was green at {_number(standing.green)}" if standing.green else ""
    return [f"Broke with {_mark(standing.red)}{green}"] if standing.red else []


def _fixed(last: Telling, red: Mark, where: str, note: CardNote) -> Message:
    build, app, standing = last.build, last.app, last.standing
    took = f" after {lasted(build.finished_at - red.at)}" if build.finished_at and red.at else ""
    lines = [
        f"🟢 {where} *is green again*{took}",
        f"Fixed by {_mark(Mark.of(build))}; {_failures(standing.failures if standing else 0)} before",
        *(_broke(standing) if standing else []),
    ]
    if note.claimed_by:
        lines.append(f"{mention(note.claimed_by)} was on it")
    text = f"{plain(app.title, 150)} on {build.branch or build.tag or 'tags'} is green again{took}."
    buttons = row(link_button("Open in Bitrise", build.url, actions.OPEN_LINK))
    return Message(escape(text, 1000), [section("\n".join(lines)), buttons])


def _failures(count: int) -> str:
    return f"{count} builds failed" if count != 1 else "one build failed"


def _mark(mark: Mark | None) -> str:
    """The build at which a series turned: number, commit, first words, and by whom."""
    if mark is None:
        return "a build"
    commit = link(mark.commit_url, wording.short_hash(mark.commit_hash)) if mark.commit_hash else ""
    subject = escape(mark.subject, 120) if mark.subject else ""
    by = f"by {_author(mark.by)}" if mark.by else ""
    return " ".join(part for part in (_number(mark), commit, subject, by) if part)


def _author(name: str) -> str:
    return mention(name[1:].upper()) if name.startswith("@") else escape(name, 80)


def _number(mark: Mark | None) -> str:
    if mark is None:
        return ""
    return link(mark.url, f"#{mark.number}" if mark.number is not None else mark.slug)


def _note(note: CardNote, now: datetime) -> list[Block]:
    words = []
    if note.claimed_by:
        words.append(f"🙋 {mention(note.claimed_by)} is on it")
    if note.snoozed_until is not None and note.snoozed_until > now:
        by = f" by {mention(note.snoozed_by)}" if note.snoozed_by else ""
        words.append(f"💤 Snoozed until {when(note.snoozed_until)}{by}")
    return [context(*words)] if words else []


def _card_buttons(build: Build, app: App, note: CardNote) -> Block:
    value = BuildButton.of(build, app).encode()
    question = confirm(
        "Start it again?", f"A new build of {plain(app.title, 100)} starts as {build.label} did.", "Start it"
    )
    return row(
        None if note.claimed_by else button("I'm on it", actions.CARD_CLAIM, value, style="primary"),
        button("Snooze 4 hours", actions.CARD_SNOOZE, value),
        button("Rebuild", actions.BUILD_REBUILD, value, confirm=question),
        button("Log", actions.BUILD_LOG, value),
        link_button("Open in Bitrise", build.url, actions.OPEN_LINK),
    )


def _mentions(people: Sequence[str]) -> list[Block]:
    return [context(f"👋 {' '.join(mention(one) for one in people)}")] if people else []


def _too_long(telling: Telling) -> str:
    build = telling.build
    if telling.happening == Happening.ON_HOLD_TOO_LONG:
        return f"⏳ {wording.name(build, telling.app)} has been on hold for long"
    if telling.happening == Happening.RUNNING_TOO_LONG:
        return f"🐢 {wording.name(build, telling.app)} has been running for long"
    return ""


def _spoken(telling: Telling) -> str:
    if not _failed(telling) or telling.failure is None:
        return ""
    failure = telling.failure
    step = f"Failed in {failure.step}. " if failure.step else ""
    return escape(step + (failure.lines[-1] if failure.lines else ""), 400)


def _why(telling: Telling) -> str:
    stopped = wording.abort(telling.build)
    if stopped and ":" in stopped:
        return f"\n      {escape(stopped, 300)}"
    if _failed(telling) and telling.failure is not None and telling.failure.step:
        return f"\n      in {code(telling.failure.step)}"
    return ""
