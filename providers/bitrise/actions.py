"""What somebody wants to change at Bitrise. Pure; no I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal, Self

from domain.access_policy import AccessRequest, Permission
from domain.action import NONE_OF_THEM, Action, app_details, enabled_switches, present_values
from domain.build import App, Build, FrozenModel
from domain.build_author import STARTED_BY
from domain.build_filter import BuildTriggerEvent, event_of
from domain.build_request import BuildRequest
from domain.commands.trigger_build import TriggerBuild
from domain.git_refs import InvalidBranch, branch_name, is_ambiguous
from domain.pipeline import Pipeline
from domain.provider import Provider
from providers.bitrise.api.requests import AbortRequest, EnvironmentVariable, TriggerRequest

# Parameters beside which the branch alone says what is built (API v0.1, "BuildTriggerParamsBuildParams").
_INNOCENT = frozenset(
    {
        "branch",
        "commit_message",
        "environments",
        "machine_type_id",
        "pipeline_id",
        "priority",
        "skip_git_status_report",
        "stack",
        "workflow_id",
    }
)
# Variables by which Bitrise's own steps decide what they clone and what they take themselves for (Bitrise's docs,
# "Available environment variables"): they come after what the other parameters say.
_OVERRIDES = ("BITRISE_GIT_", "BITRISE_TRIGGERED_", "GIT_", "BITRISEIO_GIT_", "BITRISEIO_PULL_REQUEST_")
LONGEST_PATHS = 1000
PIPELINE_AND_WORKFLOW = "Name a workflow or a pipeline, not both: Bitrise would run only one of them."


class BuildTarget(FrozenModel):
    """What of a build an act needs to know."""

    slug: str
    label: str
    branch: str | None = None
    workflow: str | None = None

    @classmethod
    def of(cls, build: Build) -> Self:
        """This build."""
        return cls(slug=build.slug, label=build.label, branch=build.branch, workflow=build.workflow)

    def details(self) -> list[tuple[str, str]]:
        """All of it."""
        return present_values(
            build=self.label, build_id=self.slug, branch=self.branch, workflow=self.workflow
        )


class PipelineTarget(FrozenModel):
    """What of a pipeline an act needs to know. Which workflows it runs is not among it, so they are in doubt.

    `pushed`: its first attempt was started by a Git provider, so that the commit is one of the branch.
    """

    id: str
    label: str
    name: str
    branch: str | None = None
    tag: str | None = None
    commit: str | None = None
    pushed: bool = False

    @classmethod
    def of(cls, one: Pipeline) -> Self:
        """This pipeline."""
        # Whoever makes a new attempt may say whose it is (API v0.1, "pipeline-rebuild").
        pushed = one.attempt == 1 and (one.triggered_by or "").startswith("webhook")
        return cls(
            id=one.id,
            label=one.label,
            name=one.name,
            branch=one.branch,
            tag=one.tag,
            commit=one.commit_hash,
            pushed=pushed,
        )

    def details(self) -> list[tuple[str, str]]:
        """All of it that says which it is."""
        return [
            ("pipeline", f"{self.name} {self.label}"),
            *present_values(pipeline_id=self.id, branch=self.branch, tag=self.tag, commit=self.commit),
        ]


class BitriseAction(Action):
    """Something that changes at Bitrise, always of an app."""

    provider: ClassVar = Provider.BITRISE
    app: App

    def _of(self, channel: str, *, branch: str | None = None, workflow: str | None = None) -> AccessRequest:
        return self._build_access_request(channel, branch=branch, workflow=workflow, stage=NONE_OF_THEM)


class _OfBuild(BitriseAction):
    """Something about a build."""

    build: BuildTarget

    def access_request(self, channel: str) -> AccessRequest:
        """With the build's branch and workflow."""
        return self._of(channel, branch=self.build.branch, workflow=self.build.workflow)

    def audit_fields(self) -> dict[str, str]:
        """Which build."""
        return {"build": self.build.slug, "label": self.build.label}

    def full_details(self) -> list[tuple[str, str]]:
        """Which build, and what its kind adds."""
        return [*app_details(self.app), *self.build.details(), *self._more()]

    def _more(self) -> list[tuple[str, str]]:
        return []


