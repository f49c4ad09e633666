"""The right to deliver to channels: of several bots on a database, one at a time has that of a channel."""

from __future__ import annotations

import structlog

from domain.message import Recipient
from storage.session_locks import SessionLocks

log = structlog.get_logger()


class ChannelLost(Exception):
    """The channel's lock may have been lost, so nothing may be sent any more: another bot may be delivering."""


class ChannelLocks:
    """The locks of channels, by the bot's session at the database."""

    def __init__(self, locks: SessionLocks) -> None:
        self._locks = locks

    @property
    def is_alone(self) -> bool:
        """Whether no other bot uses the database."""
        return self._locks.is_alone

    async def acquire(self, to: Recipient) -> float | None:
        """Acquire the channel; return since when this bot has had it, by `time.monotonic`.

        None if another bot has it, or another task of this one. Raises DatabaseUnavailable.
        """
        return await self._locks.acquire(*_name(to))

    async def release(self, to: Recipient) -> None:
        """Release the channel."""
        await self._locks.release(*_name(to))

    def check(self, to: Recipient) -> None:
        """Raise ChannelLost unless the channel's lock is certainly held."""
        if not self._locks.is_held(*_name(to)):
            log.info("relay.channel_lost", channel=to.channel)
            raise ChannelLost


def _name(to: Recipient) -> tuple[str, str, str]:
    return ("channel", to.team, to.channel)
