"""What somebody did at Build.io, told to everybody in the channel.

Of config vars only the names are said, of certificates that there is one.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.build import App
from bot.buildio import Domain
from bot.messages.blocks import section
from bot.messages.message import Message
from bot.messages.text import code, escape, mention

MOST_NAMES = 30


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


def _said(mark: str, text: str) -> Message:
    return Message(text, [section(f"{mark} {text}")])


def _names(keys: Sequence[str]) -> str:
    shown = ", ".join(code(key) for key in keys[:MOST_NAMES])
    return shown + (f" and {len(keys) - MOST_NAMES} more" if len(keys) > MOST_NAMES else "")
