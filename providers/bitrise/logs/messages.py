"""A build's log: its steps, the end of one, and where a word stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.build import App, Build
from domain.log.log_parser import MOST_COUNTED, ParsedLog, Step, StepResult
from domain.message import Block, Message
from domain.provider import Provider
from messages import build_text
from messages.kit import action_ids
from messages.kit.blocks import (
    SECTION_TEXT,
    button,
    confirm,
    context,
    link_button,
    paragraphs,
    plain_text,
    row,
    section,
)
from messages.kit.button_values import InvalidButtonValue, LogButton
from messages.kit.mrkdwn import (
    ai_summary,
    block_of_code,
    code,
    cut,
    escape,
    format_duration,
    mention,
    plain,
    size,
)
from messages.kit.views import FormValues, field, modal, option, text_element

LOG_LINES = 40
MINUTES = "ten minutes"
WORD = "word"
LONGEST_WORD = 200
STEPS_SHOWN = 40
# So many options, each this long, leave room for the rest (Slack's rules: 13,200 characters of blocks).
STEPS_TO_PICK = 60
LONGEST_TITLE = 38
LONGEST_AI_SUMMARY = 1800
_RESULTS = {
    StepResult.SUCCEEDED: ("✅", "succeeded"),
    StepResult.FAILED: ("❌", "failed"),
    StepResult.SKIPPED: ("⏭️", "was skipped"),
    StepResult.ABORTED: ("🛑", "was aborted"),
    StepResult.RUNNING: ("▶️", "is running"),
    StepResult.OTHER: ("❔", "ended in another way"),
}
# Where the build was aborted or lost, the log breaks off in the step that ran.
_CUT_OFF = ("🛑", "was cut off")


@dataclass(frozen=True)
class LogView:
    """What is shown of a log. `end` is text without secrets: the end of the step `of`, or of the whole (None).

    `complete`: it was read from its beginning, without gaps; `still_growing`: it is not archived, and goes on.
    `ai_summary` is Bitrise's own; `thread` is the message to whose thread the whole log belongs if it is shared.
    """

    steps: Sequence[Step]
    end: str
    of: str | None = None
    complete: bool = True
    still_growing: bool = False
    whole_url: str | None = None
    size: int = 0
    ai_summary: str | None = None
    thread: str | None = None


def no_log(build: Build, app: App, *, now: datetime) -> Message:
    """There is no log, which is no failure."""
    if build.ended:
        why = "It has no log: it ended before it began to write one."
    else:
        why = f"It has no log yet ({build_text.elapsed_text(build, now) or 'not begun'}). Ask again in a moment."
    return Message(
        f"{escape(app.title)} {build.label}: {why}", [section(f"{build_text.build_link(build, app)}\n{why}")]
    )


def build_log(build: Build, app: App, view: LogView) -> Message:
    """The steps of a build and the end of its log, or of the step that failed, for one person."""
    head = f"Log of {build_text.build_link(build, app)}"
    if view.still_growing:
        head += (
            ", which is still being written"
            if not build.ended
            else ", which Bitrise is still putting together"
        )
    blocks = [
        section(head),
        *_steps(view, ended=build.ended),
        *_ai(view),
        *_end(view),
        *_handles(build, view),
    ]
    note = "Only you see this. Secrets that I recognise are taken out."
    if view.whole_url is not None:
        note += f" The link to the whole log lives {MINUTES}."
    failed = next((step for step in view.steps if step.result is StepResult.FAILED), None)
    spoken = f"Failed in {failed.title}. " if failed else ""
    last = view.end.rstrip().rsplit("\n", 1)[-1]
    text = f"Log of {app.title} {build.label}: {spoken}{last or 'it is still empty.'}"
    return Message(escape(text, 900), [*blocks, context(note)])


def log_hits(
    build: Build, app: App, word: str, reading: ParsedLog, *, complete: bool, still_growing: bool
) -> Message:
    """The lines of a log in which a word stands; `complete` and `still_growing` as in LogView."""
    hits, count = reading.hits, reading.hit_count
    times = "one line" if count == 1 else f"{count:,} lines{' or more' if count >= MOST_COUNTED else ''}"
    read = (
        f"the {reading.lines:,} lines" if complete else f"the last {reading.lines:,} lines, all I could read,"
    )
    head = f"{code(word)} stands in {times if count else 'none'} of {read} of {build_text.build_link(build, app)}"
    if still_growing:
        head += ", which is not whole yet"
    if not hits:
        searched = "the log" if complete else "the part of the log that I could read"
        return Message(escape(f"{word} does not stand in {searched}."), [section(head)])
    # Where the beginning is missing nobody knows a line's number.
    shown = "\n".join((f"{hit.line}  " if complete else "") + cut(hit.text.strip(), 160) for hit in hits)
    steps = list(dict.fromkeys(hit.step for hit in hits if hit.step))
    where = [context("In " + ", ".join(code(step) for step in steps[:10]))] if steps else []
    numbered = ", each with its line's number" if complete else ""
    more = [context(f"The first {len(hits)} are shown{numbered}.")] if count > len(hits) else []
    blocks = [section(head), section(block_of_code(shown, SECTION_TEXT)), *where, *more]
    return Message(escape(f"{word} stands in {times}. The first: {hits[0].text}", 900), blocks)


def search_modal(about: LogButton, *, typed: str = "", problem: str | None = None) -> Block:
    """Which word?"""
    warning = [section(f"⚠️ {escape(problem, 1000)}")] if problem else []
    return modal(
        "Search the log",
        [
            *warning,
            field(
                WORD,
                "Word or part of a line",
                text_element(typed, most=LONGEST_WORD, placeholder="error:"),
                optional=False,
                hint="Large and small letters are the same. The log is searched as far as it is written.",
            ),
        ],
        callback_id=action_ids.LOG_SEARCH_MODAL,
        private_metadata=about.encode(),
        submit="Search",
        close="Cancel",
    )


def read_word(values: Mapping[str, Any]) -> str:
    """What is looked for. `values` is the view's state as Slack sends it."""
    return FormValues(values).text(WORD).strip()


