"""The parameters of a build: what they build, as access rules, approvers and the audit log need it. Pure; no I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from domain.build import Build
from domain.build_author import STARTED_BY
from domain.build_filter import BuildTriggerEvent, event_of
from domain.git_refs import unambiguous

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
_LABELS = {
    "commit_hash": "commit",
    "commit_message": "message",
    "workflow_id": "workflow",
    "pipeline_id": "pipeline",
}
LONGEST_PATHS = 1000


def is_pushed(build: Build) -> bool:
    """Return whether a Git provider started the build, according to Bitrise."""
    # Builds of a pipeline are not certain: the user who starts a new attempt can set `triggered_by` to anything.
    webhook = (build.triggered_by or "").startswith("webhook")
    return webhook and build.pipeline_id is None and event_of(build) is not BuildTriggerEvent.OTHER


def find_branch_and_workflow(
    params: Mapping[str, Any], *, pushed: bool = False
) -> tuple[str | None, str | None]:
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
    return unambiguous(branch) if is_certain and isinstance(branch, str) else None, known_workflow


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


def params_details(params: Mapping[str, Any]) -> list[tuple[str, str]]:
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


def _variable_details(variable: Any) -> tuple[str, str]:
    rest = dict(variable) if isinstance(variable, Mapping) else {}
    name, value = rest.pop("key", None) or rest.pop("mapped_to", None), rest.pop("value", None)
    expanded = rest.pop("is_expand", False)
    if not isinstance(name, str) or not isinstance(value, str) or rest or not isinstance(expanded, bool):
        return "variable", json.dumps(variable)
    return f"variable {name}{' (expanded)' if expanded else ''}", value


def audited_params(params: Mapping[str, Any]) -> dict[str, str]:
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
