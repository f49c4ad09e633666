"""What somebody wants to change at Bitrise: an act, whole, so that it can be judged, noted, and done later. Pure."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, TypeAdapter

from bot.bitrise import AbortOrder
from bot.build import App, Build, Frozen
from bot.build_request import BuildRequest
from bot.commands import TriggerBuild
from bot.pipeline import Pipeline
from bot.policy import Permission, Question


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


class Abort(Frozen):
    """Abort a build."""

    permission: ClassVar = Permission.ABORT
    act: Literal["abort"] = "abort"
    app: App
    build: ActedBuild
    order: AbortOrder


class Rebuild(Frozen):
    """Start a build again as it was started."""

    permission: ClassVar = Permission.TRIGGER
    act: Literal["rebuild"] = "rebuild"
    app: App
    build: ActedBuild


class Start(Frozen):
    """Start a build; `remember`: the next time the form is filled in like this."""

    permission: ClassVar = Permission.TRIGGER
    act: Literal["trigger"] = "trigger"
    app: App
    ask: TriggerBuild
    remember: bool = True


class AbortPipeline(Frozen):
    """Abort a pipeline."""

    permission: ClassVar = Permission.ABORT
    act: Literal["abort_pipeline"] = "abort_pipeline"
    app: App
    pipeline: ActedPipeline
    order: AbortOrder


class RebuildPipeline(Frozen):
    """Start a new attempt of a pipeline: all of it, or what failed."""

    permission: ClassVar = Permission.TRIGGER
    act: Literal["rebuild_pipeline"] = "rebuild_pipeline"
    app: App
    pipeline: ActedPipeline
    failed_only: bool


class SetPublicPage(Frozen):
    """Make an artifact's install page public, or private."""

    permission: ClassVar = Permission.ARTIFACTS
    act: Literal["artifact_page"] = "artifact_page"
    app: App
    build: ActedBuild
    artifact: str
    public: bool


class Decide(Frozen):
    """Approve or decline a build that waits for it; of the build only as much is known as the bot has seen."""

    permission: ClassVar = Permission.APPROVE
    act: Literal["decide"] = "decide"
    app: App
    request: str
    approved: bool
    branch: str | None = None
    pull_request: int | None = None

    @classmethod
    def on(cls, request: str, app: App, known: BuildRequest | None, *, approved: bool) -> Self:
        """The decision on a request."""
        more = {"branch": known.branch, "pull_request": known.pull_request} if known is not None else {}
        return cls(app=app, request=request, approved=approved, **more)


Act = Abort | Rebuild | Start | AbortPipeline | RebuildPipeline | SetPublicPage | Decide
_ACT: TypeAdapter[Act] = TypeAdapter(Annotated[Act, Field(discriminator="act")])


def act_from(body: str) -> Act:
    """The act that was kept as JSON. Raises ValidationError."""
    return _ACT.validate_json(body)


def question_of(act: Act, channel: str) -> Question:
    """What the policy is asked about the act; what the act does not say stays unknown."""
    branch = workflow = None
    match act:
        case Abort(build=build) | Rebuild(build=build) | SetPublicPage(build=build):
            branch, workflow = build.branch, build.workflow
        case Start(ask=ask):
            branch, workflow = ask.branch, ask.workflow or ask.pipeline
        case AbortPipeline(pipeline=pipeline) | RebuildPipeline(pipeline=pipeline):
            branch = pipeline.branch
        case Decide():
            branch = act.branch
    return Question(permission=act.permission, app=act.app, channel=channel, branch=branch, workflow=workflow)


def reason_of(act: Act) -> str | None:
    """Why, in the person's own words."""
    match act:
        case Abort(order=order) | AbortPipeline(order=order):
            return order.reason
        case Start(ask=ask):
            return ask.message
        case _:
            return None


def about(act: Act) -> dict[str, str]:
    """What the act is about, for the audit log."""
    match act:
        case Abort(build=build) | Rebuild(build=build):
            return {"build": build.slug, "label": build.label}
        case SetPublicPage(build=build):
            page = {"artifact": act.artifact, "public": str(act.public).lower()}
            return {"build": build.slug, "label": build.label, **page}
        case AbortPipeline(pipeline=pipeline) | RebuildPipeline(pipeline=pipeline):
            return {"pipeline": pipeline.id, "label": pipeline.label}
        case Decide():
            number = {"pull_request": str(act.pull_request)} if act.pull_request is not None else {}
            return {"request": act.request, "approved": str(act.approved).lower(), **number}
        case Start(ask=ask):
            # Of variables only the names: a value may be a secret.
            names = " ".join(name for name, _ in ask.environments)
            return _named(ask) | ({"variables": names} if names else {})


def words(act: Act) -> str:
    """What somebody wants to do, as text that follows "wants to"."""
    title = act.app.title
    match act:
        case Abort(build=build):
            return f"abort {title} {build.label}"
        case Rebuild(build=build):
            return f"start {title} {build.label} again"
        case SetPublicPage(build=build):
            return f"make an install page of {title} {build.label} {'public' if act.public else 'private'}"
        case AbortPipeline(pipeline=pipeline):
            return f"abort {pipeline.name} {pipeline.label} of {title}"
        case RebuildPipeline(pipeline=pipeline):
            return f"start {pipeline.name} {pipeline.label} of {title} again"
        case Decide():
            of = f" of pull request #{act.pull_request}" if act.pull_request is not None else ""
            return f"{'approve' if act.approved else 'decline'} the build{of} in {title}"
        case Start(ask=ask):
            return f"start {title} ({', '.join(f'{name} {value}' for name, value in _named(ask).items())})"


def _named(ask: TriggerBuild) -> dict[str, str]:
    named = {"branch", "tag", "commit", "workflow", "pipeline"}
    return ask.model_dump(include=named, exclude_none=True)
