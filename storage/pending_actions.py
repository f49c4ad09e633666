"""Pending actions, which need the approval of another user. Each is decided once or expires."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import structlog

from domain.action import Action, Approvers, PendingAction, PendingActionState, UnreadableAction
from domain.audit_chain import AuditEntry
from domain.message import Message, Recipient
from domain.unit import Unit
from storage.accounts import EncryptionKeyMissing
from storage.audit_log import append
from storage.connection import Connection
from storage.database import Database, confirm
from storage.encryption import DecryptionError, SecretBox
from storage.slack_messages import change_messages_about, enqueue_message
from storage.timestamps import from_text, to_text

log = structlog.get_logger()

_FIELDS = (
    "id, team_id, channel_id, asked_by, act, deciders, asked_at, expires_at, state, decided_by, execution"
)

# Columns that must be as they were when the row was encrypted. State and decider change.
_BOUND = {"channel", "asked_by", "deciders", "asked_at", "expires_at", "execution"}


class PendingActions:
    """All pending actions, encrypted: a build's parameters may be secret, and approvers must not be forged."""

    def __init__(
        self, database: Database, vault: SecretBox | None, read_action: Callable[[str], Action]
    ) -> None:
        self._database = database
        self._vault = vault
        self._read_action = read_action

    def new(self, action: Action, **more: Any) -> PendingAction:
        """Make a new pending action, without storing it."""
        return PendingAction(id=secrets.token_hex(16), act=action, **more)

    async def begin(self, pending_action: PendingAction, message: Message, entry: AuditEntry) -> None:
        """Store a pending action, log it, and enqueue its message. Raises EncryptionKeyMissing, WorkspaceGone."""
        encrypted = self._require_vault().encrypt(
            _content(pending_action), "proposal", pending_action.team, pending_action.id
        )
        row = [
            pending_action.id,
            pending_action.team,
            pending_action.channel,
            pending_action.asked_by,
            encrypted,
            pending_action.deciders.model_dump_json(),
            to_text(pending_action.asked_at),
            to_text(pending_action.expires_at),
            pending_action.state,
            None,
            pending_action.execution,
        ]
        to = Recipient(team=pending_action.team, channel=pending_action.channel)

        def work(db: Connection) -> None:
            marks = ", ".join("?" * len(row))
            query = f"INSERT INTO proposals ({_FIELDS}) VALUES ({marks}) ON CONFLICT DO NOTHING"
            if not db.execute(query, row).rowcount:
                return  # it is stored already, but that was not confirmed
            db.wake(Unit.EXPIRE, at=pending_action.expires_at)
            enqueue_message(
                db,
                pending_action.id,
                to,
                pending_action_subject(pending_action.id),
                message.encode(),
                pending_action.asked_at,
            )
            append(db, pending_action.team, self._vault, entry, pending_action.asked_at)

        await confirm(lambda: self._database.of(pending_action.team).write(work))

    async def find_open(self, team: str, identity: str) -> PendingAction | None:
        """Return a pending action that is not decided yet, or None. Raises EncryptionKeyMissing, DecryptionError."""
        query = f"SELECT {_FIELDS} FROM proposals WHERE team_id = ? AND id = ? AND state = 'open'"
        row = await self._database.read(lambda db: db.execute(query, [team, identity]).fetchone())
        return self._decrypt_row(row) if row is not None else None

    async def conclude(
        self,
        pending_action: PendingAction,
        state: PendingActionState,
        message: Message,
        entry: AuditEntry,
        *,
        by: str | None,
        at: datetime,
        to_asker: Message | None = None,
    ) -> bool:
        """Store the decision, log it, and update the message. Returns False if it was decided otherwise before.

        `to_asker` is sent to the requester as a direct message.
        """

        def work(db: Connection) -> bool:
            db.lock("workspace", pending_action.team, shared=True)
            worker = self._database.session_locks.worker
            decided = db.execute(
                "UPDATE proposals SET state = ?, decided_by = ?, decided_at = ?, begun_by = ?,"
                " act = CASE WHEN ? = 1 THEN act ELSE '' END"
                " WHERE team_id = ? AND id = ? AND state = 'open'",
                [
                    state,
                    by,
                    to_text(at),
                    worker,
                    state is PendingActionState.AGREED,
                    pending_action.team,
                    pending_action.id,
                ],
            ).rowcount
            if decided:
                change_messages_about(
                    db, pending_action_subject(pending_action.id), message.encode(), team=pending_action.team
                )
                if pending_action.execution is not None:
                    # From now on this process carries out the step.
                    db.execute(
                        "UPDATE workflow_steps SET begun_by = ? WHERE team_id = ? AND execution = ?",
                        [worker, pending_action.team, pending_action.execution],
                    )
            else:
                # The same decision may be stored already, without a confirmation.
                query = (
                    "SELECT 1 FROM proposals WHERE team_id = ? AND id = ? AND state IN (?, 'done')"
                    " AND COALESCE(decided_by, '') = ? AND decided_at = ?"
                )
                own = [pending_action.team, pending_action.id, state, by or "", to_text(at)]
                return db.execute(query, own).fetchone() is not None
            if to_asker is not None:
                to = Recipient(team=pending_action.team, channel=pending_action.asked_by)
                enqueue_message(db, f"{pending_action.id}-asker", to, "notice decided", to_asker.encode(), at)
            append(db, pending_action.team, self._vault, entry, at)
            return True

        return await confirm(lambda: self._database.write(work))

    async def finish(self, pending_action: PendingAction) -> None:
        """Mark an approved action as done and delete its content."""
        await self._database.write(lambda db: self._finish(db, pending_action))

    def _finish(self, db: Connection, pending_action: PendingAction) -> bool:
        query = (
            "UPDATE proposals SET state = 'done', act = '' WHERE team_id = ? AND id = ? AND state = 'agreed'"
        )
        return db.execute(query, [pending_action.team, pending_action.id]).rowcount == 1

    async def begun_elsewhere(self, before: datetime) -> list[tuple[PendingAction | UnreadableAction, str]]:
        """Return approved actions that this process does not carry out and that are not finished, each with who does.

        "" stands for one that was approved before then by a version that does not store it.
        """
        query = (
            f"SELECT COALESCE(begun_by, ''), {_FIELDS} FROM proposals WHERE state = 'agreed'"
            " AND COALESCE(begun_by, '') <> ? AND (begun_by IS NOT NULL OR decided_at < ?)"
        )
        arguments = [self._database.session_locks.worker, to_text(before)]
        rows = await self._database.read(lambda db: db.execute(query, arguments).fetchall())
        return [(self._read_row(row), worker) for worker, *row in rows]

    async def end_interrupted(self, pending_action: PendingAction, message: Message) -> None:
        """End an approved action that nobody carries out any more, and change its message, unless that was done."""

        def work(db: Connection) -> None:
            if self._finish(db, pending_action):
                subject = pending_action_subject(pending_action.id)
                change_messages_about(db, subject, message.encode(), team=pending_action.team)

        await self._database.write(work)

    async def change_message(self, pending_action: PendingAction, message: Message) -> None:
        """Change the text of the action's message."""
        subject = pending_action_subject(pending_action.id)
        await self._database.write(
            lambda db: change_messages_about(db, subject, message.encode(), team=pending_action.team)
        )

    async def end_unreadable(self, unreadable: UnreadableAction, message: Message) -> None:
        """Expire an action that can't be decrypted, and update its message."""

        def work(db: Connection) -> None:
            ended = db.execute(
                "UPDATE proposals SET state = 'expired', act = '' WHERE team_id = ? AND id = ?"
                " AND state IN ('open', 'agreed')",
                [unreadable.team, unreadable.id],
            ).rowcount
            if ended:
                subject = pending_action_subject(unreadable.id)
                change_messages_about(db, subject, message.encode(), team=unreadable.team)

        await self._database.write(work)

    async def expired(self, now: datetime) -> list[PendingAction | UnreadableAction]:
        """Return the expired actions of all workspaces. One that can't be decrypted does not block the others."""
        query = (
            f"SELECT {_FIELDS} FROM proposals WHERE state = 'open' AND expires_at <= ? ORDER BY expires_at"
        )
        rows = await self._database.read(lambda db: db.execute(query, [to_text(now)]).fetchall())
        return [self._read_row(row) for row in rows]

    async def next_expiry(self) -> datetime | None:
        """Return when the next pending action expires."""
        query = "SELECT MIN(expires_at) FROM proposals WHERE state = 'open'"
        [at] = await self._database.read(lambda db: db.execute(query).fetchone())
        return from_text(at)

    def _require_vault(self) -> SecretBox:
        if self._vault is None:
            raise EncryptionKeyMissing
        return self._vault

    def _read_row(self, row: Any) -> PendingAction | UnreadableAction:
        try:
            return self._decrypt_row(row)
        except (EncryptionKeyMissing, DecryptionError, ValueError) as problem:
            # The text of a ValueError may contain the decrypted content.
            reason = type(problem).__name__ if isinstance(problem, ValueError) else str(problem)
            identity, team, *_, execution = row
            log.error("proposals.sealed", team=team, proposal=identity, reason=reason)
            return UnreadableAction(team=team, id=identity, execution=execution)

    def _decrypt_row(self, row: Any) -> PendingAction:
        """Read a row. Raises DecryptionError if its columns differ from its encrypted content."""
        identity, team, channel, asked_by, encrypted, deciders, asked_at, expires_at, *rest = row
        state, decided_by, execution = rest
        plaintext = self._require_vault().decrypt(encrypted, "proposal", team, identity)
        content = json.loads(plaintext)
        # Earlier versions encrypted only the action, whose `act` is its name.
        bound = isinstance(content["act"], dict)
        pending_action = PendingAction(
            id=identity,
            team=team,
            channel=channel,
            asked_by=asked_by,
            act=self._read_action(json.dumps(content["act"]) if bound else plaintext),
            deciders=Approvers.model_validate_json(deciders),
            asked_at=from_text(asked_at),
            expires_at=from_text(expires_at),
            state=PendingActionState(state),
            decided_by=decided_by,
            execution=execution,
            bound=bound,
        )
        if bound and _bound_fields(pending_action) != {name: content.get(name) for name in _BOUND}:
            raise DecryptionError("who asked, who decides or until when was changed")
        return pending_action


def _content(pending_action: PendingAction) -> str:
    """Return the content to encrypt: the action with its secrets, and the columns that the row also has in clear."""
    return json.dumps(
        {"act": json.loads(pending_action.act.to_json_with_secrets()), **_bound_fields(pending_action)}
    )


def _bound_fields(pending_action: PendingAction) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(pending_action.model_dump_json(include=_BOUND))
    return fields


def pending_action_subject(identity: str) -> str:
    """Return the subject of a pending action's messages."""
    return f"notice proposal {identity}"


def signed_text(team: str, identity: str) -> str:
    """Return the text that is signed for a pending action's buttons."""
    return f"proposal {team} {identity}"


def withdraw_pending_actions(db: Connection, where: str, arguments: Sequence[Any]) -> int:
    """Delete the matching actions, and say so in messages of undecided ones; for use inside a transaction."""
    text = Message("Withdrawn: the data of the person who requested this was erased.").encode()
    for (identity,) in db.execute(
        f"SELECT id FROM proposals WHERE state = 'open' AND {where}", arguments
    ).fetchall():
        change_messages_about(db, pending_action_subject(identity), text)
    return int(db.execute(f"DELETE FROM proposals WHERE {where}", arguments).rowcount)
