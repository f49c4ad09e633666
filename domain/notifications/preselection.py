"""Preselection of subscriptions: what of a notification rule a database can search for. Pure; no I/O.

A build that ends may be watched by ten thousand subscriptions that do not ask for it. So a rule is split into search
keys, one of which a build must have, and the rest, which many subscriptions share and which is evaluated once for all
of them. Both may only let too many subscriptions through: whether one is notified is decided by its whole rule.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from domain.build import Build, BuildChange
from domain.build_author import authors
from domain.build_filter import BuildFilter, GlobPatterns
from domain.failure_streak import StreakState
from domain.notifications.evaluation import evaluate
from domain.notifications.matching import event_of_change
from domain.notifications.rule import DeliveryStyle, NotificationRule

# The key of a rule that asks for nothing that can be searched for; every build has it.
ANY_BUILD = ""
_GLOB_CHARACTERS = frozenset("*?[")
# Other styles are only about delivery.
_STYLES_WITH_OWN_EVENTS = (DeliveryStyle.LIVE, DeliveryStyle.CARD)


@dataclass(frozen=True)
class Preselection:
    """A rule as it is searched for: keys, of which a build must have one, and the rest of what it asks of a build."""

    search_keys: frozenset[str]
    rest: NotificationRule

    @classmethod
    def of(cls, rule: NotificationRule) -> Preselection:
        """Split a rule."""
        wanted, others = _split(rule.filter)
        return cls(
            search_keys=frozenset(_search_key(*one) for one in wanted) or frozenset({ANY_BUILD}),
            rest=NotificationRule(
                filter=others,
                results=rule.results,
                started=rule.started,
                style=rule.style if rule.style in _STYLES_WITH_OWN_EVENTS else DeliveryStyle.EACH,
            ),
        )

    @property
    def rule_key(self) -> str:
        """A hash of the rest: rules with the same one ask for the same builds, apart from their search keys."""
        content = _sorted(self.rest.model_dump(mode="json", exclude_defaults=True))
        return _hash(json.dumps(content, sort_keys=True), 16)

    def could_want(self, change: BuildChange, streak_state: StreakState | None) -> bool:
        """Return whether the rest asks for this change."""
        event = event_of_change(change)
        return event is not None and evaluate(self.rest, event, change.build, streak_state).should_notify


def search_keys_of(build: Build, people: Iterable[str] = ()) -> frozenset[str]:
    """Return all search keys that the build has; `people` are the Slack IDs whose names are among its authors."""
    values: dict[str, list[str | None]] = {
        "build": [build.slug],
        "attempt": [build.pipeline.key] if build.pipeline is not None else [],
        "by": [*_people_of(build), *(person.casefold() for person in people)],
        "pull request": [str(build.pull_request)],
        "branch": [build.branch],
        "tag": [build.tag],
        "target": [build.target_branch],
        "workflow": [build.workflow],
    }
    keys = {
        _search_key(kind, value) for kind, found in values.items() for value in found if value is not None
    }
    return frozenset({ANY_BUILD, *keys})


def author_names(build: Build) -> list[str]:
    """Return the names of the build's authors, as people claim them."""
    return [author.casefold() for author in authors(build)]


def _people_of(build: Build) -> list[str]:
    """Return the Slack users that the build itself names: `@HASH/ID`, or `@ID`."""
    marked = [name[1:] for name in author_names(build) if name.startswith("@")]
    return [*marked, *(name.partition("/")[2] for name in marked if "/" in name)]


def _split(build_filter: BuildFilter) -> tuple[list[tuple[str, str]], BuildFilter]:
    """Return what to search for, as kind and value, and the filter without it."""
    by = build_filter.by
    if any(author.startswith("@") for author in (*by.include, *by.exclude)):
        # Who has which name differs between workspaces, so this part is left to the whole rule.
        build_filter = build_filter.model_copy(update={"by": GlobPatterns()})
    for kind, field, values in (
        ("build", "builds", build_filter.builds),
        ("attempt", "attempts", build_filter.attempts),
    ):
        if values:
            return [(kind, value) for value in values], _without(build_filter, field)
    if by.include and all(author.startswith("@") for author in by.include):
        return [("by", author[1:].casefold()) for author in by.include], build_filter
    if build_filter.pull_requests:
        numbers = [("pull request", str(number)) for number in build_filter.pull_requests]
        return numbers, _without(build_filter, "pull_requests")
    for field in ("branch", "tag", "target", "workflow"):
        patterns: GlobPatterns = getattr(build_filter, field)
        if patterns.include and not any(_GLOB_CHARACTERS & set(glob) for glob in patterns.include):
            rest = build_filter.model_copy(update={field: GlobPatterns(exclude=patterns.exclude)})
            return [(field, name) for name in patterns.include], rest
    return [], build_filter


def _without(build_filter: BuildFilter, field: str) -> BuildFilter:
    return build_filter.model_copy(update={field: frozenset()})


def _search_key(kind: str, value: str) -> str:
    """Return a short key; it is a hash, because names have any length and belong to people."""
    return _hash(f"{kind} {value}", 8)


def _hash(text: str, size: int) -> str:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=size).hexdigest()


def _sorted(content: Any) -> Any:
    """Return JSON content with its lists sorted: they come from sets, or from patterns whose order has no meaning."""
    if isinstance(content, dict):
        return {key: _sorted(value) for key, value in content.items()}
    return sorted(content, key=str) if isinstance(content, list) else content
