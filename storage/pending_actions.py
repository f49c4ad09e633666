"""What somebody wants to do and somebody else must agree to: each is decided once, or runs out."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import sqlite_utils
import structlog

from domain.action import Action
from domain.audit_log import AuditEntry
from domain.message import Message
from domain.pending_action import Approvers, PendingAction, PendingActionState, UnreadableAction
from domain.recipient import Recipient
from storage.accounts import EncryptionKeyMissing
from storage.audit_log import append
from storage.database import Database
from storage.encryption import DecryptionError, SecretBox
from storage.slack_messages import change_messages_about, enqueue_message
from storage.timestamps import from_text, to_text

log = structlog.get_logger()

_FIELDS = (
    "id, team_id, channel_id, asked_by, act, deciders, asked_at, expires_at, state, decided_by, execution"
)

# What of a row must be as it was when it was sealed; state and decider change.
_BOUND = {"channel", "asked_by", "deciders", "asked_at", "expires_at", "execution"}


class PendingActions:
    """All of them, sealed: what a build is started with may hold secrets, and to agree is a right."""

    def __init__(
        self, database: Database, vault: SecretBox | None, read_action: Callable[[str], Action]
    ) -> None:
        self._database = database
        self._vault = vault
        self._read_action = read_action

    def new(self, action: Action, **more: Any) -> PendingAction:
        """A proposal that nobody knows of yet."""
        return PendingAction(id=secrets.token_hex(16), act=action, **more)

    async def begin(self, proposal: PendingAction, message: Message, entry: AuditEntry) -> None:
        """Keep it, write it down, and ask in its channel. Raises EncryptionKeyMissing, WorkspaceGone."""
        sealed = self._require_vault().encrypt(_content(proposal), "proposal", proposal.team, proposal.id)
        row = [
            proposal.id,
            proposal.team,
            proposal.channel,
            proposal.asked_by,
            sealed,
            proposal.deciders.model_dump_json(),
            to_text(proposal.asked_at),
            to_text(proposal.expires_at),
            proposal.state,
            None,
            proposal.execution,
        ]
        to = Recipient(team=proposal.team, channel=proposal.channel)

        def work(db: sqlite_utils.Database) -> None:
            marks = ", ".join("?" * len(row))
            db.execute(f"INSERT INTO proposals ({_FIELDS}) VALUES ({marks})", row)
            append(db, proposal.team, self._vault, entry, proposal.asked_at)
            enqueue_message(
                db, proposal.id, to, pending_action_subject(proposal.id), message.encode(), proposal.asked_at
            )

        await self._database.of(proposal.team).write(work)

    async def find_open(self, team: str, identity: str) -> PendingAction | None:
        """One of a workspace's proposals that nobody has decided yet. Raises EncryptionKeyMissing, DecryptionError."""
        query = f"SELECT {_FIELDS} FROM proposals WHERE team_id = ? AND id = ? AND state = 'open'"
        row = await self._database.read(lambda db: db.execute(query, [team, identity]).fetchone())
        return self._decrypt_row(row) if row is not None else None

    async def conclude(
        self,
        proposal: PendingAction,
        state: PendingActionState,
        message: Message,
        entry: AuditEntry,
        *,
        by: str | None,
        at: datetime,
        to_asker: Message | None = None,
    ) -> bool:
        """Decide it, write that down, and let its message say so; returns False where it was decided before.

        `to_asker` goes to whoever asked, in a direct message.
        """

        def work(db: sqlite_utils.Database) -> bool:
            decided = db.execute(
                "UPDATE proposals SET state = ?, decided_by = ?, decided_at = ?, act = iif(?, act, '')"
                " WHERE team_id = ? AND id = ? AND state = 'open'",
                [state, by, to_text(at), state is PendingActionState.AGREED, proposal.team, proposal.id],
            ).rowcount
            if decided:
                append(db, proposal.team, self._vault, entry, at)
                change_messages_about(
                    db, pending_action_subject(proposal.id), message.encode(), team=proposal.team
                )
            if decided and to_asker is not None:
                to = Recipient(team=proposal.team, channel=proposal.asked_by)
                enqueue_message(db, f"{proposal.id}-asker", to, "notice decided", to_asker.encode(), at)
            return bool(decided)

        return await self._database.write(work)

    async def finish(self, proposal: PendingAction) -> None:
        """What came of it is known: what it was about is kept no longer."""
        query = (
            "UPDATE proposals SET state = 'done', act = '' WHERE team_id = ? AND id = ? AND state = 'agreed'"
        )
        await self._database.write(lambda db: db.execute(query, [proposal.team, proposal.id]))

    async def interrupted(self, before: datetime) -> list[PendingAction | UnreadableAction]:
        """Those that were agreed to before then, and in whose midst a process was stopped."""
        query = f"SELECT {_FIELDS} FROM proposals WHERE state = 'agreed' AND decided_at < ?"
        rows = await self._database.read(lambda db: db.execute(query, [to_text(before)]).fetchall())
        return [self._read_row(row) for row in rows]

    async def change_message(self, proposal: PendingAction, message: Message) -> None:
        """Let its message say something else."""
        subject = pending_action_subject(proposal.id)
        await self._database.write(
            lambda db: change_messages_about(db, subject, message.encode(), team=proposal.team)
        )

    async def end_unreadable(self, unreadable: UnreadableAction, message: Message) -> None:
        """End one that can't be opened, and let its message say so."""

        def work(db: sqlite_utils.Database) -> None:
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
        """Those of all workspaces that nobody has decided in time; one that can't be opened keeps no other open."""
        query = (
            f"SELECT {_FIELDS} FROM proposals WHERE state = 'open' AND expires_at <= ? ORDER BY expires_at"
        )
        rows = await self._database.read(lambda db: db.execute(query, [to_text(now)]).fetchall())
        return [self._read_row(row) for row in rows]

    async def next_expiry(self) -> datetime | None:
        """When the next one runs out."""
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
            # A ValueError's own words hold what was sealed.
            reason = type(problem).__name__ if isinstance(problem, ValueError) else str(problem)
            identity, team, *_, execution = row
            log.error("proposals.sealed", team=team, proposal=identity, reason=reason)
            return UnreadableAction(team=team, id=identity, execution=execution)

    def _decrypt_row(self, row: Any) -> PendingAction:
        """What the row holds. Raises DecryptionError where what is sealed does not say the same."""
        identity, team, channel, asked_by, sealed, deciders, asked_at, expires_at, state, by, execution = row
        content = self._require_vault().decrypt(sealed, "proposal", team, identity)
        made = json.loads(content)
        bound = isinstance(made["act"], dict)  # before, the act alone was sealed, whose `act` is its name
        proposal = PendingAction(
            id=identity,
            team=team,
            channel=channel,
            asked_by=asked_by,
            act=self._read_action(json.dumps(made["act"]) if bound else content),
            deciders=Approvers.model_validate_json(deciders),
            asked_at=from_text(asked_at),
            expires_at=from_text(expires_at),
            state=PendingActionState(state),
            decided_by=by,
            execution=execution,
            bound=bound,
        )
        if bound and _bound_fields(proposal) != {name: made.get(name) for name in _BOUND}:
            raise DecryptionError("who asked, who decides or until when was changed")
        return proposal


def _content(proposal: PendingAction) -> str:
    """What is sealed of a proposal: the act with its secrets, and what its row says in clear for looking it up."""
    return json.dumps({"act": json.loads(proposal.act.to_json_with_secrets()), **_bound_fields(proposal)})


def _bound_fields(proposal: PendingAction) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(proposal.model_dump_json(include=_BOUND))
    return found


def pending_action_subject(identity: str) -> str:
    """What its messages are about."""
    return f"notice proposal {identity}"


def signed_text(team: str, proposal: str) -> str:
    """What a proposal's button is signed over."""
    return f"proposal {team} {proposal}"


def withdraw_pending_actions(db: sqlite_utils.Database, where: str, arguments: Sequence[Any]) -> int:
    """Forget the proposals that fit, and let the messages of the open ones say so; for use inside a transaction."""
    said = Message("This was withdrawn: whoever asked for it was erased.").encode()
    for (identity,) in db.execute(
        f"SELECT id FROM proposals WHERE state = 'open' AND {where}", arguments
    ).fetchall():
        change_messages_about(db, pending_action_subject(identity), said)
    return int(db.execute(f"DELETE FROM proposals WHERE {where}", arguments).rowcount)
