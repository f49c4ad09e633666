"""The audit log as shown in Slack."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from domain.audit_chain import AuditEntry, AuditRecord, Event
from domain.message import Message
from messages.kit.blocks import context, paragraphs, section, text_message
from messages.kit.mrkdwn import code, cut, escape, in_channel, mention, when

_MARKS = {
    Event.BEGUN: "⏳ began:",
    Event.DONE: "✅ done:",
    Event.FAILED: "⚠️ failed:",
    Event.REFUSED: "⛔ refused:",
    Event.PROPOSED: "✋ asked for agreement:",
    Event.AGREED: "🤝 agreed to",
    Event.DECLINED: "🚫 declined",
    Event.EXPIRED: "⌛ ran out:",
    Event.ERASED: "🧹 erased:",
    Event.RESTORED: "⏪ restored a backup",
}
# The phrase for each action; the log stores names that never change. Braces contain fields of the entry.
_PHRASES: Mapping[str, str] = MappingProxyType(
    {
        "abort": "abort build {label}",
        "rebuild": "start build {label} again",
        "trigger": "start a build",
        "abort_pipeline": "abort pipeline {label}",
        "rebuild_pipeline": "start pipeline {label} again",
        "artifact_page": "change who can open the install page of {title}",
        "decide": "decide about the build of pull request {pull_request}",
        "deploy": "deploy {label}",
        "restart": "restart {label}",
        "run": "run a command in {label}",
        "share_output": "show the channel what a command in {label} printed",
        "set_config": "set config vars {label}",
        "unset_config": "remove config vars {label}",
        "reveal_config": "see the value of {label}",
        "look_at_config": "list config vars",
        "add_domain": "add the domain {label}",
        "update_certificate": "change the certificate of {label}",
        "remove_domain": "remove the domain {label}",
        "remove_all_domains": "remove all domains",
        "create_app": "create the app {label}",
        "create_namespace": "create the namespace {label}",
        "delete_namespace": "delete the namespace {label}",
        "set_environment": "set config vars {label} of environment {environment}",
        "unset_environment": "remove config vars {label} of environment {environment}",
        "reveal_environment": "see the value of {label} of environment {environment}",
        "login": "log in to the cluster in {label}",
        "subscribe": "subscribe the channel",
        "change_subscription": "change subscription {subscription}",
        "resume": "resume subscription {subscription}",
        "pause": "pause subscription {subscription}",
        "unsubscribe": "end subscription {subscription}",
        "stop_subscription": "stop subscription {subscription}",
        "use": "make it the channel's app",
        "tie": "offer to deploy it on successful builds",
        "untie": "stop offering to deploy it",
        "connect": "link the account {name}",
        "disconnect": "unlink the account {name}",
        "left": "unlink the account {name}, whose owner has left",
        "policy_add": "add a rule",
        "policy_remove": "remove a rule",
        "hand_over_log": "get the whole log",
    }
)
# Fields that say what is started or deployed, if an entry has them.
_STARTED = ("branch", "tag", "commit", "workflow", "pipeline")
LONGEST_NAMED = 120
LONGEST_ANSWER = 300
_BRACES = re.compile(r"\{(\w+)\}")


def audit_list(
    links: Sequence[AuditRecord], *, where: str, places: bool, apps: Mapping[str, str] = MappingProxyType({})
) -> Message:
    """List the newest entries, newest first; `where` is text, and with `places` each names its channel.

    `apps` has the titles of apps by their slugs; an app that is not in it is shown by its slug.
    """
    where = escape(where, 200)
    if not links:
        return text_message(f"Nothing was written down {where} yet.")
    lines = [_line(record, places=places, apps=apps) for record in links if not _has_ended(record, links)]
    head = f"*What was done and refused {where}*, newest first"
    note = f"Each entry is chained to the one before it; the newest here ends in {code(links[0].hash[:12])}."
    return Message(f"{head}: {'; '.join(lines)}"[:3000], [section(head), *paragraphs(lines), context(note)])


def _has_ended(record: AuditRecord, links: Sequence[AuditRecord]) -> bool:
    """Return whether the record is the start of an action whose end is also listed."""
    started = record.entry
    ends = (Event.DONE, Event.FAILED)
    return started.event is Event.BEGUN and any(
        other.seq > record.seq
        and other.entry.event in ends
        and (other.entry.act, other.entry.about) == (started.act, started.about)
        for other in links
    )


def _line(record: AuditRecord, *, places: bool, apps: Mapping[str, str]) -> str:
    entry = record.entry
    at = f" · *{escape(apps.get(entry.app) or entry.app, 100)}*" if entry.app else ""
    where = in_channel(entry.channel) if places else ""
    why = f": {escape(entry.personal.reason, LONGEST_NAMED)}" if entry.personal.reason else ""
    second = entry.personal.agreed_by if entry.event not in (Event.AGREED, Event.DECLINED) else None
    agreed = f", agreed to by {mention(second)}" if second is not None else ""
    what = f"{_phrase(entry)}{at}{where}{why}{agreed}{_outcome(entry)}"
    return f"{record.seq}. {when(record.at)} {_who(entry)} {what}".rstrip()


def _phrase(entry: AuditEntry) -> str:
    """Describe what was done; names from outside are shown as code."""
    named = {name: code(cut(value, LONGEST_NAMED)) if value else "" for name, value in entry.about.items()}
    phrase = _PHRASES.get(entry.act) or escape(entry.act.replace("_", " "), 60)
    text = " ".join(_BRACES.sub(lambda field: named.get(field[1], ""), phrase).split())
    started = [f"{name} {named[name]}" for name in _STARTED if named.get(name)]
    return f"{text} ({', '.join(started)})" if started else text


def _outcome(entry: AuditEntry) -> str:
    """Return the outcome, if it says more than that the action was done."""
    if not entry.answer or entry.answer == "ok" or entry.event is Event.BEGUN:
        return ""
    return f" → {escape(cut(entry.answer, LONGEST_ANSWER), LONGEST_ANSWER)}"


def _who(entry: AuditEntry) -> str:
    person, second = entry.personal.person, entry.personal.agreed_by
    who = mention(person) if person else "a workflow"
    mark = _MARKS[entry.event]
    if second is not None and entry.event in (Event.AGREED, Event.DECLINED):
        return f"{mention(second)} {mark} what {who} wanted:"
    return f"{who} {mark}"
