"""Apps of Build.io that a channel has tied to apps of Bitrise, and which builds they are offered for. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from domain.build import App, Build, BuildState, FrozenModel, RunKind
from domain.build_filter import GlobPatterns
from domain.provider import Provider


class DeployLink(FrozenModel):
    """An app of Build.io, and the app of Bitrise whose builds can be deployed there; both as they were called then.

    `branches` are globs, of which a build's branch must match one; where there are none, every build is meant.
    """

    number: int
    app: App
    bitrise: App
    branches: tuple[str, ...] = ()
    set_by: str
    set_at: datetime

    def misfit(self, build: Build) -> str | None:
        """Why the build can't be deployed by this tie, in words that follow "since"; None where it can."""
        if build.app_slug != self.bitrise.slug or build.provider is not Provider.BITRISE:
            return f"it is no build of {self.bitrise.title}"
        if (problem := _obstacle(build)) is not None:
            return problem
        if not GlobPatterns(include=self.branches).match(build.branch):
            return f"its branch is {build.branch}" if build.branch else "it has no branch"
        return None


def links_offered(ties: Iterable[DeployLink], build: Build) -> tuple[DeployLink, ...]:
    """Those by which the build can be deployed, one for each app of Build.io."""
    if _obstacle(build) is not None:
        return ()
    by_app: dict[str, DeployLink] = {}
    for tie in ties:
        if tie.misfit(build) is None:
            by_app.setdefault(tie.app.slug, tie)
    return tuple(by_app.values())


def _obstacle(build: Build) -> str | None:
    if build.state is not BuildState.SUCCEEDED or build.kind is not RunKind.BUILD:
        return "it did not succeed"
    if not build.commit_hash:
        return "Bitrise does not say which commit was built"
    if build.pull_request is not None:
        # What is built is the request merged into its target, and its branch may be called like one of ours in
        # somebody else's fork (Bitrise API v0.1, "Build Trigger API": pull_request_merge_branch).
        return "it is of a pull request, whose commit alone is not what was built"
    return None
