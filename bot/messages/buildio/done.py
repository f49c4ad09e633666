"""What somebody did at Build.io, told to everybody in the channel; and what of it is for that person alone.

Of config vars only the names are said, of certificates that there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from bot.build import App
from bot.buildio import Domain, Executed, Namespace, StartedBuild
from bot.http.redaction import redact
from bot.messages.blocks import context, section
from bot.messages.message import Message
from bot.messages.text import block_of_code, code, escape, link, mention, when

LONGEST_SHOWN = 2800
MOST_NAMES = 30


def deployed(
    app: App, started: StartedBuild, *, by: str, branch: str | None = None, commitish: str | None = None
) -> Message:
    """A build was started, which deploys the app."""
    of = f" branch {code(branch)}" if branch else ""
    of += f" at {code(commitish)}" if commitish else ""
    version = f" as v{started.version}" if started.version is not None else ""
    return _said("🚀", f"{mention(by)} deploys {link(started.url, app.title)}{of}{version}.")


def restarted(app: App, dyno: str | None, *, by: str) -> Message:
    """Dynos were restarted."""
    which = code(dyno) if dyno is not None else "all dynos"
    return _said("🔄", f"{mention(by)} restarted {which} of {escape(app.title)}.")


def executed(app: App, dyno: str, array: str, result: Executed, *, by: str) -> Message:
    """A command was run in a dyno; what it said is for whoever ran it."""
    end = f", which ended with code {result.exit_code}" if result.exit_code is not None else ""
    text = f"{mention(by)} ran a command in {code(dyno)} of {escape(app.title)}{end}."
    note = "What it said, I have sent to them alone."
    ran = section(block_of_code(array, LONGEST_SHOWN))
    return Message(f"{text} {note}", [section(f"⌨️ {text}"), ran, context(note)])


def output(app: App, dyno: str, result: Executed, *, hidden: Iterable[str] = ()) -> Message:
    """What a command said, for whoever ran it: its end, without the values in `hidden` and what else looks secret."""
    head = f"What the command in {code(dyno)} of {escape(app.title)} said"
    shown = _without(result.output, hidden).strip("\n")
    if not shown.strip():
        text = f"{head}: nothing."
        return Message(text, [section(text)])
    block = block_of_code(shown, LONGEST_SHOWN)
    cut = " (its end)" if len(block) < len(shown) else ""
    note = "Values of config vars, and what looks like a secret, are taken out. Slack keeps this message."
    return Message(f"{head}.", [section(f"{head}{cut}:"), section(block), context(note)])


def config_changed(where: str, *, by: str, given: Sequence[str] = (), gone: Sequence[str] = ()) -> Message:
    """Config vars were set or taken away: their names alone. `where` is an app's or environment's name."""
    parts = [f"set {_names(given)}"] if given else []
    parts += [f"unset {_names(gone)}"] if gone else []
    return _said("🔧", f"{mention(by)} {' and '.join(parts)} in the config of {escape(where)}.")


def domain_added(app: App, domain: Domain, *, by: str) -> Message:
    """A domain was added; what its DNS must say, where Build.io tells."""
    target = f" Let its DNS lead to {code(domain.target, 250)}." if domain.target else ""
    return _said("🌐", f"{mention(by)} added {code(domain.hostname, 250)} to {escape(app.title)}.{target}")


def certificate_changed(app: App, hostname: str, *, by: str) -> Message:
    """A domain has another certificate."""
    return _said(
        "🌐", f"{mention(by)} gave {code(hostname, 250)} of {escape(app.title)} another certificate."
    )


def domain_removed(app: App, hostname: str | None, *, by: str) -> Message:
    """A domain was taken away, or (None) all of them."""
    which = code(hostname, 250) if hostname is not None else "all its domains"
    return _said("🌐", f"{mention(by)} removed {which} from {escape(app.title)}.")


def app_created(app: App, *, by: str, url: str | None = None) -> Message:
    """An app was created."""
    return _said("✨", f"{mention(by)} created the app {link(url, app.title)}.")


def namespace_created(namespace: Namespace, *, by: str) -> Message:
    """A namespace was created."""
    return _said("✨", f"{mention(by)} created the namespace {code(namespace.name)}.")


def namespace_deleted(name: str, *, by: str) -> Message:
    """A namespace was deleted."""
    return _said("🗑️", f"{mention(by)} deleted the namespace {code(name)}.")


def logged_in(region: str, *, by: str, until: datetime) -> Message:
    """Somebody was handed a credential, in their direct messages."""
    text = (
        f"{mention(by)} got a Kubernetes credential for the cluster in {code(region)}, in a direct message;"
        f" I delete the file there {when(until)}."
    )
    return _said("🔑", text)


def credential_comment(region: str, *, until: datetime, expires_at: datetime | None) -> str:
    """What stands above the credential's file."""
    ends = f" The credential itself ends {when(expires_at)}." if expires_at is not None else ""
    return (
        f"🔑 A Kubernetes credential (ExecCredential) for the cluster in {code(region)}, for you alone. Save it where"
        f" nobody else reads it: I delete this file {when(until)}.{ends}"
    )


def _said(mark: str, text: str) -> Message:
    return Message(text, [section(f"{mark} {text}")])


def _names(keys: Sequence[str]) -> str:
    shown = ", ".join(code(key) for key in keys[:MOST_NAMES])
    return shown + (f" and {len(keys) - MOST_NAMES} more" if len(keys) > MOST_NAMES else "")


def _without(text: str, hidden: Iterable[str]) -> str:
    for value in sorted(hidden, key=len, reverse=True):
        text = text.replace(value, "[redacted]")
    return redact(text)
