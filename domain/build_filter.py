"""Which builds somebody means: one filter for lists and subscriptions. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase

from domain.build import Build, BuildState, FrozenModel
from domain.build_author import NameDirectory, authors, is_author, is_bot

NOBODY = NameDirectory()


class BuildTriggerEvent(StrEnum):
    """What started a build, by Bitrise's names (API v0.1, `trigger_event_type`)."""

    PUSH = "push"
    PULL_REQUEST = "pull-request"
    TAG = "tag"
    OTHER = "other"


class GlobPatterns(FrozenModel):
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


class BuildFilter(FrozenModel):
    """Which builds are meant; an empty part means every build.

    `by` holds names as globs, `bot` for any program, and `@ID` for a Slack user. `aborted` holds kinds of aborts: to
    include some leaves out the builds that were not aborted, to exclude some does not. `builds` holds slugs, `attempts`
    those of pipelines (`PipelineRef.key`).
    """

    branch: GlobPatterns = GlobPatterns()
    target: GlobPatterns = GlobPatterns()
    tag: GlobPatterns = GlobPatterns()
    workflow: GlobPatterns = GlobPatterns()
    by: GlobPatterns = GlobPatterns()
    aborted: GlobPatterns = GlobPatterns()
    states: frozenset[BuildState] = frozenset()
    events: frozenset[BuildTriggerEvent] = frozenset()
    pull_requests: frozenset[int] = frozenset()
    builds: frozenset[str] = frozenset()
    attempts: frozenset[str] = frozenset()

    def match(self, build: Build, names: NameDirectory = NOBODY) -> bool:
        """Whether the build is meant."""
        return self.mismatch(build, names) is None

    def mismatch(self, build: Build, names: NameDirectory = NOBODY) -> str | None:
        """The first part of the filter that leaves the build out, in words that follow "because"; None for none."""
        return next(self._mismatches(build, names), None)

    def _mismatches(self, build: Build, names: NameDirectory) -> Iterator[str]:
        if self.builds and build.slug not in self.builds:
            yield "it is another build"
        if self.attempts and (build.pipeline is None or build.pipeline.key not in self.attempts):
            yield "it is of another pipeline"
        if self.branch and (missed := _missed("branch", self.branch, build.branch)):
            yield missed
        if self.target and (missed := _missed("target branch", self.target, build.target_branch)):
            yield missed
        if self.tag and (missed := _missed("tag", self.tag, build.tag)):
            yield missed
        if self.workflow and (missed := _missed("workflow", self.workflow, build.workflow)):
            yield missed
        if self.events and event_of(build) not in self.events:
            wanted = " or ".join(sorted(self.events))
            yield f"it was started by {_EVENTS[event_of(build)]}, not by {wanted}"
        if self.pull_requests and build.pull_request not in self.pull_requests:
            wanted = " or ".join(f"#{number}" for number in sorted(self.pull_requests))
            yield f"it is not of pull request {wanted}"
        if self.by and (missed := self._not_by(build, names)):
            yield missed
        if self.states and build.state not in self.states:
            yield f"its result is {build.state.value}, not {' or '.join(sorted(self.states))}"
        if self.aborted and (missed := self._abort_missed(build)):
            yield missed

    def _not_by(self, build: Build, names: NameDirectory) -> str | None:
        whose = " and ".join(_named(author) for author in authors(build) if not author.startswith("@"))
        if _is_by(self.by.exclude, build, names):
            return f"it is by {whose or 'somebody who is left out'}"
        if self.by.include and not _is_by(self.by.include, build, names):
            return f"it is by {whose}" if whose else f"{build.provider.label} does not say whose build it is"
        return None

    def _abort_missed(self, build: Build) -> str | None:
        kind = build.abort_kind if build.state.aborted else None
        if kind is not None and kind in self.aborted.exclude:
            return f"it was aborted for the reason {kind}"
        if self.aborted.include and kind not in self.aborted.include:
            return f"it was {f'aborted for the reason {kind}' if kind else 'not aborted'}"
        return None

    def __bool__(self) -> bool:
        return self != BuildFilter()


_EVENTS = {
    BuildTriggerEvent.PUSH: "a push",
    BuildTriggerEvent.PULL_REQUEST: "a pull request",
    BuildTriggerEvent.TAG: "a tag",
    BuildTriggerEvent.OTHER: "something else",
}


def event_of(build: Build) -> BuildTriggerEvent:
    """What started the build: read from its fields, since Bitrise filters by it but does not return it."""
    if build.pull_request is not None:
        return BuildTriggerEvent.PULL_REQUEST
    if build.tag is not None:
        return BuildTriggerEvent.TAG
    # `webhook` and `webhook-github/NAME` are seen on builds that a git provider's push started
    if build.triggered_by is not None and build.triggered_by.startswith("webhook"):
        return BuildTriggerEvent.PUSH
    return BuildTriggerEvent.OTHER


def _is_by(wanted: Sequence[str], build: Build, names: NameDirectory) -> bool:
    return any(
        is_author(one[1:], build, names)
        if one.startswith("@")
        else any(
            is_bot(author) if one.casefold() == "bot" else fnmatchcase(author.casefold(), one.casefold())
            for author in authors(build)
        )
        for one in wanted
    )


def _missed(what: str, patterns: GlobPatterns, text: str | None) -> str | None:
    if patterns.match(text):
        return None
    if text is None:
        return f"it has no {what}"
    if any(fnmatchcase(text, glob) for glob in patterns.exclude):
        return f"its {what} {_named(text)} is left out"
    return f"its {what} {_named(text)} is not {' or '.join(map(_named, patterns.include))}"


def _named(text: str) -> str:
    """A name as a word of code: the asterisk of a glob is no markup there."""
    return f"`{text.replace('`', chr(39))}`"
