"""Builds that wait for approval, as they were last seen, and the messages that ask for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime

import sqlite_utils

from domain.build_request import BuildRequest
from domain.build_sanitizer import sanitize_request
from domain.message import Message
from domain.provider import Provider
from domain.recipient import Recipient
from storage.database import Database
from storage.slack_messages import change_messages_about, enqueue_message
from storage.timestamps import to_text

MessageOf = Callable[[BuildRequest], Message]


class BuildRequests:
    """Each is asked about once in each channel, and its message says in the end what came of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, provider: Provider, app_slug: str) -> list[BuildRequest]:
        """Those that waited in the app when it was last asked."""
        query = "SELECT body FROM build_requests WHERE provider = ? AND app_slug = ? AND ended = 0"
        return await self._database.read(
            lambda db: [
                BuildRequest.model_validate_json(body) for (body,) in db.execute(query, [provider, app_slug])
            ]
        )

    async def find(self, provider: Provider, slug: str) -> BuildRequest | None:
        """One of them as it was last seen."""
        query = "SELECT body FROM build_requests WHERE provider = ? AND slug = ?"
        row = await self._database.read(lambda db: db.execute(query, [provider, slug]).fetchone())
        return BuildRequest.model_validate_json(row[0]) if row else None

    async def begin(
        self, one: BuildRequest, recipients: Sequence[Recipient], message: Message, at: datetime
    ) -> bool:
        """Remember one that is new, and owe them the message; returns whether it was new."""

        def work(db: sqlite_utils.Database) -> bool:
            added = remember_request(db, one, at)
            for to in recipients if added else ():
                if not _is_subscribed(db, to):
                    continue  # not any more
                enqueue_message(db, _parcel(one, to), to, subject_of_request(one.slug), message.encode(), at)
            return added

        return await self._database.write(work)

    async def end(
        self,
        provider: Provider,
        slug: str,
        message: MessageOf,
        *,
        team: str = "",
        within: MessageOf | None = None,
    ) -> bool:
        """It waits no longer: let its messages say what came of it; returns whether it was open until now.

        Those in the workspace `team` say what `within` makes of it: whoever decided is nobody elsewhere.
        """

        def work(db: sqlite_utils.Database) -> bool:
            row = db.execute(
                "SELECT body FROM build_requests WHERE provider = ? AND slug = ? AND ended = 0",
                [provider, slug],
            ).fetchone()
            if row is None:
                return False
            one = BuildRequest.model_validate_json(row[0])
            db.execute(
                "UPDATE build_requests SET ended = 1 WHERE provider = ? AND slug = ?", [provider, slug]
            )
            change_messages_about(db, subject_of_request(one.slug), message(one).encode())
            if within is not None:
                change_messages_about(db, subject_of_request(one.slug), within(one).encode(), team=team)
            return True

        return await self._database.write(work)


def _is_subscribed(db: sqlite_utils.Database, to: Recipient) -> bool:
    query = "SELECT 1 FROM subscriptions WHERE team_id = ? AND channel_id = ?"
    return db.execute(query, [to.team, to.channel]).fetchone() is not None


def remember_request(db: sqlite_utils.Database, one: BuildRequest, at: datetime) -> bool:
    """Remember one that waits; returns whether it was new. For use inside a transaction."""
    body = sanitize_request(one).model_dump_json(exclude_none=True)
    added = db.execute(
        "INSERT OR IGNORE INTO build_requests (provider, slug, app_slug, seen_at, body) VALUES (?, ?, ?, ?, ?)",
        [one.provider, one.slug, one.app_slug, to_text(at), body],
    )
    return bool(added.rowcount)


def subject_of_request(slug: str) -> str:
    """What its messages are about."""
    return f"notice request {slug}"


def _parcel(one: BuildRequest, to: Recipient) -> str:
    """The same for the same request and recipient, however often it is owed."""
    return hashlib.sha256(f"{one.provider} {one.slug} {to.team} {to.channel}".encode()).hexdigest()[:16]