class _OfPipeline(BitriseAction):
    """Something about a pipeline."""

    not_shown: ClassVar[Mapping[str, str]] = {
        "pipeline.pushed": "not sent: it only decides whether a rule holds"
    }
    pipeline: PipelineTarget

    def access_request(self, channel: str) -> AccessRequest:
        """With the pipeline's branch."""
        return self._of(channel, branch=self.pipeline.branch)

    def audit_fields(self) -> dict[str, str]:
        """Which pipeline."""
        return {"pipeline": self.pipeline.id, "label": self.pipeline.label}

    def full_details(self) -> list[tuple[str, str]]:
        """Which pipeline, and what its kind adds."""
        return [*app_details(self.app), *self.pipeline.details(), *self._more()]

    def _more(self) -> list[tuple[str, str]]:
        return []


class AbortBuildAction(_OfBuild):
    """Abort a build."""

    permission: ClassVar = Permission.ABORT
    act: Literal["abort"] = "abort"
    order: AbortRequest

    def reason(self) -> str | None:
        """The order's."""
        return self.order.reason

    def audit_fields(self) -> dict[str, str]:
        """Which build, and with which switches."""
        return super().audit_fields() | _switches(self.order)

    def summary(self) -> str:
        """Which build, and whether it is to count as a success."""
        return f"abort {self.app.title} {self.build.label}{_as_success(self.order)}"

    def _more(self) -> list[tuple[str, str]]:
        return _order_details(self.order)


class RebuildBuildAction(_OfBuild):
    """Start a build again with `params`, which are those that it was started with.

    They are None until they have been read, and empty where Bitrise does not say them. `pushed`: a Git provider has
    started it, so that its commit is one of its branch.
    """

    not_shown: ClassVar[Mapping[str, str]] = {"pushed": "not sent: it only decides whether a rule holds"}
    permission: ClassVar = Permission.TRIGGER
    act: Literal["rebuild"] = "rebuild"
    params: Mapping[str, Any] | None = None
    pushed: bool = False

    @classmethod
    def of_build(cls, app: App, build: Build) -> Self:
        """Start this build again."""
        return cls(app=app, build=BuildTarget.of(build), params=build.params or {}, pushed=_is_pushed(build))

    def access_request(self, channel: str) -> AccessRequest:
        """With what is started, which need not be what the build says of itself."""
        branch, workflow = _branch_and_workflow(self.params or {}, pushed=self.pushed)
        return self._of(channel, branch=branch, workflow=workflow)

    def audit_fields(self) -> dict[str, str]:
        """Which build, and what is started."""
        return super().audit_fields() | _params_noted(self.params or {})

    def summary(self) -> str:
        """Which build."""
        return f"start {self.app.title} {self.build.label} again"

    def problem(self) -> str | None:
        """Where Bitrise does not say how the build was started."""
        if self.params is None or self.params:
            return None
        return f"Bitrise doesn't say how build {self.build.label} was started, so it can't be started again."

    def _more(self) -> list[tuple[str, str]]:
        return _params_details(self.params or {})

    def trigger_params(self, started_by: str | None) -> TriggerRequest:
        """What is sent: the parameters as they are, and for whom it is started."""
        return TriggerRequest(original=self.params, started_by=started_by)


