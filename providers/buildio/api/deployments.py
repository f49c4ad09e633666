"""Parsing of deployments and builds. Pure; no I/O."""

from __future__ import annotations

import re

from domain.build import BuildState
from providers.buildio.api.field_parsing import Fields
from providers.buildio.api.models import Deployment, StartedBuild

# The reference mentions a status but lists no values; these are the usual ones of Heroku and Kubernetes.
_STATES = {
    BuildState.ON_HOLD: "pending queued",
    BuildState.RUNNING: "building releasing deploying in_progress",
    BuildState.SUCCEEDED: "succeeded success successful deployed live complete completed",
    BuildState.FAILED: "failed failure error errored crashed",
    BuildState.ABORTED: "cancelled canceled aborted",
}
_BY_WORD = {word: state for state, words in _STATES.items() for word in words.split()}
# An app's own `status` may be about something else, such as its dynos; these values say nothing about a deployment.
_OF_ITS_DYNOS = frozenset({"live", "error", "errored", "crashed"})
_DEPLOYMENT = (
    "deployment",
    "current_deployment",
    "latest_deployment",
    "last_deployment",
    "release",
    "current_release",
    "latest_release",
)
_STATUS = ("status", "state")
_VERSION = re.compile(r"v?(\d{1,9})")
UNKNOWN_STATUS = "unknown"


def parse_state(word: str | None) -> BuildState:
    """Return the state for a status of Build.io; UNKNOWN for an unknown status."""
    return _BY_WORD.get(_normalize(word or ""), BuildState.UNKNOWN)


def parse_deployment(app: Fields) -> Deployment | None:
    """Parse an app's current deployment from any of the fields that may hold it; None if there is none."""
    status = app.name("deployment_status", "current_deployment_status")
    for key in _DEPLOYMENT:
        value = app.value(key)
        if isinstance(value, dict) and value:
            return _parse_details(Fields(value), status)
        # A text is the status if it is a known one; it may be something else, such as an ID.
        if isinstance(value, str) and status is None and parse_state(value) is not BuildState.UNKNOWN:
            status = app.name(key)
    if (
        status is None
        and (word := app.name("status")) is not None
        and _normalize(word) in _BY_WORD.keys() - _OF_ITS_DYNOS
    ):
        status = word
    return Deployment(status=status, state=parse_state(status)) if status is not None else None


def _normalize(word: str) -> str:
    return re.sub(r"[\s-]+", "_", word.strip().lower())


def _parse_details(fields: Fields, app_status: str | None) -> Deployment:
    status = fields.name(*_STATUS) or app_status or UNKNOWN_STATUS
    return Deployment(
        status=status,
        state=parse_state(status),
        id=fields.id("id", "uuid"),
        version=parse_version(fields),
        branch=fields.name("branch", "ref"),
        commit=_parse_commit(fields),
        description=fields.text("description", "message"),
        error=_parse_error(fields),
        by=fields.related_name("user", "by", "created_by", "triggered_by", "author", "actor"),
        created_at=fields.time("created_at", "queued_at", "started_at"),
        finished_at=fields.time("finished_at", "completed_at", "ended_at", "deployed_at", "released_at"),
    )


def _parse_commit(fields: Fields) -> str | None:
    return (
        fields.name("commit", "commitish", "commit_sha", "commit_hash", "sha", "revision")
        or fields.inner("commit").name("sha", "id", "hash")
        or fields.inner("slug").name("commit")
        # Heroku's Platform API, "Build": the version of what was built.
        or fields.inner("source_blob", "source").name("version", "commit", "revision")
    )


def _parse_error(fields: Fields) -> str | None:
    keys = ("error", "error_message", "failure_reason", "failure_message", "reason")
    return fields.text(*keys) or fields.inner(*keys).text("message", "code")


def parse_version(fields: Fields) -> int | None:
    """Parse the version, a number or `v12`; else the version of the related release."""
    if (number := fields.number("version")) is not None:
        return number
    match = _VERSION.fullmatch(fields.name("version") or "")
    return int(match[1]) if match else fields.inner("release").number("version")


def parse_started_build(fields: Fields) -> StartedBuild:
    """Parse a build that was just started."""
    return StartedBuild(
        id=fields.id("id", "uuid", "build_id"),
        status=fields.name(*_STATUS),
        version=parse_version(fields),
        url=fields.address("url", "web_url", "html_url"),
    )
