"""The action on a build's artifact: make its install page public, or private."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from domain.access_policy import Permission
from domain.action import present_values
from domain.build import App, Build
from domain.commands.errors import UserError
from domain.git_refs import unambiguous
from providers.bitrise.action_base import BuildAction, BuildTarget
from providers.bitrise.api.access import own_client
from providers.bitrise.artifacts import messages as artifact_messages
from providers.bitrise.builds.build_params import find_branch_and_workflow, is_pushed
from services.actions.action import ActionResult
from services.request.context import Reply, RequestContext, Visibility


class SetPublicInstallPageAction(BuildAction):
    """Make an artifact's install page public, or private.

    `of_branch`: the built commit belongs to the build's branch. Users who start a build can name any branch with any
    commit.
    """

    not_shown: ClassVar[Mapping[str, str]] = {"of_branch": "not sent: it only decides whether a rule holds"}
    permission: ClassVar = Permission.ARTIFACTS
    act: Literal["artifact_page"] = "artifact_page"
    artifact: str
    public: bool
    title: str | None = None
    of_branch: bool = False

    @classmethod
    def of_build(cls, app: App, build: Build, artifact: str, *, public: bool) -> Self:
        """Make the action from a build that was fetched."""
        built_branch, _ = find_branch_and_workflow(build.params or {}, pushed=is_pushed(build))
        return cls(
            app=app,
            build=BuildTarget.of(build),
            artifact=artifact,
            public=public,
            of_branch=built_branch is not None and built_branch == unambiguous(build.branch),
        )

    def branch_and_workflow(self) -> tuple[str | None, str | None]:
        """Return the workflow, and the branch if the built commit is known to belong to it."""
        return unambiguous(self.build.branch) if self.of_branch else None, self.build.workflow

    def audit_fields(self) -> dict[str, str]:
        """Return the build, the artifact and the new visibility of the page."""
        fields = {"artifact": self.artifact, "public": str(self.public).lower()}
        return super().audit_fields() | fields | dict(present_values(title=self.title))

    def summary(self) -> str:
        """Return which page becomes public or private."""
        visibility = "public" if self.public else "private"
        artifact = f" of {self.title}" if self.title else ""
        return f"make the install page{artifact} ({self.app.title} {self.build.label}) {visibility}"

    def details(self) -> list[tuple[str, str]]:
        """Return the build, the artifact and who will see the page."""
        who = "public: anyone with its link" if self.public else "private: members of the app at Bitrise"
        return [
            *super().details(),
            *present_values(artifact=self.title, artifact_id=self.artifact),
            ("install page becomes", who),
        ]

    async def prepare(self, context: RequestContext) -> Self:
        """Return the action with its artifact's title. Raises ProviderError."""
        if self.title is not None:
            return self
        artifact = await own_client(context).artifact(self.app.slug, self.build.slug, self.artifact)
        return self.model_copy(update={"title": artifact.title})

    async def execute(self, context: RequestContext) -> ActionResult:
        """Change the page. Raises UserError if Bitrise did not, ProviderError."""
        build = await own_client(context).build(self.app.slug, self.build.slug)
        artifact = await own_client(context).set_public_page(
            self.app.slug, build.slug, self.artifact, enabled=self.public
        )
        if artifact.public_page is not self.public:
            raise UserError(
                "Bitrise accepted the change, but the install page is unchanged. Change it in Bitrise."
            )
        message = artifact_messages.page_changed(artifact, build, self.app, by=context.person)
        return ActionResult(
            Reply(message, Visibility.CHANNEL), provider_answer=f"public: {str(artifact.public_page).lower()}"
        )
