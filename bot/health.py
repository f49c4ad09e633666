"""What the bot reports about itself: whether it is ready, and its metrics."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.roles import Role
from bot.service_tokens import ServiceTokenCheck
from bot.slack.connection import SlackConnection
from services.home.refresher import HomeRefresher
from services.jobs.audit_anchor import AnchorWriter
from services.jobs.supervisor import Supervisor
from services.metrics import Metrics
from services.polling.poller import Pollers
from storage.database import DatabaseUnavailable
from storage.repositories import Repositories


@dataclass(frozen=True)
class Health:
    """The state of the bot's parts for `/readyz` and `/metrics`; only the role `web` needs a connection to Slack."""

    metrics: Metrics
    storage: Repositories
    pollers: Pollers
    connection: SlackConnection
    token_check: ServiceTokenCheck
    anchor: AnchorWriter | None
    supervisor: Supervisor
    homes: HomeRefresher
    roles: Collection[Role]
    clock: Callable[[], datetime]

    async def readiness(self) -> tuple[bool, Mapping[str, Any]]:
        """Return whether the bot is ready, and the details."""
        details: dict[str, Any] = {"database": self.storage.database.is_available, "roles": self.roles}
        if Role.WEB in self.roles:
            details["slack"] = await self.connection.is_open()
            details["sockets"] = await self.connection.count_sockets()
        await self.pollers.refresh()
        for provider, poller in self.pollers.pollers.items():
            details[f"{provider}_failures"] = poller.failures
        if self.anchor is not None:
            details["audit_anchor"] = self.anchor.state
            with suppress(DatabaseUnavailable):
                details["audit_anchor_waiting"] = await self.anchor.waiting()
        last = self.pollers.last_success
        details["last_look"] = last.isoformat() if last else None
        return await self._is_ready(), details

    async def _is_ready(self) -> bool:
        return (
            (Role.WEB not in self.roles or await self.connection.is_open())
            and self.storage.database.is_available
            and self.token_check.has_passed
            and not self.supervisor.is_stopping
        )

    async def render_metrics(self) -> bytes:
        """Return the metrics in Prometheus' text format; while the database is away, its last known numbers."""
        metrics = self.metrics
        with suppress(DatabaseUnavailable):
            metrics.outbox_depth.set(await self.storage.outbox.depth())
            metrics.audit_anchor_waiting.set(await self.anchor.waiting() if self.anchor is not None else 0)
            metrics.subscriptions.set(await self.storage.subscriptions.count())
            metrics.oldest_due = await self.storage.outbox.oldest_due(self.clock())
        metrics.record_outbox_age(self.clock())
        await self.pollers.refresh()
        for provider, poller in self.pollers.pollers.items():
            last = poller.last_success.timestamp() if poller.last_success else 0
            metrics.record_poll_state(
                provider, failures=poller.failures, circuit_open=poller.is_circuit_open, last=last
            )
        metrics.sockets.set(await self.connection.count_sockets())
        metrics.homes.set(self.homes.open_homes)
        metrics.ready.set(await self._is_ready())
        metrics.database_available.set(self.storage.database.is_available)
        return metrics.render()
