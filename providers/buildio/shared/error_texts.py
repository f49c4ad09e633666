"""Why something is not done at Build.io, as sentences; whoever shows one escapes it, as with errors."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from domain.commands.errors import redact_typed
from providers.buildio.shared.blocks import COMMAND
from services.lookup.app_names import describe_total

_NAMES_SAID = 3


def unknown_thing(what: str, words: str, names: Iterable[str], *, lists: str) -> str:
    """There is no such process, pipeline and the like; says the nearest names and which command lists them all."""
    known = list(names)
    by_case = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(words.casefold(), by_case, n=_NAMES_SAID, cutoff=0.5)
    near = [by_case[name] for name in close]
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    article = "an" if what[:1] in "aeiou" else "a"
    return (
        f"I don't know {article} {what} called {redact_typed(words, 80)}.{meant} `{COMMAND} {lists}` lists"
        f" {describe_total(len(known))}."
    )


def unknown_key(key: str, keys: Iterable[str], *, lists: str) -> str:
    """There is no such config var; says the nearest keys."""
    return unknown_thing("config var", key, keys, lists=lists)


def platform_domain(host: str) -> str:
    """Build.io's own domain stays."""
    return f"{host[:260]} is Build.io's own name for the app, and can't be taken away."


def no_process() -> str:
    """Nothing runs in which a command could run."""
    return "The app has no running process in which a command could run. Deploy it, or look at its processes."


def which_process(names: Iterable[str]) -> str:
    """Several processes run, and it was not said in which."""
    return f"In which process? There are {', '.join(sorted(names))}. Write dyno: before its name."
