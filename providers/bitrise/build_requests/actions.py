"""The action on a build that waits for approval: approve it, or decline it."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from domain.access_policy import Permission
from domain.action import present_values
from domain.build import BuildRequest
from domain.commands.errors import UserError
from domain.git_refs import unambiguous
from domain.provider_errors import NotFound
from providers.bitrise.action_base import BitriseAction
from providers.bitrise.api.access import own_client
from providers.bitrise.build_requests import messages as build_request_messages
from providers.bitrise.provider import BITRISE
from services.actions.action import ActionResult
from services.request.context import Reply, RequestContext, Visibility

TITLE = "Approvals"


class DecideBuildRequestAction(BitriseAction):
    """Approve or decline a build that waits for approval; fields that Bitrise does not report are None."""

    permission: ClassVar = Permission.APPROVE
    act: Literal["decide"] = "decide"
    request: str
    approved: bool
    branch: str | None = None
    target: str | None = None
    pull_request: int | None = None
    commit: str | None = None
    commit_message: str | None = None
    author: str | None = None

    def with_request(self, known: BuildRequest | None) -> Self:
        """Return the action with what is known about the build."""
        if known is None:
            return self
        return self.model_copy(
            update={
                "branch": known.branch,
                "target": known.target_branch,
                "pull_request": known.pull_request,
                "commit": known.commit_hash,
                "commit_message": known.commit_message,
                "author": known.author,
            }
        )

    def branch_and_workflow(self) -> tuple[str | None, str | None]:
        """Return the branch if it is known."""
        return unambiguous(self.branch), None

    def audit_fields(self) -> dict[str, str]:
        """Return the request, the decision, the pull request and the commit."""
        known = dict(present_values(pull_request=self.pull_request, commit=self.commit))
        source = {name.replace(" ", "_"): value for name, value in known.items()}
        return {"request": self.request, "approved": str(self.approved).lower(), **source}

    def summary(self) -> str:
        """Return the decision, the pull request and the app."""
        source = f" of pull request #{self.pull_request}" if self.pull_request is not None else ""
        return f"{'approve' if self.approved else 'decline'} the build{source} in {self.app.title}"

    def details(self) -> list[tuple[str, str]]:
        """Return the decision, the request and what would be built."""
        return [
            ("decision", "approve" if self.approved else "decline"),
            *present_values(
                request_id=self.request,
                pull_request=self.pull_request,
                author=self.author,
                branch=self.branch,
                target=self.target,
                commit=self.commit,
                commit_message=self.commit_message,
            ),
        ]

    async def prepare(self, context: RequestContext) -> Self:
        """Return the action with what Bitrise reports about the waiting build. Raises ProviderError."""
        waiting = await own_client(context).build_requests(self.app.slug)
        return self.with_request(next((request for request in waiting if request.slug == self.request), None))

    async def execute(self, context: RequestContext) -> ActionResult:
        """Decide, and update every message that asks for the decision.

        Raises UserError if the build does not wait any more, ProviderError.
        """
        requests, approved = context.services.storage.build_requests, self.approved
        try:
            request = await own_client(context).decide_request(self.app.slug, self.request, approved=approved)
        except NotFound as error:
            await requests.end(
                BITRISE,
                self.request,
                lambda gone: build_request_messages.request_gone(gone, self.app),
            )
            raise UserError(
                "This build no longer needs approval: someone else decided, or it was withdrawn."
            ) from error
        message = build_request_messages.request_decided(
            request, self.app, approved=approved, by=context.person
        )
        await requests.end(
            BITRISE,
            self.request,
            lambda known: build_request_messages.request_gone(known, self.app),
            team=context.team,
            within=lambda known: build_request_messages.request_decided(
                known, self.app, approved=approved, by=context.person
            ),
        )
        return ActionResult(Reply(message, Visibility.CHANNEL, title=TITLE))
