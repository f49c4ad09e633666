"""Keeps what is known of the polls up to date in a process that does not poll."""

from __future__ import annotations

from services.events import BuildsChanged, EventBus
from services.jobs.background_job import BackgroundJob
from services.polling.poller import Pollers

EVERY_SECONDS = 5.0


class PollStatusReader(BackgroundJob):
    """Reads how the polls of other bots go, for those that ask for it in the middle of something else.

    A bot that polls itself reads it whenever it looks whether it has to poll.
    """

    name = "status of polls"

    def __init__(self, pollers: Pollers, events: EventBus) -> None:
        super().__init__()
        self._pollers = pollers
        events.subscribe(BuildsChanged, lambda _event: self.wake())

    async def run_once(self) -> float | None:
        """Read the status of all polls."""
        await self._pollers.refresh()
        return EVERY_SECONDS
