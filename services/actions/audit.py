"""Writing acts into the audit log, and into the bot's own log as they are written there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import structlog

from domain.action import Action
from domain.audit_log import AuditEntry, Event, PersonalFields
from domain.redaction.redactor import redact, redact_beginning
from services.request.context import RequestContext

log = structlog.get_logger()

LONGEST_ANSWER = 300


def entry_of(
    event: Event, action: Action, context: RequestContext, *, answer: str = "", agreed_by: str | None = None
) -> AuditEntry:
    """What happened to an act, as it is written down: nothing that looks like a secret is."""
    reason = action.reason()
    return AuditEntry(
        event=event,
        act=action.act,
        personal=PersonalFields(
            person=context.person, agreed_by=agreed_by, reason=redact(reason) if reason else None
        ),
        channel=context.channel,
        app=action.app.slug if action.app is not None else "",
        about={name: redact(value) for name, value in action.audit_fields().items()},
        answer=redact_beginning(answer, LONGEST_ANSWER)[:LONGEST_ANSWER],
    )


async def write_audit_entry(context: RequestContext, entry: AuditEntry) -> None:
    """Write an entry into the workspace's chain; its hash also goes to the bot's log, which is kept elsewhere."""
    link = await context.storage.audit.append(entry, context.now())
    log.info(
        f"audit.{entry.event}",
        act=entry.act,
        team=context.team,
        person=entry.personal.person,
        channel=entry.channel,
        app=entry.app,
        about=dict(entry.about),
        answer=entry.answer,
        seq=link.seq,
        chain=link.hash,
    )


@asynccontextmanager
async def noted(
    context: RequestContext, action: str, *, app: str = "", about: Mapping[str, str] | None = None
) -> AsyncIterator[None]:
    """Around something that is done in the bot itself: written down once it is done, or why it was not."""
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
    except Exception as problem:
        answer = redact_beginning(str(problem), LONGEST_ANSWER)[:LONGEST_ANSWER]
        await write_audit_entry(context, entry.model_copy(update={"event": Event.FAILED, "answer": answer}))
        raise
    await write_audit_entry(context, entry)
