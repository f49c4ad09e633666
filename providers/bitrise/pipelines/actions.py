"""Actions on pipelines: abort, start again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from domain.access_policy import Permission
from domain.action import present_values
from domain.build import FrozenModel, PipelineRef
from domain.commands.errors import UserError
from domain.git_refs import unambiguous
from domain.pipeline import Pipeline
from messages import pipeline_card
from providers.bitrise.action_base import BitriseAction
from providers.bitrise.api.access import own_client
from providers.bitrise.api.requests import AbortRequest
from providers.bitrise.builds.actions import abort_details, abort_switches, as_success, sign_order
from providers.bitrise.provider import BITRISE
from services.actions.action import ActionResult
from services.features.builds.started_runs import follow_pipeline
from services.request.context import Reply, RequestContext, Visibility

TITLE = "Pipeline"


class PipelineTarget(FrozenModel):
    """The part of a pipeline that actions store. Its workflows are not included, so access rules count them as unknown.

    `pushed`: a Git provider started it and this is its first attempt, so the commit belongs to the branch.
    """

    id: str
    label: str
    name: str
    branch: str | None = None
    tag: str | None = None
    commit: str | None = None
    pushed: bool = False

    @classmethod
    def of(cls, pipeline: Pipeline) -> Self:
        """Make the target from a pipeline."""
        # The user who starts a new attempt can set `triggered_by` to anything (API v0.1, "pipeline-rebuild").
        pushed = pipeline.attempt == 1 and (pipeline.triggered_by or "").startswith("webhook")
        return cls(
            id=pipeline.id,
            label=pipeline.label,
            name=pipeline.name,
            branch=pipeline.branch,
            tag=pipeline.tag,
            commit=pipeline.commit_hash,
            pushed=pushed,
        )


class PipelineAction(BitriseAction):
    """The base class of actions on a pipeline."""

    not_shown: ClassVar[Mapping[str, str]] = {
        "pipeline.pushed": "not sent: it only decides whether a rule holds"
    }
    pipeline: PipelineTarget

    def branch_and_workflow(self) -> tuple[str | None, str | None]:
        """Return the pipeline's branch."""
        return self.pipeline.branch, None

    def audit_fields(self) -> dict[str, str]:
        """Return the pipeline's ID and label."""
        return {"pipeline": self.pipeline.id, "label": self.pipeline.label}

    def details(self) -> list[tuple[str, str]]:
        """Return the pipeline."""
        it = self.pipeline
        return present_values(
            pipeline=f"{it.name} {it.label}",
            pipeline_id=it.id,
            branch=it.branch,
            tag=it.tag,
            commit=it.commit,
        )


class AbortPipelineAction(PipelineAction):
    """Abort a pipeline."""

    not_shown: ClassVar[Mapping[str, str]] = {
        **PipelineAction.not_shown,
        "order.skip_git_status_report": "not sent: a pipeline's abort has no such switch (API v0.1, pipeline-abort)",
    }
    permission: ClassVar = Permission.ABORT
    act: Literal["abort_pipeline"] = "abort_pipeline"
    order: AbortRequest

    def reason(self) -> str | None:
        """Return the reason that the user gave."""
        return self.order.reason

    def audit_fields(self) -> dict[str, str]:
        """Return the pipeline and the switches that are on."""
        return super().audit_fields() | abort_switches(self._sent_order())

    def summary(self) -> str:
        """Return which pipeline is aborted, and whether it will count as a success."""
        return f"abort {self.pipeline.name} {self.pipeline.label} of {self.app.title}{as_success(self.order)}"

    def details(self) -> list[tuple[str, str]]:
        """Return the pipeline and the order."""
        return [*super().details(), *abort_details(self._sent_order())]

    async def execute(self, context: RequestContext) -> ActionResult:
        """Abort the pipeline. Raises UserError if it has ended, ProviderError."""
        bitrise = own_client(context)
        pipeline = await bitrise.pipeline(self.app.slug, self.pipeline.id)
        if pipeline.ended:
            raise UserError(f"{pipeline.name} {pipeline.label} already finished, so it can't be aborted.")
        order = await sign_order(self.order, context)
        await bitrise.abort_pipeline(self.app.slug, pipeline.id, order)
        message = pipeline_card.pipeline_aborted(
            pipeline, self.app, by=context.person, reason=self.order.reason
        )
        return ActionResult(Reply(message, Visibility.CHANNEL, title=TITLE))

    def _sent_order(self) -> AbortRequest:
        return self.order.model_copy(update={"skip_git_status_report": False})


class RebuildPipelineAction(PipelineAction):
    """Start a new attempt of a pipeline: all of it, or only what failed."""

    permission: ClassVar = Permission.TRIGGER
    act: Literal["rebuild_pipeline"] = "rebuild_pipeline"
    failed_only: bool

    def branch_and_workflow(self) -> tuple[str | None, str | None]:
        """Return the branch if the commit is known to belong to it."""
        pipeline = self.pipeline
        is_known = pipeline.pushed or not (pipeline.commit or pipeline.tag)
        return unambiguous(pipeline.branch) if is_known else None, None

    def audit_fields(self) -> dict[str, str]:
        """Return the pipeline, and whether only what failed runs again."""
        return super().audit_fields() | {"failed_only": str(self.failed_only).lower()}

    def summary(self) -> str:
        """Return which pipeline is rebuilt, and how much of it."""
        scope = "the failed workflows of " if self.failed_only else ""
        return f"rebuild {scope}{self.pipeline.name} {self.pipeline.label} of {self.app.title}"

    def details(self) -> list[tuple[str, str]]:
        """Return the pipeline, and what runs again."""
        scope = "the failed workflows, and those after them" if self.failed_only else "all workflows"
        return [*super().details(), ("runs again", scope)]

    async def execute(self, context: RequestContext) -> ActionResult:
        """Start the attempt, and follow it. Raises UserError if the pipeline still runs, ProviderError."""
        bitrise = own_client(context)
        pipeline = await bitrise.pipeline(self.app.slug, self.pipeline.id)
        if not pipeline.ended:
            raise UserError(
                f"{pipeline.name} {pipeline.label} is still running. Abort it first, or wait until it finishes."
            )
        # The prefix shows that it was not pushed: a display name can be anything (`PipelineTarget.of`).
        by = (
            f"Slack: {await context.display_name()}"
            if await context.acts_with_service_token(BITRISE)
            else None
        )
        await bitrise.rebuild_pipeline(self.app.slug, pipeline.id, failed_only=self.failed_only, by=by)
        note = pipeline_card.pipeline_rebuilt(
            pipeline, self.app, by=context.person, failed_only=self.failed_only
        )
        ref = PipelineRef(id=pipeline.id, attempt=pipeline.attempt + 1)
        buttons = pipeline_card.pipeline_run_row(
            self.app, pipeline.id, name=pipeline.name, number=pipeline.number, url=pipeline.url
        )
        return ActionResult(await follow_pipeline(self.app, ref, note, context, buttons=buttons))
