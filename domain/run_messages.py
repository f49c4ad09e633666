"""What a message that follows a run says once it is not followed any longer; filled in by the program's assembly."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from domain.build import App
from domain.message import Message
from domain.message_state import RunNote
from domain.pipeline import Pipeline


class RunMessages(Protocol):
    """Renders the messages that storage writes in the same transaction as the end of what they follow."""

    def render_unfollowed(self, note: RunNote, why: str) -> Message:
        """Say that the run is not followed to its end; `why` ends a sentence, `{by}` in it is whoever started it."""

    def render_ended_pipeline(self, pipeline: Pipeline, app: App, note: RunNote, *, now: datetime) -> Message:
        """Show how a pipeline ended, with who started it."""
