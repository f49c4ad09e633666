"""The action that deploys an app."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from domain.access_policy import Permission
from domain.action import present_values
from domain.build import App, Build
from domain.git_refs import branch_name, is_ambiguous
from domain.redaction.redactor import redact
from providers.buildio.action_base import AppAction
from providers.buildio.api.access import own_client
from providers.buildio.deploy_links import messages
from providers.buildio.deploy_links.messages import SourceBuild
from providers.buildio.deploys import form
from providers.buildio.deploys.form import Deploy
from providers.buildio.polling.deployments import deployment_slug
from services.actions.action import ActionResult
from services.features.builds.started_runs import follow_build
from services.request.context import RequestContext


class DeployAction(AppAction):
    """Start a build, which deploys an app; `built` is the Bitrise build that the commit comes from."""

    permission: ClassVar = Permission.DEPLOY
    act: Literal["deploy"] = "deploy"
    branch: str | None = None
    commitish: str | None = None
    description: str | None = None
    built: SourceBuild | None = None

    @classmethod
    def of_build(cls, build: Build, built_for: App, app: App) -> Self:
        """Return the action that deploys the commit of a Bitrise build."""
        built = SourceBuild.of(build, built_for)
        return cls(
            app=app,
            branch=build.branch,
            commitish=build.commit_hash,
            description=f"{built.display_text}: {built.url}",
            built=built,
        )

    def normalized(self) -> Self:
        """Return a copy with normalized Git names. Raises InvalidBranch."""
        branch = branch_name(self.branch) if self.branch is not None else None
        return self.model_copy(update={"branch": branch, "commitish": (self.commitish or "").strip() or None})

    def branch_and_workflow(self) -> tuple[str | None, str | None]:
        """Return the workflow `deploy`, and the branch if it is certain."""
        # A branch given beside a commit proves nothing: anyone can name any branch, also in a Bitrise build, whose
        # branch is whatever the person who started it gave.
        is_certain = self.commitish is None and self.branch is not None and not is_ambiguous(self.branch)
        return self.branch if is_certain else None, "deploy"

    def reason(self) -> str | None:
        """Return the description that the person typed."""
        return self.description if self.built is None else None

    def audit_fields(self) -> dict[str, str]:
        """Return the branch, the commit and the Bitrise build."""
        if self.built is None:
            return self._revision_fields()
        return {**self._revision_fields(), "build": self.built.slug, "label": self.built.display_text}

    def summary(self) -> str:
        """Return what is deployed."""
        source = ", ".join(f"{name} {value}" for name, value in self._revision_fields().items())
        of = f" from {self.built.display_text}" if self.built is not None else ""
        return f"deploy {self.app.title}" + (f" ({source})" if source else "") + of

    def details(self) -> list[tuple[str, str]]:
        """Return what is deployed, and the Bitrise build that it comes from."""
        built = self.built
        details = present_values(branch=self.branch, commit=self.commitish, description=self.description)
        if built is None:
            return details
        return details + present_values(
            Bitrise_app=built.title,
            Bitrise_app_id=built.app,
            Bitrise_build=built.label,
            Bitrise_build_id=built.slug,
            Bitrise_page=built.url,
        )

    async def execute(self, context: RequestContext) -> ActionResult:
        """Start the build, and follow it. Raises ProviderError."""
        started = await own_client(context).start_build(
            self.app.slug, branch=self.branch, commitish=self.commitish, description=self.description
        )
        if self.built is not None and self.commitish is not None:
            note = messages.deployed_build(self.app, self.built, started, self.commitish, by=context.person)
        else:
            command = Deploy(branch=self.branch, commit=self.commitish, message=self.description)
            note = form.deployment_requested(self.app, command, started, by=context.person)
        slug = deployment_slug(self.app.slug, started.id) if started.id is not None else None
        answer = await follow_build(self.app, slug, note, context, buttons=form.deployment_row(self.app))
        facts = {"app": redact(self.app.title), "build": started.id or "", "url": started.url or ""}
        return ActionResult(answer, facts, f"started {started.id or 'a build'}")

    def _revision_fields(self) -> dict[str, str]:
        return dict(present_values(branch=self.branch, commit=self.commitish))
