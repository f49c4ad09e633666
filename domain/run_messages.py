"""The interface that renders the final text of a message that follows a run. The application provides it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from domain.build import App
from domain.message import Message
from domain.message_state import RunNote
from domain.pipeline import Pipeline


class RunMessages(Protocol):
    """Renders messages that storage queues in the same transaction as the end of the run that they follow."""

    def render_unfollowed(self, note: RunNote, why: str) -> Message:
        """Render that the run is no longer followed; `why` ends a sentence, `{by}` in it is the user who started it."""

    def render_ended_pipeline(self, pipeline: Pipeline, app: App, note: RunNote, *, now: datetime) -> Message:
        """Render the result of a pipeline and who started it."""