class TriggerBuildAction(BitriseAction):
    """Start a build; `remember`: the next time the form is filled in like this."""

    not_shown: ClassVar[Mapping[str, str]] = {
        "ask.app": "what was typed for the app, which stands there as it was found",
        "remember": "not sent: it only fills in the form the next time",
    }
    permission: ClassVar = Permission.TRIGGER
    act: Literal["trigger"] = "trigger"
    ask: TriggerBuild
    remember: bool = True

    def normalized(self) -> Self:
        """Return it with the names as Git has them. Raises InvalidBranch."""
        ask = self.ask
        names = {
            "tag": _stripped(ask.tag),
            "commit": _stripped(ask.commit),
            "workflow": _stripped(ask.workflow),
            "pipeline": _stripped(ask.pipeline),
            "branch": branch_name(ask.branch) if ask.branch is not None else None,
        }
        return self.model_copy(update={"ask": ask.model_copy(update=names)})

    def access_request(self, channel: str) -> AccessRequest:
        """With what is asked for."""
        branch, workflow = _branch_and_workflow(self._params())
        return self._of(channel, branch=branch, workflow=workflow)

    def reason(self) -> str | None:
        """The message that the build is given."""
        return self.ask.message

    def audit_fields(self) -> dict[str, str]:
        """What is asked for."""
        return _params_noted(self._params())

    def summary(self) -> str:
        """What is asked for."""
        return f"start {self.app.title} ({', '.join(f'{name} {value}' for name, value in self._named().items())})"

    def full_details(self) -> list[tuple[str, str]]:
        """The app, and all that is sent."""
        return [*app_details(self.app), *_params_details(self._params())]

    def problem(self) -> str | None:
        """Where it says nothing, or two things."""
        if self.ask.workflow and self.ask.pipeline:
            return PIPELINE_AND_WORKFLOW
        if not self.ask.names_something:
            return "Say what to build: a branch, a tag, a commit, a workflow or a pipeline."
        return None

    def trigger_params(self, *, message: str, started_by: str | None) -> TriggerRequest:
        """What is sent; `message` is what the build is given where nobody wrote one."""
        ask = self.ask
        return TriggerRequest(
            branch=ask.branch,
            tag=ask.tag,
            commit_hash=ask.commit,
            commit_message=ask.message or message or None,
            workflow_id=ask.workflow,
            pipeline_id=ask.pipeline,
            started_by=started_by,
            environments=tuple(EnvironmentVariable(key=key, value=value) for key, value in ask.environments),
        )

    def _params(self) -> Mapping[str, Any]:
        if not self.ask.names_something:
            return {}
        params: Mapping[str, Any] = self.trigger_params(message="", started_by=None).body()["build_params"]
        return params

    def _named(self) -> dict[str, str]:
        named = {"branch", "tag", "commit", "workflow", "pipeline"}
        return self.ask.model_dump(include=named, exclude_none=True)


class AbortPipelineAction(_OfPipeline):
    """Abort a pipeline."""

    not_shown: ClassVar[Mapping[str, str]] = {
        **_OfPipeline.not_shown,
        "order.skip_git_status_report": "not sent: a pipeline's abort knows no such switch (API v0.1, pipeline-abort)",
    }
    permission: ClassVar = Permission.ABORT
    act: Literal["abort_pipeline"] = "abort_pipeline"
    order: AbortRequest

    def reason(self) -> str | None:
        """The order's."""
        return self.order.reason

    def audit_fields(self) -> dict[str, str]:
        """Which pipeline, and with which switches."""
        return super().audit_fields() | _switches(self._sent())

    def summary(self) -> str:
        """Which pipeline, and whether it is to count as a success."""
        return (
            f"abort {self.pipeline.name} {self.pipeline.label} of {self.app.title}{_as_success(self.order)}"
        )

    def _more(self) -> list[tuple[str, str]]:
        return _order_details(self._sent())

    def _sent(self) -> AbortRequest:
        return self.order.model_copy(update={"skip_git_status_report": False})


class RebuildPipelineAction(_OfPipeline):
    """Start a new attempt of a pipeline: all of it, or what failed."""

    permission: ClassVar = Permission.TRIGGER
    act: Literal["rebuild_pipeline"] = "rebuild_pipeline"
    failed_only: bool

    def access_request(self, channel: str) -> AccessRequest:
        """With the branch, where the commit is known to be one of it."""
        one = self.pipeline
        known = one.pushed or not (one.commit or one.tag)
        return self._of(channel, branch=_certain(one.branch) if known else None)

    def audit_fields(self) -> dict[str, str]:
        """Which pipeline, and how much of it."""
        return super().audit_fields() | {"failed_only": str(self.failed_only).lower()}

    def summary(self) -> str:
        """Which pipeline, and how much of it."""
        what = "what failed of " if self.failed_only else "all of "
        return f"start {what}{self.pipeline.name} {self.pipeline.label} of {self.app.title} again"

    def _more(self) -> list[tuple[str, str]]:
        return [("runs again", "what failed, and what follows" if self.failed_only else "everything")]


