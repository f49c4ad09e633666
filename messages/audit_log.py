"""The audit log as shown in Slack."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from domain.audit_chain import AuditEntry, AuditRecord, Event
from domain.message import Message
from messages.kit.blocks import context, paragraphs, section, text_message
from messages.kit.mrkdwn import code, cut, escape, in_channel, mention, when

_SENTENCES = {
    Event.BEGUN: "⏳ {who} began to {act}",
    Event.DONE: "✅ {who} {did}",
    Event.FAILED: "⚠️ {who} couldn't {act}",
    Event.REFUSED: "⛔ {who} wasn't allowed to {act}",
    Event.PROPOSED: "✋ {who} requested approval to {act}",
    Event.AGREED: "🤝 {second} approved {who}'s request to {act}",
    Event.DECLINED: "🚫 {second} declined {who}'s request to {act}",
    Event.EXPIRED: "⌛ No one approved {who}'s request to {act}",
    Event.ERASED: "🧹 {who} {did}",
    Event.RESTORED: "⏪ {who} {did}",
}
# The phrase for each action, as it follows "to"; the log stores names that never change. Braces contain fields of the
# entry.
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
        "share_output": "post the output of a command in {label}",
        "set_config": "set config vars {label}",
        "unset_config": "remove config vars {label}",
        "reveal_config": "view the value of {label}",
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
        "reveal_environment": "view the value of {label} of environment {environment}",
        "login": "log in to the cluster in {label}",
        "subscribe": "subscribe the channel",
        "change_subscription": "change subscription {subscription}",
        "resume": "resume subscription {subscription}",
        "pause": "pause subscription {subscription}",
        "unsubscribe": "remove subscription {subscription}",
        "stop_subscription": "lose access, so subscription {subscription} stopped",
        "use": "set the channel's default app",
        "tie": "add the deploy link {label}",
        "untie": "remove the deploy link {label}",
        "connect": "connect the account {name}",
        "disconnect": "disconnect the account {name}",
        "left": "leave, so the account {name} was disconnected",
        "policy_add": "add an access rule",
        "policy_remove": "delete an access rule",
        "hand_over_log": "get the full log",
        "erase_user": "erase a person's data",
        "restore": "restore a backup",
    }
)
# The first word of a phrase, as it follows a name; any other word gets "ed" or "d".
_IRREGULAR = {"get": "got", "leave": "left", "log": "logged", "lose": "lost", "run": "ran", "set": "set"}
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
        return text_message(f"No audit entries {where} yet.")
    lines = [_line(record, places=places, apps=apps) for record in links if not _has_ended(record, links)]
    head = f"*Audit log*: actions {where}, newest first"
    note = f"Tamper-evident. Latest hash here: {code(links[0].hash[:12])}"
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
    agreed = f", approved by {mention(second)}" if second is not None else ""
    return f"{record.seq}. {when(record.at)} {_sentence(entry)}{at}{where}{why}{agreed}{_outcome(entry)}"


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


def _sentence(entry: AuditEntry) -> str:
    person, second = entry.personal.person, entry.personal.agreed_by
    phrase = _phrase(entry)
    return _SENTENCES[entry.event].format(
        who=mention(person) if person else "a workflow",
        second=mention(second) if second is not None else "someone",
        act=phrase,
        did=_in_past(phrase),
    )


def _in_past(phrase: str) -> str:
    """Return the phrase as it follows a name."""
    verb, _, rest = phrase.partition(" ")
    past = _IRREGULAR.get(verb) or (f"{verb}d" if verb.endswith("e") else f"{verb}ed")
    return f"{past} {rest}".rstrip()
