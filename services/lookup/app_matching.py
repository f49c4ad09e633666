"""Finds the app that a typed name refers to. Pure; no I/O."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence

from domain.build import App
from domain.commands.errors import quote_typed
from domain.provider import Provider

SHOWN = 5
_WORD = re.compile(r"[^\W_]+")
# Keys of `key:value` arguments; without the colon, a key is read as the name of an app.
_KEYS = frozenset({"branch", "tag", "commit", "workflow", "pipeline"})


def describe_total(total: int) -> str:
    """Return how many apps a list has, as a phrase after "lists"."""
    return f"all {total}" if total > 1 else "the only one" if total else "all that you can see"


class UnknownApp(Exception):
    """No app has this name; the message suggests the nearest names, or how to name what may have been meant instead."""

    def __init__(self, typed: str, nearest: Sequence[App], total: int, provider: Provider) -> None:
        self.typed = typed
        suggestion = f" Did you mean {' or '.join(app.title for app in nearest)}?" if nearest else ""
        first = typed.casefold().split(maxsplit=1)[:1]
        if first and first[0] in _KEYS:
            suggestion += f" For a {first[0]}, type `{first[0]}:NAME`."
        super().__init__(
            f"No app named {quote_typed(typed)}.{suggestion} `{provider.command} apps` lists"
            f" {describe_total(total)}."
        )


class AmbiguousApp(Exception):
    """Several apps match the name; the message lists them."""

    def __init__(self, typed: str, candidates: Sequence[App]) -> None:
        self.candidates = candidates
        listed = ", ".join(f"{app.title} ({app.repository or app.slug})" for app in candidates[:SHOWN])
        more = f" and {len(candidates) - SHOWN} more" if len(candidates) > SHOWN else ""
        super().__init__(
            f"{quote_typed(typed)} matches {listed}{more}. Type more of the name, or `owner/repo`, or the slug."
        )


def match_app(typed: str, apps: Sequence[App], *, provider: Provider) -> App:
    """Find an app by slug, title, `owner/repo` or repository, ignoring case.

    Whole names are tried first, then prefixes of names, then prefixes of a word in a name (`android` for Sample
    Android).

    Raises AmbiguousApp and UnknownApp.
    """
    wanted = typed.strip().casefold()
    named = [(app, _names_of(app)) for app in apps]
    for matches in _match_exactly(wanted), _match_beginning(wanted), _match_word_beginning(wanted):
        found = _deduplicate(app for app, names in named if any(map(matches, names)))
        if len(found) == 1:
            return found[0]
        if found:
            raise AmbiguousApp(typed, found)
    raise UnknownApp(typed, _find_nearest(wanted, apps), len(apps), provider)


def _names_of(app: App) -> Sequence[str]:
    return [name.casefold() for name in (app.slug, app.title, app.repository, app.repo) if name]


def _match_exactly(wanted: str) -> Callable[[str], bool]:
    return lambda name: name == wanted


def _match_beginning(wanted: str) -> Callable[[str], bool]:
    return lambda name: bool(wanted) and name.startswith(wanted)


def _match_word_beginning(wanted: str) -> Callable[[str], bool]:
    return lambda name: (
        bool(wanted)
        and wanted in name
        and any(name.startswith(wanted, match.start()) for match in _WORD.finditer(name))
    )


def _deduplicate(apps: Iterable[App]) -> list[App]:
    return list({app.slug: app for app in apps}.values())


def _find_nearest(wanted: str, apps: Sequence[App]) -> list[App]:
    by_name = {
        name: app for app in apps for name in (app.title.casefold(), (app.repo or "").casefold()) if name
    }
    near = difflib.get_close_matches(wanted, by_name, n=3, cutoff=0.5)
    contained = [name for name in by_name if wanted and wanted in name][:3]
    return _deduplicate(by_name[name] for name in [*near, *contained])[:3]