class SetPublicInstallPageAction(_OfBuild):
    """Make an artifact's install page public, or private.

    `of_branch`: what was built is of the build's branch. By hand anybody may name any branch beside any commit.
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
        """The page of one of this build's artifacts."""
        built, _ = _branch_and_workflow(build.params or {}, pushed=_is_pushed(build))
        return cls(
            app=app,
            build=BuildTarget.of(build),
            artifact=artifact,
            public=public,
            of_branch=built is not None and built == _certain(build.branch),
        )

    def access_request(self, channel: str) -> AccessRequest:
        """With the branch, where what was built is known to be of it."""
        branch = _certain(self.build.branch) if self.of_branch else None
        return self._of(channel, branch=branch, workflow=self.build.workflow)

    def audit_fields(self) -> dict[str, str]:
        """Which artifact of which build."""
        named = {"artifact": self.artifact, "public": str(self.public).lower()}
        return super().audit_fields() | named | dict(present_values(title=self.title))

    def summary(self) -> str:
        """Which page, of which build."""
        what = "public" if self.public else "private"
        of = f" of {self.title}" if self.title else ""
        return f"make the install page{of} ({self.app.title} {self.build.label}) {what}"

    def _more(self) -> list[tuple[str, str]]:
        who = (
            "public: everybody who has its link" if self.public else "private: members of the app at Bitrise"
        )
        return [
            *present_values(artifact=self.title, artifact_id=self.artifact),
            ("install page becomes", who),
        ]


