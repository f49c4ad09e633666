"""Texts of errors; they are not escaped, as with exceptions."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from domain.commands.errors import redact_typed
from providers.buildio.shared.blocks import COMMAND
from services.lookup.app_matching import describe_total

_NAMES_SAID = 3


def unknown_thing(kind: str, typed: str, names: Iterable[str], *, lists: str) -> str:
    """Explain that there is no such resource, with similar names and the command that lists all."""
    known = list(names)
    by_case = {name.casefold(): name for name in known}
    matches = difflib.get_close_matches(typed.casefold(), by_case, n=_NAMES_SAID, cutoff=0.5)
    similar = [by_case[name] for name in matches]
    hint = f" Did you mean {' or '.join(similar)}?" if similar else ""
    article = "an" if kind[:1] in "aeiou" else "a"
    return (
        f"I don't know {article} {kind} called {redact_typed(typed, 80)}.{hint} `{COMMAND} {lists}` lists"
        f" {describe_total(len(known))}."
    )


def unknown_key(key: str, keys: Iterable[str], *, lists: str) -> str:
    """Explain that there is no such config var, with similar keys."""
    return unknown_thing("config var", key, keys, lists=lists)


def platform_domain(host: str) -> str:
    """Explain that Build.io's own domain can't be removed."""
    return f"{host[:260]} is Build.io's own name for the app, and can't be taken away."


def no_process() -> str:
    """Explain that there is no running process for a command."""
    return "The app has no running process in which a command could run. Deploy it, or look at its processes."


def which_process(names: Iterable[str]) -> str:
    """Ask for the process if several are running."""
    return f"In which process? There are {', '.join(sorted(names))}. Write dyno: before its name."
