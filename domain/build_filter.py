"""The build filter of lists and subscriptions. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase

from domain.build import Build, BuildState, FrozenModel
from domain.build_author import NameDirectory, authors, is_author, is_bot
from domain.slack_ids import is_slack_id

NOBODY = NameDirectory()


class BuildTriggerEvent(StrEnum):
    """The event that started a build, by Bitrise's names (API v0.1, `trigger_event_type`)."""

    PUSH = "push"
    PULL_REQUEST = "pull-request"
    TAG = "tag"
    OTHER = "other"


class GlobPatterns(FrozenModel):
    """Globs that a text must match (any of `include`, if there are some) and must not match (`exclude`)."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def match(self, text: str | None) -> bool:
        """Return whether `text` matches. None (a tag's build has no branch) matches only if nothing is included."""
        if text is None:
            return not self.include
        if any(fnmatchcase(text, glob) for glob in self.exclude):
            return False
        return not self.include or any(fnmatchcase(text, glob) for glob in self.include)

    def __bool__(self) -> bool:
        return bool(self.include or self.exclude)


class BuildFilter(FrozenModel):
    """A filter for builds; an empty part matches every build.

    `by` holds names as globs, `bot` for any bot, and `@ID` for a Slack user. `aborted` holds kinds of aborts: including
    some leaves out builds that were not aborted, excluding some does not. `builds` holds slugs, `attempts` the keys of
    pipeline attempts (`PipelineRef.key`).
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
        """Return whether the build matches."""
        return self.mismatch(build, names) is None

    def mismatch(self, build: Build, names: NameDirectory = NOBODY) -> str | None:
        """Return why the build does not match, as text that follows "Not posted:"; None if it matches."""
        return next(self._mismatches(build, names), None)

    def _mismatches(self, build: Build, names: NameDirectory) -> Iterator[str]:
        if self.builds and build.slug not in self.builds:
            yield "another build"
        if self.attempts and (build.pipeline is None or build.pipeline.key not in self.attempts):
            yield "another pipeline"
        if self.branch and (mismatch := _describe_mismatch("branch", self.branch, build.branch)):
            yield mismatch
        if self.target and (
            mismatch := _describe_mismatch("target branch", self.target, build.target_branch)
        ):
            yield mismatch
        if self.tag and (mismatch := _describe_mismatch("tag", self.tag, build.tag)):
            yield mismatch
        if self.workflow and (mismatch := _describe_mismatch("workflow", self.workflow, build.workflow)):
            yield mismatch
        if self.events and event_of(build) not in self.events:
            wanted = " or ".join(sorted(self.events))
            yield f"started by {_EVENTS[event_of(build)]}, not by {wanted}"
        if self.pull_requests and build.pull_request not in self.pull_requests:
            wanted = " or ".join(f"#{number}" for number in sorted(self.pull_requests))
            yield f"not for pull request {wanted}"
        if self.by and (mismatch := self._author_mismatch(build, names)):
            yield mismatch
        if self.states and build.state not in self.states:
            wanted = " or ".join(words for state, words in _STATE_ADJECTIVES.items() if state in self.states)
            yield f"{describe_state(build.state)}, not {wanted}"
        if self.aborted and (mismatch := self._abort_mismatch(build)):
            yield mismatch

    def _author_mismatch(self, build: Build, names: NameDirectory) -> str | None:
        names_shown = " and ".join(
            _format_code(author) for author in authors(build) if not author.startswith("@")
        )
        if _has_author(self.by.exclude, build, names):
            return f"by {names_shown} (excluded)" if names_shown else "by an excluded author"
        if self.by.include and not _has_author(self.by.include, build, names):
            return f"by {names_shown}" if names_shown else f"{build.provider.label} doesn't say who it's by"
        return None

    def _abort_mismatch(self, build: Build) -> str | None:
        kind = build.abort_kind if build.state.aborted else None
        if kind is not None and kind in self.aborted.exclude:
            return f"aborted ({kind})"
        if self.aborted.include and kind not in self.aborted.include:
            return f"aborted ({kind})" if kind else "not aborted"
        return None

    def __bool__(self) -> bool:
        return self != BuildFilter()


_EVENTS = {
    BuildTriggerEvent.PUSH: "a push",
    BuildTriggerEvent.PULL_REQUEST: "a pull request",
    BuildTriggerEvent.TAG: "a tag",
    BuildTriggerEvent.OTHER: "something other than a push, pull request or tag",
}


_STATE_ADJECTIVES = {
    BuildState.ON_HOLD: "on hold",
    BuildState.RUNNING: "running",
    BuildState.SUCCEEDED: "passed",
    BuildState.FAILED: "failed",
    BuildState.ABORTED: "aborted",
    BuildState.ABORTED_WITH_SUCCESS: "aborted (counted as success)",
}


def describe_state(state: BuildState) -> str:
    """Return the state in words: "passed"."""
    return _STATE_ADJECTIVES.get(state, "unknown result")


def event_of(build: Build) -> BuildTriggerEvent:
    """Derive the event that started the build from its fields: Bitrise filters by it but does not return it."""
    if build.pull_request is not None:
        return BuildTriggerEvent.PULL_REQUEST
    if build.tag is not None:
        return BuildTriggerEvent.TAG
    # Builds that a git provider's push started have `webhook` or `webhook-github/NAME`.
    if build.triggered_by is not None and build.triggered_by.startswith("webhook"):
        return BuildTriggerEvent.PUSH
    return BuildTriggerEvent.OTHER


def _has_author(wanted: Sequence[str], build: Build, names: NameDirectory) -> bool:
    return any(
        is_author(pattern[1:], build, names)
        if pattern.startswith("@")
        else any(
            is_bot(author)
            if pattern.casefold() == "bot"
            else fnmatchcase(author.casefold(), pattern.casefold())
            for author in authors(build)
        )
        for pattern in wanted
    )


def _describe_mismatch(what: str, patterns: GlobPatterns, text: str | None) -> str | None:
    if patterns.match(text):
        return None
    if text is None:
        return f"no {what}"
    if any(fnmatchcase(text, glob) for glob in patterns.exclude):
        return f"{what} {_format_code(text)} is excluded"
    return f"{what} is {_format_code(text)}, not {' or '.join(map(_format_code, patterns.include))}"


def _format_code(text: str) -> str:
    """Format a name as code, so that the asterisk of a glob is not markup."""
    return f"`{text.replace('`', chr(39))}`"


def describe_filter(build_filter: BuildFilter) -> str:
    """Describe the filter in a sentence: "failed or aborted builds on branch main, except dependabot/*"."""
    results = join_words(
        [word for state, word in _STATE_ADJECTIVES.items() if state in build_filter.states], "or"
    )
    return f"{results or 'all'} builds{describe_conditions(build_filter)}"


def describe_conditions(build_filter: BuildFilter) -> str:
    """Describe what the filter asks of a build besides its state, to follow "builds": ", on branch main"."""
    parts = [
        _describe_patterns("on branch", build_filter.branch),
        _describe_patterns("for pull requests into", build_filter.target),
        _describe_patterns("for tag", build_filter.tag),
        _describe_patterns("with workflow", build_filter.workflow),
        _clause(
            "started by", [_EVENTS[event] for event in BuildTriggerEvent if event in build_filter.events]
        ),
        _clause("for pull request", [f"#{number}" for number in sorted(build_filter.pull_requests)]),
        _clause("by", [_describe_author(author) for author in build_filter.by.include]),
        _clause("except by", [_describe_author(author) for author in build_filter.by.exclude]),
        _clause("with abort reason", build_filter.aborted.include),
        _clause("except abort reason", build_filter.aborted.exclude),
    ]
    text = "".join(parts)
    return text if text.startswith(", except") else text.removeprefix(",")


def _describe_patterns(preposition: str, patterns: GlobPatterns) -> str:
    return _clause(preposition, patterns.include) + _clause(f"except {preposition}", patterns.exclude)


def _clause(preposition: str, values: Sequence[str]) -> str:
    return f", {preposition} {join_words(values, 'or')}" if values else ""


def _describe_author(author: str) -> str:
    if author == "bot":
        return "bots"
    return f"<@{author[1:]}>" if author[:1] == "@" and is_slack_id(author[1:], "UW") else author


def join_words(words: Sequence[str], last: str) -> str:
    """Join the words with commas, and the last with this word: "a, b or c"."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"
