"""Failed builds whose logs have to be read, and the failures found in them."""

from __future__ import annotations

from datetime import datetime

from domain.build import FrozenModel
from domain.log.failure import Failure
from domain.provider import Provider
from domain.unit import Unit
from storage.connection import Connection
from storage.database import Database
from storage.slack_messages import refresh_messages_of
from storage.timestamps import from_text, to_text
from storage.watched_builds import lock_watching


class PendingAnalysis(FrozenModel):
    """A failed build whose log is to be read at `due`, after `tries` attempts."""

    provider: Provider
    app_slug: str
    build_slug: str
    due: datetime
    tries: int


class FailureAnalyses:
    """The queue of logs to read, and the causes of failures."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def next(self, provider: Provider) -> PendingAnalysis | None:
        """Return the provider's failed build whose log is due first."""
        query = (
            "SELECT provider, app_slug, build_slug, failure_due, failure_tries FROM builds"
            " WHERE failure_due IS NOT NULL AND provider = ? ORDER BY failure_due LIMIT 1"
        )
        row = await self._database.read(lambda db: db.execute(query, [provider]).fetchone())
        if row is None:
            return None
        provider, app_slug, build_slug, due, tries = row
        return PendingAnalysis(
            provider=provider, app_slug=app_slug, build_slug=build_slug, due=from_text(due), tries=tries
        )

    async def postpone(self, pending: PendingAnalysis, at: datetime) -> None:
        """Schedule another attempt to read the log."""

        def work(db: Connection) -> None:
            db.execute(
                "UPDATE builds SET failure_due = ?, failure_tries = failure_tries + 1"
                " WHERE provider = ? AND build_slug = ?",
                [to_text(at), pending.provider, pending.build_slug],
            )
            db.wake(Unit.READ_LOG, pending.provider, at=at)

        await self._database.write(work)

    async def conclude(self, pending: PendingAnalysis, failure: Failure | None) -> None:
        """Store the result once the log was read or was given up, and add it to messages about the failure."""

        def work(db: Connection) -> None:
            lock_watching(db, [pending.provider])
            db.execute(
                "UPDATE builds SET failure_due = NULL, failure = ? WHERE provider = ? AND build_slug = ?",
                [failure and failure.model_dump_json(), pending.provider, pending.build_slug],
            )
            if failure is not None:
                refresh_messages_of(db, pending.provider, pending.build_slug)

        await self._database.write(work)


def store_failure(db: Connection, provider: Provider, build_slug: str, failure: Failure) -> None:
    """Store the cause of a failure that is known without a log; for use inside a transaction."""
    query = "UPDATE builds SET failure = ? WHERE provider = ? AND build_slug = ?"
    db.execute(query, [failure.model_dump_json(), provider, build_slug])


def schedule_analyses(db: Connection, provider: Provider, build_slugs: list[str], at: datetime) -> None:
    """Schedule the logs of these failed builds to be read; for use inside a transaction."""
    db.executemany(
        "UPDATE builds SET failure_due = ? WHERE provider = ? AND build_slug = ?",
        [(to_text(at), provider, slug) for slug in build_slugs],
    )
    if build_slugs:
        db.wake(Unit.READ_LOG, provider)
