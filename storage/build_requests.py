"""Builds that wait for approval, and the messages that ask for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime

from domain.build import BuildRequest
from domain.build_sanitizer import sanitize_request
from domain.message import Message, Recipient
from domain.provider import Provider
from storage.connection import Connection
from storage.database import Database
from storage.slack_messages import change_messages_about, enqueue_message
from storage.timestamps import to_text
from storage.watched_builds import lock_watching

RenderMessage = Callable[[BuildRequest], Message]


class BuildRequests:
    """Build requests: each is posted once per channel, and its messages finally show the outcome."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, provider: Provider, app_slug: str) -> list[BuildRequest]:
        """Return the app's requests that were open at the last poll."""
        query = "SELECT body FROM build_requests WHERE provider = ? AND app_slug = ? AND ended = 0"
        return await self._database.read(
            lambda db: [
                BuildRequest.model_validate_json(body) for (body,) in db.execute(query, [provider, app_slug])
            ]
        )

    async def find(self, provider: Provider, slug: str) -> BuildRequest | None:
        """Return a request as it was last polled."""
        query = "SELECT body FROM build_requests WHERE provider = ? AND slug = ?"
        row = await self._database.read(lambda db: db.execute(query, [provider, slug]).fetchone())
        return BuildRequest.model_validate_json(row[0]) if row else None

    async def begin(
        self, request: BuildRequest, recipients: Sequence[Recipient], message: Message, at: datetime
    ) -> bool:
        """Store a new request and enqueue its message to the recipients. Returns whether it was new."""

        def work(db: Connection) -> bool:
            lock_watching(db, [request.provider], shared=True)
            added = remember_request(db, request, at)
            for to in recipients if added else ():
                if not _is_subscribed(db, to):
                    continue  # unsubscribed in the meantime
                enqueue_message(
                    db, _parcel(request, to), to, subject_of_request(request.slug), message.encode(), at
                )
            return added

        return await self._database.write(work)

    async def end(
        self,
        provider: Provider,
        slug: str,
        message: RenderMessage,
        *,
        team: str = "",
        within: RenderMessage | None = None,
    ) -> bool:
        """Close a request and show the outcome in its messages. Returns whether it was open until now.

        Messages in the workspace `team` show `within`: the user who decided is unknown to other workspaces.
        """

        def work(db: Connection) -> bool:
            row = db.execute(
                "UPDATE build_requests SET ended = 1 WHERE provider = ? AND slug = ? AND ended = 0 RETURNING body",
                [provider, slug],
            ).fetchone()
            if row is None:
                return False
            request = BuildRequest.model_validate_json(row[0])
            change_messages_about(db, subject_of_request(request.slug), message(request).encode())
            if within is not None:
                change_messages_about(
                    db, subject_of_request(request.slug), within(request).encode(), team=team
                )
            return True

        return await self._database.write(work)


def _is_subscribed(db: Connection, to: Recipient) -> bool:
    query = "SELECT 1 FROM subscriptions WHERE team_id = ? AND channel_id = ?"
    return db.execute(query, [to.team, to.channel]).fetchone() is not None


def remember_request(db: Connection, request: BuildRequest, at: datetime) -> bool:
    """Store an open request. Returns whether it was new. For use inside a transaction."""
    body = sanitize_request(request).model_dump_json(exclude_none=True)
    added = db.execute(
        "INSERT INTO build_requests (provider, slug, app_slug, seen_at, body) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        [request.provider, request.slug, request.app_slug, to_text(at), body],
    )
    return bool(added.rowcount)


def subject_of_request(slug: str) -> str:
    """Return the subject of the request's messages."""
    return f"notice request {slug}"


def _parcel(request: BuildRequest, to: Recipient) -> str:
    """Return a parcel that is always the same for a request and recipient, so that it is sent once."""
    key = f"{request.provider} {request.slug} {to.team} {to.channel}"
    return hashlib.sha256(key.encode()).hexdigest()[:16]
