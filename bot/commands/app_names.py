"""From what a person calls an app to the app. Pure; no I/O."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence

from bot.build import App
from bot.commands.errors import typed
from bot.provider import Provider

SHOWN = 5
_WORD = re.compile(r"[^\W_]+")
# What a build is started or chosen by has its key before it; without its colon the key reads as an app's name.
_KEYS = frozenset({"branch", "tag", "commit", "workflow", "pipeline"})


def total_words(total: int) -> str:
    """How many a list has, behind "lists"."""
    return f"all {total}" if total > 1 else "the only one" if total else "those there are"


class UnknownApp(Exception):
    """No app is called that; says the nearest names, or how to name what may have been meant instead."""

    def __init__(self, words: str, nearest: Sequence[App], total: int, provider: Provider) -> None:
        self.words = words
        meant = f" Did you mean {' or '.join(app.title for app in nearest)}?" if nearest else ""
        first = words.casefold().split(maxsplit=1)[:1]
        if first and first[0] in _KEYS:
            meant += f" If you mean a {first[0]}, type a colon before its name: `{first[0]}:NAME`."
        super().__init__(
            f"I don't know an app called {typed(words, 80)}.{meant} `{provider.command} apps` lists"
            f" {total_words(total)}."
        )


class AmbiguousApp(Exception):
    """Several apps could be meant; says which."""

    def __init__(self, words: str, candidates: Sequence[App]) -> None:
        self.candidates = candidates
        shown = ", ".join(f"{app.title} ({app.repository or app.slug})" for app in candidates[:SHOWN])
        more = f" and {len(candidates) - SHOWN} more" if len(candidates) > SHOWN else ""
        super().__init__(
            f"{typed(words, 80)} could be {shown}{more}. Write more of the name, or `owner/repo`, or the slug."
        )


def find_app(words: str, apps: Sequence[App], *, provider: Provider = Provider.BITRISE) -> App:
    """The app of a provider that the words name: by slug, title, `owner/repo` or repository, in any case.

    Whole names come first, then beginnings of names, then beginnings of a word in one (`android` for Sample Android).

    Raises AmbiguousApp and UnknownApp.
    """
    wanted = words.strip().casefold()
    for fits in _exactly(wanted), _begins(wanted), _begins_a_word(wanted):
        found = _distinct(app for app in apps if any(fits(name) for name in _names(app)))
        if len(found) == 1:
            return found[0]
        if found:
            raise AmbiguousApp(words, found)
    raise UnknownApp(words, _nearest(wanted, apps), len(apps), provider)


def _names(app: App) -> Iterable[str]:
    return (name.casefold() for name in (app.slug, app.title, app.repository, app.repo) if name)


def _exactly(wanted: str) -> Callable[[str], bool]:
    return lambda name: name == wanted


def _begins(wanted: str) -> Callable[[str], bool]:
    return lambda name: bool(wanted) and name.startswith(wanted)


def _begins_a_word(wanted: str) -> Callable[[str], bool]:
    return lambda name: (
        bool(wanted) and any(name.startswith(wanted, match.start()) for match in _WORD.finditer(name))
    )


def _distinct(apps: Iterable[App]) -> list[App]:
    return list({app.slug: app for app in apps}.values())


def _nearest(wanted: str, apps: Sequence[App]) -> list[App]:
    by_name = {
        name: app for app in apps for name in (app.title.casefold(), (app.repo or "").casefold()) if name
    }
    near = difflib.get_close_matches(wanted, by_name, n=3, cutoff=0.5)
    contained = [name for name in by_name if wanted and wanted in name][:3]
    return _distinct(by_name[name] for name in [*near, *contained])[:3]