class DecideBuildRequestAction(BitriseAction):
    """Approve or decline a build that waits for it; of the build only as much is known as Bitrise says."""

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

    @classmethod
    def for_request(cls, request: str, app: App, known: BuildRequest | None, *, approved: bool) -> Self:
        """The decision on a request."""
        return cls(app=app, request=request, approved=approved).with_request(known)

    def with_request(self, known: BuildRequest | None) -> Self:
        """Return it with what is known of the build."""
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

    def access_request(self, channel: str) -> AccessRequest:
        """With the branch, as far as it is known."""
        return self._of(channel, branch=_certain(self.branch))

    def audit_fields(self) -> dict[str, str]:
        """Which request."""
        more = dict(present_values(pull_request=self.pull_request, commit=self.commit))
        number = {name.replace(" ", "_"): value for name, value in more.items()}
        return {"request": self.request, "approved": str(self.approved).lower(), **number}

    def summary(self) -> str:
        """Which request."""
        of = f" of pull request #{self.pull_request}" if self.pull_request is not None else ""
        return f"{'approve' if self.approved else 'decline'} the build{of} in {self.app.title}"

    def full_details(self) -> list[tuple[str, str]]:
        """The request, and what would be built."""
        return [
            *app_details(self.app),
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


def _is_pushed(build: Build) -> bool:
    """Whether a Git provider has started it, as far as Bitrise says."""
    # Of a pipeline's builds nobody can tell: whoever starts a new attempt may say whose it is.
    webhook = (build.triggered_by or "").startswith("webhook")
    return webhook and build.pipeline_id is None and event_of(build) is not BuildTriggerEvent.OTHER


def _branch_and_workflow(params: Mapping[str, Any], *, pushed: bool = False) -> tuple[str | None, str | None]:
    """Return the branch and the workflow that these parameters build; None for what they leave open.

    `pushed`: a Git provider has sent them, so that commit, tag and pull request belong to the branch. By hand
    anybody may name any branch beside any commit. A pipeline runs workflows that the parameters don't name.
    """
    if any(name.upper().startswith(_OVERRIDES) for name in _variable_names(params)):
        return None, None
    if not all(isinstance(one, Mapping) for one in _variables(params)):
        return None, None  # nobody can say what Bitrise makes of it
    sure = pushed or all(
        name in _INNOCENT for name, value in params.items() if value not in (None, "", [], {})
    )
    branch, workflow = params.get("branch"), params.get("workflow_id")
    known = workflow if isinstance(workflow, str) and workflow and not params.get("pipeline_id") else None
    return _certain(branch) if sure and isinstance(branch, str) else None, known


def _certain(branch: str | None) -> str | None:
    """Return the branch as it is judged; None where Git may take the name for something else."""
    try:
        name = branch_name(branch or "")
    except InvalidBranch:
        return None
    return None if is_ambiguous(name) else name


def _variables(params: Mapping[str, Any]) -> Iterable[Any]:
    for name in ("environments", "secrets"):
        found = params.get(name)
        for one in found if isinstance(found, list) else [found] if found else ():
            # For whom it is started stands in a variable, too, which is given anew each time.
            if not (isinstance(one, Mapping) and STARTED_BY in (one.get("key"), one.get("mapped_to"))):
                yield one


def _variable_names(params: Mapping[str, Any]) -> Iterable[str]:
    for one in _variables(params):
        if isinstance(one, Mapping):
            # Bitrise's answers name a variable by `mapped_to`, its requests by `key`, its bitrise.yml as a key.
            yield from (str(name) for name in (*one, one.get("key"), one.get("mapped_to")) if name)


def _params_details(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return every parameter: variables one by one, whatever else is no text as JSON."""
    plain = [
        (_LABELS.get(name, name.replace("_", " ")), value)
        for name, value in params.items()
        if name not in ("environments", "secrets") and value is not None
    ]
    found = [(name, _parameter(name, value)) for name, value in plain]
    return found + [_variable_details(one) for one in _variables(params)]


def _parameter(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    written = json.dumps(value, sort_keys=True)
    if name == "commit paths" and len(written) > LONGEST_PATHS:
        # Which files a push has changed: as long as the push was, and nobody reads it.
        return f"{len(written)} characters, SHA-256 {hashlib.sha256(written.encode()).hexdigest()}"
    return written


_LABELS = {
    "commit_hash": "commit",
    "commit_message": "message",
    "workflow_id": "workflow",
    "pipeline_id": "pipeline",
}


def _variable_details(one: Any) -> tuple[str, str]:
    rest = dict(one) if isinstance(one, Mapping) else {}
    name, value = rest.pop("key", None) or rest.pop("mapped_to", None), rest.pop("value", None)
    expanded = rest.pop("is_expand", False)
    if not isinstance(name, str) or not isinstance(value, str) or rest or not isinstance(expanded, bool):
        return "variable", json.dumps(one)
    return f"variable {name}{' (expanded)' if expanded else ''}", value


def _params_noted(params: Mapping[str, Any]) -> dict[str, str]:
    """Return what the audit log keeps of parameters: of variables the names alone, since a value may be a secret."""
    noted = ("branch", "tag", "commit_hash", "workflow_id", "pipeline_id", "pull_request_id")
    found = {
        _LABELS.get(name, name): str(params[name]) for name in noted if params.get(name) not in (None, "")
    }
    names = " ".join(
        str(one.get("key") or one.get("mapped_to")) for one in _variables(params) if isinstance(one, Mapping)
    )
    return found | ({"variables": names} if names else {})


def _order_details(order: AbortRequest) -> list[tuple[str, str]]:
    return [
        *present_values(reason=order.reason),
        *enabled_switches(
            counts_as_a_success=order.with_success,
            no_notifications=order.skip_notifications,
            no_Git_status=order.skip_git_status_report,
        ),
    ]


def _switches(order: AbortRequest) -> dict[str, str]:
    chosen = order.model_dump(exclude={"reason"})
    return {name: "true" for name, value in chosen.items() if value}


def _as_success(order: AbortRequest) -> str:
    return " and count it as a success" if order.with_success else ""


def _stripped(text: str | None) -> str | None:
    return (text or "").strip() or None
