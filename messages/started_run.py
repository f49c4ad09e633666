"""The message that follows a run from its start to its end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.build import App
from domain.message import Block, Message, RunNote
from domain.pipeline import Pipeline
from messages import pipeline_card
from messages.kit.blocks import context, section
from messages.kit.mrkdwn import cut_markup, mention


def run_started(note: RunNote, buttons: Sequence[Block]) -> Message:
    """Say that a run was started, before the bot has seen it. `buttons` are rows of buttons."""
    words = f"{mention(note.by)} {note.said}"
    return Message(words, [section(f"{note.symbol} {words}".strip()), *buttons])


def add_notice(message: Message, notice: str) -> Message:
    """Put a notice below the message."""
    return Message(cut_markup(f"{message.text}. {notice}", 3500), [*message.blocks, context(notice)])


def run_no_longer_updated(note: RunNote, why: str) -> Message:
    """Say that the message is no longer updated: `why` ends a sentence; `{by}` in it becomes who started the run."""
    words = f"{mention(note.by)} {note.said}" if note.by else ""
    ending = f"This message is no longer updated: {why.replace('{by}', mention(note.by) if note.by else 'anyone')}."
    blocks = [section(f"{note.symbol} {words}".strip())] if words else []
    text = cut_markup(f"{words}. {ending}" if words else ending, 3500)
    return Message(text, [*blocks, section(f"⚠️ {ending}")])


def add_starter(message: Message, note: RunNote) -> Message:
    """Put who started the run above the message about it; unchanged if nobody in the workspace did."""
    if not note.by:
        return message
    words = f"{mention(note.by)} {note.said}"
    head = context(f"{note.symbol} {words}".strip())
    return Message(cut_markup(f"{words}. {message.text}", 3500), [head, *message.blocks])


class RunMessageRenderer:
    """Implements `RunMessages` with the bot's own renderers."""

    def render_unfollowed(self, note: RunNote, why: str) -> Message:
        """Render that the run is no longer updated; `why` ends a sentence, `{by}` in it is the user who started it."""
        return run_no_longer_updated(note, why)

    def render_ended_pipeline(self, pipeline: Pipeline, app: App, note: RunNote, *, now: datetime) -> Message:
        """Render the result of a pipeline, with the user who started it."""
        card = pipeline_card.pipeline_card(pipeline, app, now=now)
        return add_starter(card, note)