def followed_log(build: Build, app: App, text: str, *, until: datetime | None, ended: bool) -> Message:
    """A log as it grows; `until` is when the following stops."""
    name = build_text.build_link(build, app)
    if ended:
        head = f"{build_text.build_symbol(build)} {name} {build_text.result_text(build)}; this was the end of its log"
    elif until is None:
        head = f"⏹️ I have stopped following the log of {name}, which goes on"
    else:
        head = f"📜 The log of {name} as it is written, until {until:%H:%M} UTC at the latest"
    shown = (
        [section(block_of_code(text, SECTION_TEXT))] if text.strip() else [section("_It is still empty._")]
    )
    value = LogButton(app=build.app_slug, build=build.slug).encode()
    again = [] if ended or until is not None else [row(button("Follow on", action_ids.LOG_FOLLOW, value))]
    last = text.rstrip().rsplit("\n", 1)[-1]
    return Message(escape(f"Log of {app.title} {build.label}: {last}", 500), [section(head), *shown, *again])


def log_shared(build: Build, app: App, *, by: str) -> str:
    """What stands above the whole log as a file."""
    link = build_text.build_link(build, app)
    return f"The whole log of {link}, for {mention(by)}; secrets that I recognise are taken out."


def step_line(step: Step, *, ended: bool = False) -> str:
    """A step in a line: its result in words, and how long it took; `ended`: its build has, so it does not run on."""
    symbol, words = _CUT_OFF if ended and step.result is StepResult.RUNNING else _RESULTS[step.result]
    if step.took is None:
        took = ""
    else:
        took = f" {'in' if step.result is StepResult.SUCCEEDED else 'after'} {format_duration(step.took)}"
    error = f": {escape(step.error, 200)}" if step.error else ""
    return f"{symbol} {code(step.title)} {words}{took}{error}"


def log_of_block(block_id: str) -> LogButton:
    """Which log a list of steps is about. Raises InvalidButtonValue."""
    parts = block_id.split(" ")
    if len(parts) != 4 or parts[0] != "log":
        raise InvalidButtonValue
    about = {"app": parts[1], "build": parts[2]} | ({"thread": parts[3]} if parts[3] != "-" else {})
    return LogButton.read(about)


def _steps(view: LogView, *, ended: bool) -> list[Block]:
    lines = [step_line(step, ended=ended) for step in view.steps[:STEPS_SHOWN]]
    if len(view.steps) > STEPS_SHOWN:
        lines.append(f"_and {len(view.steps) - STEPS_SHOWN} more_")
    return paragraphs(lines, most_blocks=1)


def _ai(view: LogView) -> list[Block]:
    if not view.ai_summary:
        return []
    return [section(ai_summary(view.ai_summary, LONGEST_AI_SUMMARY, provider=Provider.BITRISE))]


def _end(view: LogView) -> list[Block]:
    shown = "\n".join(view.end.split("\n")[-LOG_LINES:])
    if not shown.strip():
        return [section("It is still empty." if view.still_growing else "This step wrote nothing.")]
    what = f"*The end of* {code(view.of)}" if view.of else "*The end of the log*"
    room = SECTION_TEXT - (1000 if view.ai_summary else 0)
    return [section(what), section(block_of_code(shown, room))]


def _handles(build: Build, view: LogView) -> list[Block]:
    about = LogButton(app=build.app_slug, build=build.slug, thread=view.thread)
    value = about.encode()
    elements: list[Block] = []
    if view.steps:
        options = [
            option(f"{step.number}. {plain(step.title, LONGEST_TITLE)}", str(step.number))
            for step in view.steps[:STEPS_TO_PICK]
        ]
        elements.append(
            {
                "type": "static_select",
                "action_id": action_ids.LOG_STEP,
                "placeholder": plain_text("See the end of a step", 150),
                "options": options,
            }
        )
    share = confirm(
        "Share the whole log?",
        "Everybody in the channel will be able to read it. Secrets are taken out.",
        "Share it",
    )
    elements += [button("Search…", action_ids.LOG_SEARCH, value)]
    if build.ended:
        elements += [
            button("Send me the file", action_ids.LOG_FILE, value),
            button("Share the file", action_ids.LOG_SHARE, value, confirm=share),
        ]
    else:
        elements += [button("Follow", action_ids.LOG_FOLLOW, value, label="Follow the log as it is written")]
    whole = link_button("Whole log", view.whole_url, action_ids.OPEN_LINK)
    page = link_button("Log in Bitrise", f"{build.url}?tab=log", action_ids.OPEN_LINK)
    block = row(*elements, whole or page)
    block["block_id"] = f"log {about.app} {about.build} {about.thread or '-'}"
    return [block, *_how_much(view)]


def _how_much(view: LogView) -> list[Block]:
    if not view.complete:
        return [context("I could read only the last part of this log; steps before it may be missing here.")]
    if not view.size:
        return []
    return [context(f"{size(view.size)} {'so far' if view.still_growing else 'in all'}")]
