"""The messages that follow runs, once they are not followed any longer."""

from __future__ import annotations

from datetime import datetime

from domain.build import App
from domain.message import Message
from domain.message_state import RunNote
from domain.pipeline import Pipeline
from messages import pipeline_card
from messages.started_run import add_starter, run_no_longer_updated


class RunMessageRenderer:
    """Implements `RunMessages` with the bot's own renderers."""

    def render_unfollowed(self, note: RunNote, why: str) -> Message:
        """Say that the run is not followed to its end; `why` ends a sentence, `{by}` in it is whoever started it."""
        return run_no_longer_updated(note, why)

    def render_ended_pipeline(self, pipeline: Pipeline, app: App, note: RunNote, *, now: datetime) -> Message:
        """Show how a pipeline ended, with who started it."""
        card = pipeline_card.pipeline_card(pipeline, app, now=now)
        return add_starter(card, note)
