"""Messages about a build's log: its steps, the end of a step, and search results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.build import App, Build
from domain.log.log_parser import MAX_COUNTED_HITS, ParsedLog, Step, StepResult
from domain.message import Block, Message
from messages import build_text
from messages.kit import action_ids as shared_action_ids
from messages.kit.blocks import (
    SECTION_TEXT,
    button,
    confirm,
    context,
    first_lines,
    link_button,
    paragraphs,
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
    when,
)
from messages.kit.views import FormValues, option, select
from providers.bitrise import action_ids
from providers.bitrise.provider import BITRISE

LOG_LINES = 40
MINUTES = "10 minutes"
WORD = "word"
STEPS_SHOWN = 40
# This many options of this length leave room for the other blocks (Slack's rules: 13,200 characters of blocks).
STEPS_TO_PICK = 60
LONGEST_TITLE = 38
LONGEST_AI_SUMMARY = 1800
_RESULTS = {
    StepResult.SUCCEEDED: ("✅", "succeeded"),
    StepResult.FAILED: ("❌", "failed"),
    StepResult.SKIPPED: ("⏭️", "was skipped"),
    StepResult.ABORTED: ("🛑", "was aborted"),
    StepResult.RUNNING: ("▶️", "is running"),
    StepResult.OTHER: ("❔", "finished with an unknown result"),
}
# If the build was aborted or lost, the log ends within the step that was running.
_CUT_OFF = ("🛑", "was cut off")


@dataclass(frozen=True)
class LogView:
    """The content of a log message. `end` is text without secrets: the end of the step `of`, or of the log (None).

    `complete`: the log was read from its beginning, without gaps; `still_growing`: it is not archived, and goes on.
    `ai_summary` is Bitrise's own; `thread` is the message in whose thread the whole log is shared.
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
    """Render the message that a build has no log, which is not an error."""
    if build.ended:
        reason = "No log: the build finished before it wrote one."
    else:
        reason = (
            f"No log yet ({build_text.elapsed_text(build, now) or 'not started'}). Try again in a moment."
        )
    return Message(
        f"{escape(app.title)} {build.label}: {reason}",
        [section(f"{build_text.build_link(build, app)}\n{reason}")],
    )


def build_log(build: Build, app: App, view: LogView) -> Message:
    """Render the steps of a build and the end of its log, or of the failed step, for one user."""
    head = f"Log of {build_text.build_link(build, app)}"
    if view.still_growing:
        head += " · in progress" if not build.ended else " · processing at Bitrise"
    blocks = [
        section(head),
        *_steps(view, ended=build.ended),
        *_ai_summary(view),
        *_end(view),
        *_buttons(build, view),
    ]
    note = "Only visible to you. Known secrets are redacted."
    if view.whole_url is not None:
        note += f" The link to the full log expires in {MINUTES}."
    failed = next((step for step in view.steps if step.result is StepResult.FAILED), None)
    failure = f"Failed in {failed.title}. " if failed else ""
    last_line = view.end.rstrip().rsplit("\n", 1)[-1]
    text = f"Log of {app.title} {build.label}: {failure}{last_line or 'empty so far.'}"
    return Message(escape(text, 900), [*blocks, context(note)])


def log_hits(
    build: Build, app: App, word: str, reading: ParsedLog, *, complete: bool, still_growing: bool
) -> Message:
    """Render the lines of a log that contain a word; `complete` and `still_growing` as in LogView."""
    hits, count = reading.hits, reading.hit_count
    times = "1 line" if count == 1 else f"{count:,} lines{' or more' if count >= MAX_COUNTED_HITS else ''}"
    searched_lines = f"the {reading.lines:,} lines" if complete else f"the last {reading.lines:,} lines"
    name = build_text.build_link(build, app)
    head = f"{code(word)} is in {times if count else 'none'} of {searched_lines} of {name}"
    if not complete:
        head += "; earlier lines couldn't be read"
    if still_growing:
        head += "; the log isn't complete yet"
    if not hits:
        searched_part = "the log" if complete else "the part of the log that could be read"
        return Message(escape(f"{word} isn't in {searched_part}."), [section(head)])
    # If the beginning is missing, line numbers are unknown.
    lines = "\n".join((f"{hit.line}  " if complete else "") + cut(hit.text.strip(), 160) for hit in hits)
    steps = list(dict.fromkeys(hit.step for hit in hits if hit.step))
    step_note = [context("In " + ", ".join(code(step) for step in steps[:10]))] if steps else []
    numbered = ", with line numbers" if complete else ""
    cut_note = [context(f"The first {len(hits)} are shown{numbered}.")] if count > len(hits) else []
    blocks = [section(head), section(block_of_code(lines, SECTION_TEXT)), *step_note, *cut_note]
    return Message(escape(f"{word} is in {times}. The first: {hits[0].text}", 900), blocks)


def read_word(values: FormValues) -> str:
    """Return the searched word."""
    return values.text(WORD).strip()


