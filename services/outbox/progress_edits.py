"""Periodic edits of messages that show a running build, until it has ended."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from domain.message import Recipient
from domain.provider import Provider
from storage.outbox import DELIVERED
from storage.repositories import Repositories
from storage.slack_messages import RunningMessage

# A build that has run for this many intervals is edited less often: a minute matters little to a build of a day.
FEWER_AFTER = 480


class ProgressEdits:
    """Knows which messages show a running build, and when each was last edited.

    It is a cache: the storage is read again several times per interval while something runs. `every` is in seconds.
    `is_current` returns whether a provider's state is known as of now; if not, there is no progress to show.
    `clock_at` returns a provider's clock, which dates its builds.
    """

    def __init__(
        self,
        storage: Repositories,
        *,
        clock: Callable[[], datetime],
        every: float,
        is_current: Callable[[Provider], bool],
        clock_at: Callable[[Provider], Callable[[], datetime]],
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._every = timedelta(seconds=every)
        self._is_current = is_current
        self._clock_at = clock_at
        self._running: dict[str, RunningMessage] = {}
        self._edited: dict[str, datetime] = {}
        self._check_at: datetime | None = clock()
        self._posted = 0
        storage.database.listen(DELIVERED, self._hear_delivery, of_others=True)

    def message_posted(self) -> None:
        """Note that a new message, which is stored, may show something running."""
        self._posted += 1
        if self._check_at is None:
            self._check_at = self._clock() + self._every / 5

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it."""
        self._running = {
            parcel: message for parcel, message in self._running.items() if message.recipient.team != team
        }

    async def recipients(self) -> Collection[Recipient]:
        """Return the recipients with a message to edit now."""
        await self._refresh()
        now = self._clock()
        return {message.recipient for message in self._running.values() if self._is_due(message, now)}

    async def next_of(self, to: Recipient) -> tuple[str, datetime] | None:
        """Return the recipient's message to edit first, and the time of its last edit."""
        await self._refresh()
        now = self._clock()
        due = [
            message
            for message in self._running.values()
            if message.recipient == to and self._is_due(message, now)
        ]
        found = min(due, key=self._last_edit, default=None)
        return (found.parcel, self._last_edit(found)) if found is not None else None

    def note_edit(self, parcel: str) -> None:
        """Note that the message was just edited, or can't be edited now."""
        if parcel in self._running:
            self._edited[parcel] = self._clock()

    def _hear_delivery(self, parcel: str | None) -> None:
        """Note what another bot has posted or edited, so that a message is edited once per interval."""
        message = self._running.get(parcel) if parcel is not None else None
        if message is None:
            self.message_posted()
        elif self._is_due(message, self._clock()):
            self.note_edit(message.parcel)

    @property
    def next_at(self) -> datetime | None:
        """The time of the next edit or check; None if nothing runs."""
        if self._check_at is None:
            return None
        due_times = (
            self._last_edit(message) + self._interval(message)
            for message in self._running.values()
            if self._has_current_state(message)
        )
        now = self._clock()
        return min((time for time in (*due_times, self._check_at) if time > now), default=now)

    async def _refresh(self) -> None:
        now = self._clock()
        # A clock that was set back must not delay this.
        if self._check_at is None or now < self._check_at <= now + self._every:
            return
        posted = self._posted
        running = await self._storage.slack_messages.running()
        self._running = {message.parcel: message for message in running}
        self._edited = {parcel: at for parcel, at in self._edited.items() if parcel in self._running}
        # A message that was stored meanwhile may be missing.
        self._check_at = now + self._every / 5 if running or self._posted != posted else None

    def _is_due(self, message: RunningMessage, now: datetime) -> bool:
        elapsed = now - self._last_edit(message)
        return self._has_current_state(message) and not timedelta(0) <= elapsed < self._interval(message)

    def _has_current_state(self, message: RunningMessage) -> bool:
        return self._is_current(message.provider)

    def _last_edit(self, message: RunningMessage) -> datetime:
        return self._edited.get(message.parcel, message.sent_at)

    def _interval(self, message: RunningMessage) -> timedelta:
        return max(self._every, (self._clock_at(message.provider)() - message.since) / FEWER_AFTER)
