"""Slack's limits per workspace, as token buckets that all bots on a database share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from storage.connection import Connection
from storage.database import Database


@dataclass(frozen=True)
class Budget:
    """A limit of one kind of call in a workspace: `capacity` at once, and so many more in a minute."""

    kind: str
    capacity: float
    a_minute: float


_ELAPSED = "(CASE WHEN :now > budgets.at THEN :now - budgets.at ELSE 0 END)"
_REFILLED = f"(budgets.free + {_ELAPSED} * :a_second)"
_FREE = f"(CASE WHEN {_REFILLED} > :capacity THEN :capacity ELSE {_REFILLED} END)"
_LATEST = "CASE WHEN :now > budgets.at THEN :now ELSE budgets.at END"
# The bots' clocks differ: the one that is ahead of the others refills the bucket, which keeps the rate.
_TAKE = (
    "INSERT INTO budgets (team_id, kind, free, at) VALUES (:team, :kind, :capacity - 1, :now)"
    f" ON CONFLICT (team_id, kind) DO UPDATE SET free = {_FREE} - 1, at = {_LATEST} WHERE {_FREE} >= :needed"
)
_READ = f"SELECT {_FREE} FROM budgets WHERE team_id = :team AND kind = :kind"
_HOLD = (
    "INSERT INTO budgets (team_id, kind, free, at) VALUES (:team, :kind, :debt, :now)"
    f" ON CONFLICT (team_id, kind) DO UPDATE SET free = CASE WHEN {_FREE} < :debt THEN {_FREE} ELSE :debt END,"
    f" at = {_LATEST}"
)


class Budgets:
    """The budgets of all workspaces. A bot that is alone with its database needs none of them."""

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        """`now` returns seconds since 1970."""
        self._database = database
        self._now = now

    @property
    def is_needed(self) -> bool:
        """Whether other bots may make calls too."""
        return not self._database.session_locks.is_alone

    async def take(self, team: str, budget: Budget, *, reserved: float = 0) -> float:
        """Take one call from the budget if more than `reserved` are free.

        Returns 0, or the seconds until there may be enough; then none was taken. Raises DatabaseUnavailable,
        WorkspaceGone.
        """
        needed = min(1 + reserved, budget.capacity)
        values = self._values(team, budget)

        def work(db: Connection) -> float:
            if db.execute(_TAKE, values | {"needed": needed}).rowcount:
                return 0.0
            row = db.execute(_READ, values).fetchone()
            free = row[0] if row is not None else needed
            return max((needed - free) * 60 / budget.a_minute, 0.0) + 0.001

        return await self._database.of(team).write(work)

    async def hold(self, team: str, budget: Budget, seconds: float) -> None:
        """Allow no call for so many seconds, because Slack asked for a pause. Raises what `take` does."""
        values = self._values(team, budget) | {"debt": -seconds * budget.a_minute / 60}
        await self._database.of(team).write(lambda db: db.execute(_HOLD, values))

    def _values(self, team: str, budget: Budget) -> dict[str, Any]:
        return {
            "team": team,
            "kind": budget.kind,
            "now": self._now(),
            "a_second": budget.a_minute / 60,
            "capacity": float(budget.capacity),
        }
