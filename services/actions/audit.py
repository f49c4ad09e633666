"""Audit entries of actions, written to the audit log and to the bot's own log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import structlog

from domain.action import Action
from domain.audit_chain import AuditEntry, Event, PersonalFields
from domain.build import App
from domain.redaction.redactor import redact, redact_beginning
from services.request.context import RequestContext

log = structlog.get_logger()

LONGEST_ANSWER = 300


async def audit_action(
    event: Event, action: Action, context: RequestContext, *, answer: str = "", agreed_by: str | None = None
) -> None:
    """Audit an action of the user of the context."""
    entry = action_entry(
        event, action, person=context.person, channel=context.channel, answer=answer, agreed_by=agreed_by
    )
    await _append_entry(context, entry)


async def audit_refusal(
    act: str, context: RequestContext, reason: str, *, app: App | None, about: Mapping[str, str] | None = None
) -> None:
    """Audit that the user of the context may not make a change inside the bot."""
    entry = _change_entry(act, context, app, about)
    await _append_entry(context, entry.model_copy(update={"event": Event.REFUSED, "answer": reason}))


def action_entry(
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
        about=_redact_values(action.audit_fields()),
        answer=redact_beginning(answer, LONGEST_ANSWER)[:LONGEST_ANSWER],
    )


async def _append_entry(context: RequestContext, entry: AuditEntry) -> None:
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
    context: RequestContext, act: str, *, app: App | None = None, about: Mapping[str, str] | None = None
) -> AsyncIterator[None]:
    """Audit a change inside the bot that this block makes: that it was made, or why it failed."""
    entry = _change_entry(act, context, app, about)
    try:
        yield
    except Exception as error:
        answer = redact_beginning(str(error), LONGEST_ANSWER)[:LONGEST_ANSWER]
        await _append_entry(context, entry.model_copy(update={"event": Event.FAILED, "answer": answer}))
        raise
    await _append_entry(context, entry)


def _change_entry(
    act: str, context: RequestContext, app: App | None, about: Mapping[str, str] | None
) -> AuditEntry:
    return AuditEntry(
        event=Event.DONE,
        act=act,
        personal=PersonalFields(person=context.person),
        channel=context.channel,
        app=app.slug if app is not None else "",
        about=_redact_values(about or {}),
    )


def _redact_values(about: Mapping[str, str]) -> dict[str, str]:
    # Also of changes inside the bot: names come from buttons, and whoever can post a button can put a secret into it.
    return {name: redact(value) for name, value in about.items()}
