"""A build that Bitrise holds until it is approved: the build of a pull request from a fork. Pure; no I/O."""

from __future__ import annotations

from datetime import datetime

from domain.build import Build, BuildState, FrozenModel
from domain.provider import Provider


class BuildRequest(FrozenModel):
    """The build to approve and its pull request, as far as Bitrise reports them."""

    provider: Provider
    app_slug: str
    slug: str
    pull_request: int | None = None
    pull_request_url: str | None = None
    branch: str | None = None
    target_branch: str | None = None
    commit_hash: str | None = None
    commit_message: str | None = None
    author: str | None = None
    created_at: datetime | None = None

    def as_build(self) -> Build:
        """Return it as a build, so that filters can be applied."""
        return Build(
            provider=self.provider,
            app_slug=self.app_slug,
            slug=self.slug,
            state=BuildState.ON_HOLD,
            branch=self.branch,
            target_branch=self.target_branch,
            pull_request=self.pull_request,
            triggered_by=f"webhook-github/{self.author}" if self.author else "webhook",
            url=self.pull_request_url or "",
        )
