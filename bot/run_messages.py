"""Final messages of runs that were started in Slack."""

from __future__ import annotations

from datetime import datetime

from domain.build import App
from domain.message import Message, RunNote
from domain.pipeline import Pipeline
from messages import pipeline_card
from messages.started_run import add_starter, run_no_longer_updated


class RunMessageRenderer:
    """Implements `RunMessages` with the bot's own renderers."""

    def render_unfollowed(self, note: RunNote, why: str) -> Message:
        """Render that the run is no longer updated; `why` ends a sentence, `{by}` in it is the user who started it."""
        return run_no_longer_updated(note, why)

    def render_ended_pipeline(self, pipeline: Pipeline, app: App, note: RunNote, *, now: datetime) -> Message:
        """Render the result of a pipeline, with the user who started it."""
        card = pipeline_card.pipeline_card(pipeline, app, now=now)
        return add_starter(card, note)
