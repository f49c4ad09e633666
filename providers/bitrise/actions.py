"""The actions that change something at Bitrise. Pure; no I/O."""

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
from providers.bitrise.api.requests import AbortRequest, EnvironmentVariable, TriggerRequest
from providers.bitrise.provider import BITRISE

# If a build has no other parameters than these, the branch alone decides what is built (API v0.1,
# "BuildTriggerParamsBuildParams").
_HARMLESS_PARAMS = frozenset(
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
# Variables that Bitrise's own steps read to decide what to clone and how they were triggered; they override the other
# parameters (Bitrise's docs, "Available environment variables").
_OVERRIDING_PREFIXES = (
    "BITRISE_GIT_",
    "BITRISE_TRIGGERED_",
    "GIT_",
    "BITRISEIO_GIT_",
    "BITRISEIO_PULL_REQUEST_",
)
LONGEST_PATHS = 1000
PIPELINE_AND_WORKFLOW = "Name a workflow or a pipeline, not both: Bitrise would run only one of them."


class BuildTarget(FrozenModel):
    """The part of a build that actions store."""

    slug: str
    label: str
    branch: str | None = None
    workflow: str | None = None

    @classmethod
    def of(cls, build: Build) -> Self:
        """Make the target from a build."""
        return cls(slug=build.slug, label=build.label, branch=build.branch, workflow=build.workflow)

    def details(self) -> list[tuple[str, str]]:
        """Return all fields, as names and values."""
        return present_values(
            build=self.label, build_id=self.slug, branch=self.branch, workflow=self.workflow
        )


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

    def details(self) -> list[tuple[str, str]]:
        """Return the fields that identify the pipeline, as names and values."""
        return [
            ("pipeline", f"{self.name} {self.label}"),
            *present_values(pipeline_id=self.id, branch=self.branch, tag=self.tag, commit=self.commit),
        ]


class BitriseAction(Action):
    """The base class of actions at Bitrise; each belongs to an app."""

    provider: ClassVar = BITRISE
    app: App

    def _access_request_without_stage(
        self, channel: str, *, branch: str | None = None, workflow: str | None = None
    ) -> AccessRequest:
        return self._build_access_request(channel, branch=branch, workflow=workflow, stage=NONE_OF_THEM)


class _BuildAction(BitriseAction):
    """The base class of actions on a build."""

    build: BuildTarget

    def access_request(self, channel: str) -> AccessRequest:
        """Return the access request, with the build's branch and workflow."""
        return self._access_request_without_stage(
            channel, branch=self.build.branch, workflow=self.build.workflow
        )

    def audit_fields(self) -> dict[str, str]:
        """Return the build's slug and label."""
        return {"build": self.build.slug, "label": self.build.label}

    def full_details(self) -> list[tuple[str, str]]:
        """Return the app, the build and the details of the subclass."""
        return [*app_details(self.app), *self.build.details(), *self._extra_details()]

    def _extra_details(self) -> list[tuple[str, str]]:
        return []


class _PipelineAction(BitriseAction):
    """The base class of actions on a pipeline."""

    not_shown: ClassVar[Mapping[str, str]] = {
        "pipeline.pushed": "not sent: it only decides whether a rule holds"
    }
    pipeline: PipelineTarget

    def access_request(self, channel: str) -> AccessRequest:
        """Return the access request, with the pipeline's branch."""
        return self._access_request_without_stage(channel, branch=self.pipeline.branch)

    def audit_fields(self) -> dict[str, str]:
        """Return the pipeline's ID and label."""
        return {"pipeline": self.pipeline.id, "label": self.pipeline.label}

    def full_details(self) -> list[tuple[str, str]]:
        """Return the app, the pipeline and the details of the subclass."""
        return [*app_details(self.app), *self.pipeline.details(), *self._extra_details()]

    def _extra_details(self) -> list[tuple[str, str]]:
        return []


class AbortBuildAction(_BuildAction):
    """Abort a build."""

    permission: ClassVar = Permission.ABORT
    act: Literal["abort"] = "abort"
    order: AbortRequest

    def reason(self) -> str | None:
        """Return the reason that the user gave."""
        return self.order.reason

    def audit_fields(self) -> dict[str, str]:
        """Return the build and the switches that are on."""
        return super().audit_fields() | _switches(self.order)

    def summary(self) -> str:
        """Return which build is aborted, and whether it will count as a success."""
        return f"abort {self.app.title} {self.build.label}{_as_success(self.order)}"

    def _extra_details(self) -> list[tuple[str, str]]:
        return _order_details(self.order)


class RebuildBuildAction(_BuildAction):
    """Start a build again with `params`, the parameters that it was started with.

    `params` is None until it has been fetched, and empty if Bitrise does not report it. `pushed`: a Git provider
    started the build, so its commit belongs to its branch.
    """

    not_shown: ClassVar[Mapping[str, str]] = {"pushed": "not sent: it only decides whether a rule holds"}
    permission: ClassVar = Permission.TRIGGER
    act: Literal["rebuild"] = "rebuild"
    params: Mapping[str, Any] | None = None
    pushed: bool = False

    @classmethod
    def of_build(cls, app: App, build: Build) -> Self:
        """Make the action from a build that was fetched."""
        return cls(app=app, build=BuildTarget.of(build), params=build.params or {}, pushed=_is_pushed(build))

    def access_request(self, channel: str) -> AccessRequest:
        """Return the access request, with what the parameters will build; the build's own fields may differ."""
        branch, workflow = _branch_and_workflow(self.params or {}, pushed=self.pushed)
        return self._access_request_without_stage(channel, branch=branch, workflow=workflow)

    def audit_fields(self) -> dict[str, str]:
        """Return the build and the parameters."""
        return super().audit_fields() | _audited_params(self.params or {})

    def summary(self) -> str:
        """Return which build is started again."""
        return f"start {self.app.title} {self.build.label} again"

    def problem(self) -> str | None:
        """Return the problem that Bitrise does not report how the build was started."""
        if self.params is None or self.params:
            return None
        return f"Bitrise doesn't say how build {self.build.label} was started, so it can't be started again."

    def _extra_details(self) -> list[tuple[str, str]]:
        return _params_details(self.params or {})

    def trigger_params(self, started_by: str | None) -> TriggerRequest:
        """Return the request to send: the parameters unchanged, and the user for whom the build is started."""
        return TriggerRequest(original=self.params, started_by=started_by)


class TriggerBuildAction(BitriseAction):
    """Start a build; `remember`: prefill the form with these values next time."""

    not_shown: ClassVar[Mapping[str, str]] = {
        "ask.app": "what was typed for the app, which stands there as it was found",
        "remember": "not sent: it only fills in the form the next time",
    }
    permission: ClassVar = Permission.TRIGGER
    act: Literal["trigger"] = "trigger"
    ask: TriggerBuild
    remember: bool = True

    def normalized(self) -> Self:
        """Return the action with names as Git writes them. Raises InvalidBranch."""
        ask = self.ask
        names = {
            "tag": _strip(ask.tag),
            "commit": _strip(ask.commit),
            "workflow": _strip(ask.workflow),
            "pipeline": _strip(ask.pipeline),
            "branch": branch_name(ask.branch) if ask.branch is not None else None,
        }
        return self.model_copy(update={"ask": ask.model_copy(update=names)})

    def access_request(self, channel: str) -> AccessRequest:
        """Return the access request, with the branch and workflow that will be built."""
        branch, workflow = _branch_and_workflow(self._params())
        return self._access_request_without_stage(channel, branch=branch, workflow=workflow)

    def reason(self) -> str | None:
        """Return the message of the build."""
        return self.ask.message

    def audit_fields(self) -> dict[str, str]:
        """Return the parameters."""
        return _audited_params(self._params())

    def summary(self) -> str:
        """Return what is started."""
        return f"start {self.app.title} ({', '.join(f'{name} {value}' for name, value in self._targets().items())})"

    def full_details(self) -> list[tuple[str, str]]:
        """Return the app and everything that is sent."""
        return [*app_details(self.app), *_params_details(self._params())]

    def problem(self) -> str | None:
        """Return the problem that nothing to build is named, or both a workflow and a pipeline."""
        if self.ask.workflow and self.ask.pipeline:
            return PIPELINE_AND_WORKFLOW
        if not self.ask.names_something:
            return "Say what to build: a branch, a tag, a commit, a workflow or a pipeline."
        return None

    def trigger_params(self, *, message: str, started_by: str | None) -> TriggerRequest:
        """Return the request to send; `message` is used if the user wrote none."""
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

    def _targets(self) -> dict[str, str]:
        fields = {"branch", "tag", "commit", "workflow", "pipeline"}
        return self.ask.model_dump(include=fields, exclude_none=True)


class AbortPipelineAction(_PipelineAction):
    """Abort a pipeline."""

    not_shown: ClassVar[Mapping[str, str]] = {
        **_PipelineAction.not_shown,
        "order.skip_git_status_report": "not sent: a pipeline's abort knows no such switch (API v0.1, pipeline-abort)",
    }
    permission: ClassVar = Permission.ABORT
    act: Literal["abort_pipeline"] = "abort_pipeline"
    order: AbortRequest

    def reason(self) -> str | None:
        """Return the reason that the user gave."""
        return self.order.reason

    def audit_fields(self) -> dict[str, str]:
        """Return the pipeline and the switches that are on."""
        return super().audit_fields() | _switches(self._sent_order())

    def summary(self) -> str:
        """Return which pipeline is aborted, and whether it will count as a success."""
        return (
            f"abort {self.pipeline.name} {self.pipeline.label} of {self.app.title}{_as_success(self.order)}"
        )

    def _extra_details(self) -> list[tuple[str, str]]:
        return _order_details(self._sent_order())

    def _sent_order(self) -> AbortRequest:
        return self.order.model_copy(update={"skip_git_status_report": False})


class RebuildPipelineAction(_PipelineAction):
    """Start a new attempt of a pipeline: all of it, or only what failed."""

    permission: ClassVar = Permission.TRIGGER
    act: Literal["rebuild_pipeline"] = "rebuild_pipeline"
    failed_only: bool

    def access_request(self, channel: str) -> AccessRequest:
        """Return the access request, with the branch if the commit is known to belong to it."""
        pipeline = self.pipeline
        is_known = pipeline.pushed or not (pipeline.commit or pipeline.tag)
        return self._access_request_without_stage(
            channel, branch=_unambiguous(pipeline.branch) if is_known else None
        )

    def audit_fields(self) -> dict[str, str]:
        """Return the pipeline, and whether only what failed runs again."""
        return super().audit_fields() | {"failed_only": str(self.failed_only).lower()}

    def summary(self) -> str:
        """Return which pipeline is started again, and how much of it."""
        scope = "what failed of " if self.failed_only else "all of "
        return f"start {scope}{self.pipeline.name} {self.pipeline.label} of {self.app.title} again"

    def _extra_details(self) -> list[tuple[str, str]]:
        return [("runs again", "what failed, and what follows" if self.failed_only else "everything")]


class SetPublicInstallPageAction(_BuildAction):
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
        built_branch, _ = _branch_and_workflow(build.params or {}, pushed=_is_pushed(build))
        return cls(
            app=app,
            build=BuildTarget.of(build),
            artifact=artifact,
            public=public,
            of_branch=built_branch is not None and built_branch == _unambiguous(build.branch),
        )

    def access_request(self, channel: str) -> AccessRequest:
        """Return the access request, with the branch if the built commit is known to belong to it."""
        branch = _unambiguous(self.build.branch) if self.of_branch else None
        return self._access_request_without_stage(channel, branch=branch, workflow=self.build.workflow)

    def audit_fields(self) -> dict[str, str]:
        """Return the build, the artifact and the new visibility of the page."""
        fields = {"artifact": self.artifact, "public": str(self.public).lower()}
        return super().audit_fields() | fields | dict(present_values(title=self.title))

    def summary(self) -> str:
        """Return which page becomes public or private."""
        visibility = "public" if self.public else "private"
        artifact = f" of {self.title}" if self.title else ""
        return f"make the install page{artifact} ({self.app.title} {self.build.label}) {visibility}"

    def _extra_details(self) -> list[tuple[str, str]]:
        who = (
            "public: everybody who has its link" if self.public else "private: members of the app at Bitrise"
        )
        return [
            *present_values(artifact=self.title, artifact_id=self.artifact),
            ("install page becomes", who),
        ]


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

    @classmethod
    def for_request(cls, request: str, app: App, known: BuildRequest | None, *, approved: bool) -> Self:
        """Make the action; `known` is the request as far as it is known."""
        return cls(app=app, request=request, approved=approved).with_request(known)

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

    def access_request(self, channel: str) -> AccessRequest:
        """Return the access request, with the branch if it is known."""
        return self._access_request_without_stage(channel, branch=_unambiguous(self.branch))

    def audit_fields(self) -> dict[str, str]:
        """Return the request, the decision, the pull request and the commit."""
        known = dict(present_values(pull_request=self.pull_request, commit=self.commit))
        source = {name.replace(" ", "_"): value for name, value in known.items()}
        return {"request": self.request, "approved": str(self.approved).lower(), **source}

    def summary(self) -> str:
        """Return the decision, the pull request and the app."""
        source = f" of pull request #{self.pull_request}" if self.pull_request is not None else ""
        return f"{'approve' if self.approved else 'decline'} the build{source} in {self.app.title}"

    def full_details(self) -> list[tuple[str, str]]:
        """Return the decision, the request and what would be built."""
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
    """Return whether a Git provider started the build, according to Bitrise."""
    # Builds of a pipeline are not certain: the user who starts a new attempt can set `triggered_by` to anything.
    webhook = (build.triggered_by or "").startswith("webhook")
    return webhook and build.pipeline_id is None and event_of(build) is not BuildTriggerEvent.OTHER


def _branch_and_workflow(params: Mapping[str, Any], *, pushed: bool = False) -> tuple[str | None, str | None]:
    """Return the branch and the workflow that these parameters build; None if they leave it open.

    `pushed`: a Git provider sent them, so commit, tag and pull request belong to the branch. Users who start a build
    can name any branch with any commit. A pipeline runs workflows that the parameters don't name.
    """
    if any(name.upper().startswith(_OVERRIDING_PREFIXES) for name in _variable_names(params)):
        return None, None
    if not all(isinstance(variable, Mapping) for variable in _variables(params)):
        return None, None  # how Bitrise reads such a variable is unknown
    is_certain = pushed or all(
        name in _HARMLESS_PARAMS for name, value in params.items() if value not in (None, "", [], {})
    )
    branch, workflow = params.get("branch"), params.get("workflow_id")
    known_workflow = (
        workflow if isinstance(workflow, str) and workflow and not params.get("pipeline_id") else None
    )
    return _unambiguous(branch) if is_certain and isinstance(branch, str) else None, known_workflow


def _unambiguous(branch: str | None) -> str | None:
    """Return the branch as access rules compare it; None if Git may read the name as something else."""
    try:
        name = branch_name(branch or "")
    except InvalidBranch:
        return None
    return None if is_ambiguous(name) else name


def _variables(params: Mapping[str, Any]) -> Iterable[Any]:
    for name in ("environments", "secrets"):
        value = params.get(name)
        for variable in value if isinstance(value, list) else [value] if value else ():
            # The variable with the user for whom a build is started is set again for each build.
            if not (
                isinstance(variable, Mapping)
                and STARTED_BY in (variable.get("key"), variable.get("mapped_to"))
            ):
                yield variable


def _variable_names(params: Mapping[str, Any]) -> Iterable[str]:
    for variable in _variables(params):
        if isinstance(variable, Mapping):
            # The name is in `mapped_to` in Bitrise's answers, in `key` in requests, and is a key in bitrise.yml.
            names = (*variable, variable.get("key"), variable.get("mapped_to"))
            yield from (str(name) for name in names if name)


def _params_details(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return every parameter; each variable has a line, and other values that are not text are JSON."""
    labeled = [
        (_LABELS.get(name, name.replace("_", " ")), value)
        for name, value in params.items()
        if name not in ("environments", "secrets") and value is not None
    ]
    details = [(name, _format_param(name, value)) for name, value in labeled]
    return details + [_variable_details(variable) for variable in _variables(params)]


def _format_param(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    text = json.dumps(value, sort_keys=True)
    if name == "commit paths" and len(text) > LONGEST_PATHS:
        # The files that a push changed: there may be very many, and nobody reads them.
        return f"{len(text)} characters, SHA-256 {hashlib.sha256(text.encode()).hexdigest()}"
    return text


_LABELS = {
    "commit_hash": "commit",
    "commit_message": "message",
    "workflow_id": "workflow",
    "pipeline_id": "pipeline",
}


def _variable_details(variable: Any) -> tuple[str, str]:
    rest = dict(variable) if isinstance(variable, Mapping) else {}
    name, value = rest.pop("key", None) or rest.pop("mapped_to", None), rest.pop("value", None)
    expanded = rest.pop("is_expand", False)
    if not isinstance(name, str) or not isinstance(value, str) or rest or not isinstance(expanded, bool):
        return "variable", json.dumps(variable)
    return f"variable {name}{' (expanded)' if expanded else ''}", value


def _audited_params(params: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters for the audit log; variables without their values, which may be secrets."""
    audited = ("branch", "tag", "commit_hash", "workflow_id", "pipeline_id", "pull_request_id")
    fields = {
        _LABELS.get(name, name): str(params[name]) for name in audited if params.get(name) not in (None, "")
    }
    names = " ".join(
        str(variable.get("key") or variable.get("mapped_to"))
        for variable in _variables(params)
        if isinstance(variable, Mapping)
    )
    return fields | ({"variables": names} if names else {})


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
    switches = order.model_dump(exclude={"reason"})
    return {name: "true" for name, is_on in switches.items() if is_on}


def _as_success(order: AbortRequest) -> str:
    return " and count it as a success" if order.with_success else ""


def _strip(text: str | None) -> str | None:
    return (text or "").strip() or None
