"""Messages that show something running: each is edited again and again until that has ended."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from domain.provider import Provider
from domain.recipient import Recipient
from storage.repositories import Repositories
from storage.slack_messages import RunningMessage

# A minute's progress is worth nothing to a build of a day: what has run for so many intervals is edited less often.
FEWER_AFTER = 480


class ProgressEdits:
    """Knows which messages show something that runs, and when each was edited last.

    It is a cache: the storage is asked anew several times an interval, for as long as something runs. `every` is in
    seconds. `is_current` says whether a provider's state is known as of now: if it is not, there is no progress to
    show. `clock_at` gives a provider's clock, by which it dates what it runs.
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

    def message_posted(self) -> None:
        """Say that there may be one more."""
        if self._check_at is None:
            self._check_at = self._clock() + self._every / 5

    def forget(self, team: str) -> None:
        """The app is gone from the workspace."""
        self._running = {parcel: one for parcel, one in self._running.items() if one.recipient.team != team}

    async def recipients(self) -> Collection[Recipient]:
        """Those who have a message that is to be edited now."""
        await self._refresh()
        now = self._clock()
        return {one.recipient for one in self._running.values() if self._is_due(one, now)}

    def next_of(self, to: Recipient) -> tuple[str, datetime] | None:
        """The recipient's message that is to be edited first, and when it was edited last."""
        now = self._clock()
        due = [one for one in self._running.values() if one.recipient == to and self._is_due(one, now)]
        found = min(due, key=self._last, default=None)
        return (found.parcel, self._last(found)) if found is not None else None

    def note_edit(self, parcel: str) -> None:
        """Say that the message has just been edited, or that it can't be now."""
        if parcel in self._running:
            self._edited[parcel] = self._clock()

    @property
    def next_at(self) -> datetime | None:
        """When there is something to do; None where nothing runs."""
        if self._check_at is None:
            return None
        dues = (self._last(one) + self._interval(one) for one in self._running.values() if self._may(one))
        now = self._clock()
        return min((one for one in (*dues, self._check_at) if one > now), default=now)

    async def _refresh(self) -> None:
        now = self._clock()
        # A clock that was set back must not put this off.
        if self._check_at is None or now < self._check_at <= now + self._every:
            return
        running = await self._storage.slack_messages.running()
        self._running = {one.parcel: one for one in running}
        self._edited = {parcel: at for parcel, at in self._edited.items() if parcel in self._running}
        self._check_at = now + self._every / 5 if running else None

    def _is_due(self, one: RunningMessage, now: datetime) -> bool:
        spent = now - self._last(one)
        return self._may(one) and not timedelta(0) <= spent < self._interval(one)

    def _may(self, one: RunningMessage) -> bool:
        return self._is_current(one.provider)

    def _last(self, one: RunningMessage) -> datetime:
        return self._edited.get(one.parcel, one.sent_at)

    def _interval(self, one: RunningMessage) -> timedelta:
        return max(self._every, (self._clock_at(one.provider)() - one.since) / FEWER_AFTER)
