"""Which builds somebody means: one filter for lists and subscriptions. Pure; no I/O."""

from __future__ import annotations

from enum import StrEnum
from fnmatch import fnmatchcase

from bot.build import Build, Frozen, State


class Event(StrEnum):
    """What started a build, by Bitrise's names (API v0.1, `trigger_event_type`)."""

    PUSH = "push"
    PULL_REQUEST = "pull-request"
    TAG = "tag"
    OTHER = "other"


class Patterns(Frozen):
    """Globs that a text must match (any of `include`, where there are some) and must not (`exclude`)."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def match(self, text: str | None) -> bool:
        """Whether `text` is meant. None (a tag's build has no branch) matches only where nothing is asked."""
        if text is None:
            return not self.include
        if any(fnmatchcase(text, glob) for glob in self.exclude):
            return False
        return not self.include or any(fnmatchcase(text, glob) for glob in self.include)

    def __bool__(self) -> bool:
        return bool(self.include or self.exclude)


class BuildFilter(Frozen):
    """Which builds are meant; an empty part means every build."""

    branch: Patterns = Patterns()
    workflow: Patterns = Patterns()
    states: frozenset[State] = frozenset()
    events: frozenset[Event] = frozenset()
    pull_requests: frozenset[int] = frozenset()

    def match(self, build: Build) -> bool:
        """Whether the build is meant."""
        return (
            (not self.states or build.state in self.states)
            and (not self.events or event_of(build) in self.events)
            and (not self.pull_requests or build.pull_request in self.pull_requests)
            and (not self.branch or self.branch.match(build.branch))
            and (not self.workflow or self.workflow.match(build.workflow))
        )

    def __bool__(self) -> bool:
        return self != BuildFilter()


def event_of(build: Build) -> Event:
    """What started the build: read from its fields, since Bitrise filters by it but does not return it."""
    if build.pull_request is not None:
        return Event.PULL_REQUEST
    if build.tag is not None:
        return Event.TAG
    # `webhook` and `webhook-github/NAME` are seen on builds that a git provider's push started
    if build.triggered_by is not None and build.triggered_by.startswith("webhook"):
        return Event.PUSH
    return Event.OTHER