def followed_log(build: Build, app: App, text: str, *, until: datetime | None, ended: bool) -> Message:
    """Render the end of a followed log; `until` is when the follower stops, None after it has stopped."""
    name = build_text.build_link(build, app)
    if ended:
        head = (
            f"{build_text.build_symbol(build)} {name} {build_text.result_text(build)}. Last lines of its log"
        )
    elif until is None:
        head = f"⏹️ No longer following the log of {name}, which continues"
    else:
        head = f"📜 Following the log of {name} until {when(until)} at the latest"
    content = [section(block_of_code(text, SECTION_TEXT))] if text.strip() else [section("_Empty so far._")]
    value = LogButton(app=build.app_slug, build=build.slug).encode()
    buttons = (
        [] if ended or until is not None else [row(button("Keep following", action_ids.LOG_FOLLOW, value))]
    )
    last_line = text.rstrip().rsplit("\n", 1)[-1]
    return Message(
        escape(f"Log of {app.title} {build.label}: {last_line}", 500), [section(head), *content, *buttons]
    )


def log_shared(build: Build, app: App, *, by: str) -> str:
    """Render the text above the file with the whole log."""
    link = build_text.build_link(build, app)
    return f"Full log of {link}, requested by {mention(by)}. Known secrets are redacted."


def step_line(step: Step, *, ended: bool = False) -> str:
    """Render a step in one line: its result and duration; `ended`: its build has ended, so it is not running."""
    symbol, result = _CUT_OFF if ended and step.result is StepResult.RUNNING else _RESULTS[step.result]
    if step.took is None:
        took = ""
    else:
        took = f" {'in' if step.result is StepResult.SUCCEEDED else 'after'} {format_duration(step.took)}"
    error = f": {escape(step.error, 200)}" if step.error else ""
    return f"{symbol} {code(step.title)} {result}{took}{error}"


def log_of_block(block_id: str) -> LogButton:
    """Return the log whose steps the block lists. Raises InvalidButtonValue."""
    parts = block_id.split(" ")
    if len(parts) != 4 or parts[0] != "log":
        raise InvalidButtonValue
    fields = {"app": parts[1], "build": parts[2]} | ({"thread": parts[3]} if parts[3] != "-" else {})
    return LogButton.read(fields)


def _steps(view: LogView, *, ended: bool) -> list[Block]:
    lines = [step_line(step, ended=ended) for step in view.steps]
    return paragraphs(first_lines(lines, STEPS_SHOWN), max_blocks=1)


def _ai_summary(view: LogView) -> list[Block]:
    if not view.ai_summary:
        return []
    return [section(ai_summary(view.ai_summary, LONGEST_AI_SUMMARY, provider=BITRISE))]


def _end(view: LogView) -> list[Block]:
    lines = "\n".join(view.end.split("\n")[-LOG_LINES:])
    if not lines.strip():
        return [section("Empty so far." if view.still_growing else "This step has no output.")]
    heading = f"*Last lines of* {code(view.of)}" if view.of else "*Last lines of the log*"
    max_characters = SECTION_TEXT - (1000 if view.ai_summary else 0)
    return [section(heading), section(block_of_code(lines, max_characters))]


def _buttons(build: Build, view: LogView) -> list[Block]:
    button_value = LogButton(app=build.app_slug, build=build.slug, thread=view.thread)
    value = button_value.encode()
    elements: list[Block] = []
    if view.steps:
        options = [
            option(f"{step.number}. {plain(step.title, LONGEST_TITLE)}", str(step.number))
            for step in view.steps[:STEPS_TO_PICK]
        ]
        elements.append(select(options, "Show step") | {"action_id": action_ids.LOG_STEP})
    share = confirm(
        "Share the full log?",
        "Everyone in the channel will be able to read it. Known secrets are redacted.",
        "Share",
    )
    elements += [button("Search…", action_ids.LOG_SEARCH, value)]
    if build.ended:
        elements += [
            button("Send me the file", action_ids.LOG_FILE, value),
            button("Share the file", action_ids.LOG_SHARE, value, confirm=share),
        ]
    else:
        elements += [
            button("Follow", action_ids.LOG_FOLLOW, value, label="Follow the log while it is written")
        ]
    whole = link_button("Open full log", view.whole_url, shared_action_ids.OPEN_LINK)
    page = link_button("Open log in Bitrise", f"{build.url}?tab=log", shared_action_ids.OPEN_LINK)
    block = row(*elements, whole or page)
    block["block_id"] = f"log {button_value.app} {button_value.build} {button_value.thread or '-'}"
    return [block, *_size_note(view)]


def _size_note(view: LogView) -> list[Block]:
    if not view.complete:
        return [context("Only the end of this log could be read; earlier steps may be missing.")]
    if not view.size:
        return []
    return [context(f"{size(view.size)} {'so far' if view.still_growing else 'in total'}")]
