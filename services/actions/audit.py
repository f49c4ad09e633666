"""Audit entries of actions, written to the audit log and to the bot's own log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import structlog

from domain.action import Action
from domain.audit_chain import AuditEntry, Event, PersonalFields
from domain.redaction.redactor import redact, redact_beginning
from services.request.context import RequestContext

log = structlog.get_logger()

LONGEST_ANSWER = 300


def build_audit_entry(
    event: Event, action: Action, context: RequestContext, *, answer: str = "", agreed_by: str | None = None
) -> AuditEntry:
    """Return the entry for an action of the user of the context, secrets redacted."""
    return entry_for(
        event, action, person=context.person, channel=context.channel, answer=answer, agreed_by=agreed_by
    )


def entry_for(
    event: Event, action: Action, *, person: str, channel: str, answer: str = "", agreed_by: str | None = None
) -> AuditEntry:
    """Return the entry for a user's action, secrets redacted."""
    reason = action.reason()
    return AuditEntry(
        event=event,
        act=action.act,
        personal=PersonalFields(
            person=person, agreed_by=agreed_by, reason=redact(reason) if reason else None
        ),
        channel=channel,
        app=action.app.slug if action.app is not None else "",
        about={name: redact(value) for name, value in action.audit_fields().items()},
        answer=redact_beginning(answer, LONGEST_ANSWER)[:LONGEST_ANSWER],
    )


async def write_audit_entry(context: RequestContext, entry: AuditEntry) -> None:
    """Append an entry to the workspace's chain, and log its hash: the bot's log is stored elsewhere."""
    record = await context.storage.audit_log.append(entry, context.now())
    log.info(
        f"audit.{entry.event}",
        act=entry.act,
        team=context.team,
        person=entry.personal.person,
        channel=entry.channel,
        app=entry.app,
        about=dict(entry.about),
        answer=entry.answer,
        seq=record.seq,
        chain=record.hash,
    )


@asynccontextmanager
async def audited(
    context: RequestContext, action: str, *, app: str = "", about: Mapping[str, str] | None = None
) -> AsyncIterator[None]:
    """Audit a change inside the bot that this block makes: that it was made, or why it failed."""
    entry = AuditEntry(
        event=Event.DONE,
        act=action,
        personal=PersonalFields(person=context.person),
        channel=context.channel,
        app=app,
        about=dict(about or {}),
    )
    try:
        yield
    except Exception as error:
        answer = redact_beginning(str(error), LONGEST_ANSWER)[:LONGEST_ANSWER]
        await write_audit_entry(context, entry.model_copy(update={"event": Event.FAILED, "answer": answer}))
        raise
    await write_audit_entry(context, entry)
