"""Deploy links: apps that a channel offers to deploy another provider's builds to. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterable

from domain.build import App, Build, BuildState, FrozenModel, RunKind
from domain.build_filter import GlobPatterns


class DeployLink(FrozenModel):
    """A Build.io app, and the Bitrise app whose builds can be deployed there; both with their titles at that time.

    `branches` are globs, one of which a build's branch must match; if there are none, every build matches.
    """

    number: int
    app: App
    bitrise: App
    branches: tuple[str, ...] = ()
    set_by: str

    def mismatch(self, build: Build) -> str | None:
        """Return why the build can't be deployed by this link, as text that follows "since"; None if it can."""
        if (build.provider, build.app_slug) != (self.bitrise.provider, self.bitrise.slug):
            return f"it isn't a build of {self.bitrise.title}"
        if (problem := _find_obstacle(build)) is not None:
            return problem
        if not GlobPatterns(include=self.branches).match(build.branch):
            return f"its branch is {build.branch}" if build.branch else "it has no branch"
        return None


def links_offered(links: Iterable[DeployLink], build: Build) -> tuple[DeployLink, ...]:
    """Return the links by which the build can be deployed, one for each target app."""
    if _find_obstacle(build) is not None:
        return ()
    by_app: dict[str, DeployLink] = {}
    for link in links:
        if link.mismatch(build) is None:
            by_app.setdefault(link.app.slug, link)
    return tuple(by_app.values())


def _find_obstacle(build: Build) -> str | None:
    if build.state is not BuildState.SUCCEEDED or build.kind is not RunKind.BUILD:
        return "it didn't pass"
    if not build.commit_hash:
        return f"{build.provider.label} doesn't say which commit was built"
    if build.pull_request is not None:
        # The build is of the pull request merged into its target, and its branch in a fork may be named like one of
        # ours (Bitrise API v0.1, "Build Trigger API": pull_request_merge_branch).
        return "it was built from a pull request merged into its target, not from its commit alone"
    return None
