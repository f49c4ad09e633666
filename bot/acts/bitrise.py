"""What somebody wants to change at Bitrise. Pure; no I/O."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from bot.acts.act import NONE_OF_THEM, ProviderAct
from bot.bitrise import AbortOrder
from bot.build import App, Build, Frozen
from bot.build_request import BuildRequest
from bot.commands import TriggerBuild
from bot.pipeline import Pipeline
from bot.policy import Permission, Question
from bot.provider import Provider


class ActedBuild(Frozen):
    """What of a build an act needs to know."""

    slug: str
    label: str
    branch: str | None = None
    workflow: str | None = None

    @classmethod
    def of(cls, build: Build) -> Self:
        """This build."""
        return cls(slug=build.slug, label=build.label, branch=build.branch, workflow=build.workflow)


class ActedPipeline(Frozen):
    """What of a pipeline an act needs to know. Which workflows it runs is not among it, so they are in doubt."""

    id: str
    label: str
    name: str
    branch: str | None = None

    @classmethod
    def of(cls, one: Pipeline) -> Self:
        """This pipeline."""
        return cls(id=one.id, label=one.label, name=one.name, branch=one.branch)


class BitriseAct(ProviderAct):
    """Something that changes at Bitrise, always of an app."""

    provider: ClassVar = Provider.BITRISE
    app: App

    def _of(self, channel: str, *, branch: str | None = None, workflow: str | None = None) -> Question:
        return self._question(channel, branch=branch, workflow=workflow, stage=NONE_OF_THEM)


class _OfBuild(BitriseAct):
    """Something about a build."""

    build: ActedBuild

    def question(self, channel: str) -> Question:
        """With the build's branch and workflow."""
        return self._of(channel, branch=self.build.branch, workflow=self.build.workflow)

    def about(self) -> dict[str, str]:
        """Which build."""
        return {"build": self.build.slug, "label": self.build.label}


class _OfPipeline(BitriseAct):
    """Something about a pipeline."""

    pipeline: ActedPipeline

    def question(self, channel: str) -> Question:
        """With the pipeline's branch."""
        return self._of(channel, branch=self.pipeline.branch)

    def about(self) -> dict[str, str]:
        """Which pipeline."""
        return {"pipeline": self.pipeline.id, "label": self.pipeline.label}


class Abort(_OfBuild):
    """Abort a build."""

    permission: ClassVar = Permission.ABORT
    act: Literal["abort"] = "abort"
    order: AbortOrder

    def reason(self) -> str | None:
        """The order's."""
        return self.order.reason

    def words(self) -> str:
        """Which build."""
        return f"abort {self.app.title} {self.build.label}"


class Rebuild(_OfBuild):
    """Start a build again as it was started."""

    permission: ClassVar = Permission.TRIGGER
    act: Literal["rebuild"] = "rebuild"

    def words(self) -> str:
        """Which build."""
        return f"start {self.app.title} {self.build.label} again"


class Start(BitriseAct):
    """Start a build; `remember`: the next time the form is filled in like this."""

    permission: ClassVar = Permission.TRIGGER
    act: Literal["trigger"] = "trigger"
    ask: TriggerBuild
    remember: bool = True

    def question(self, channel: str) -> Question:
        """With what is asked for."""
        return self._of(channel, branch=self.ask.branch, workflow=self.ask.workflow or self.ask.pipeline)

    def reason(self) -> str | None:
        """The message that the build is given."""
        return self.ask.message

    def about(self) -> dict[str, str]:
        """What is asked for."""
        # Of variables only the names: a value may be a secret.
        names = " ".join(name for name, _ in self.ask.environments)
        return self._named() | ({"variables": names} if names else {})

    def words(self) -> str:
        """What is asked for."""
        return f"start {self.app.title} ({', '.join(f'{name} {value}' for name, value in self._named().items())})"

    def _named(self) -> dict[str, str]:
        named = {"branch", "tag", "commit", "workflow", "pipeline"}
        return self.ask.model_dump(include=named, exclude_none=True)


class AbortPipeline(_OfPipeline):
    """Abort a pipeline."""

    permission: ClassVar = Permission.ABORT
    act: Literal["abort_pipeline"] = "abort_pipeline"
    order: AbortOrder

    def reason(self) -> str | None:
        """The order's."""
        return self.order.reason

    def words(self) -> str:
        """Which pipeline."""
        return f"abort {self.pipeline.name} {self.pipeline.label} of {self.app.title}"


class RebuildPipeline(_OfPipeline):
    """Start a new attempt of a pipeline: all of it, or what failed."""

    permission: ClassVar = Permission.TRIGGER
    act: Literal["rebuild_pipeline"] = "rebuild_pipeline"
    failed_only: bool

    def words(self) -> str:
        """Which pipeline."""
        return f"start {self.pipeline.name} {self.pipeline.label} of {self.app.title} again"


class SetPublicPage(_OfBuild):
    """Make an artifact's install page public, or private."""

    permission: ClassVar = Permission.ARTIFACTS
    act: Literal["artifact_page"] = "artifact_page"
    artifact: str
    public: bool

    def about(self) -> dict[str, str]:
        """Which artifact of which build."""
        return super().about() | {"artifact": self.artifact, "public": str(self.public).lower()}

    def words(self) -> str:
        """Of which build."""
        what = "public" if self.public else "private"
        return f"make an install page of {self.app.title} {self.build.label} {what}"


class Decide(BitriseAct):
    """Approve or decline a build that waits for it; of the build only as much is known as the bot has seen."""

    permission: ClassVar = Permission.APPROVE
    act: Literal["decide"] = "decide"
    request: str
    approved: bool
    branch: str | None = None
    pull_request: int | None = None

    @classmethod
    def on(cls, request: str, app: App, known: BuildRequest | None, *, approved: bool) -> Self:
        """The decision on a request."""
        more = {"branch": known.branch, "pull_request": known.pull_request} if known is not None else {}
        return cls(app=app, request=request, approved=approved, **more)

    def question(self, channel: str) -> Question:
        """With the branch, as far as it is known."""
        return self._of(channel, branch=self.branch)

    def about(self) -> dict[str, str]:
        """Which request."""
        number = {"pull_request": str(self.pull_request)} if self.pull_request is not None else {}
        return {"request": self.request, "approved": str(self.approved).lower(), **number}

    def words(self) -> str:
        """Which request."""
        of = f" of pull request #{self.pull_request}" if self.pull_request is not None else ""
        return f"{'approve' if self.approved else 'decline'} the build{of} in {self.app.title}"


AnyOfBitrise = Abort | Rebuild | Start | AbortPipeline | RebuildPipeline | SetPublicPage | Decide
