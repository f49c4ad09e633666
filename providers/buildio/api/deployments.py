"""What Build.io says of deployments and builds. Pure; no I/O."""

from __future__ import annotations

import re

from domain.build import BuildState
from providers.buildio.api.field_parsing import Fields
from providers.buildio.api.models import Deployment, StartedBuild

# The reference names a status and none of its words; these are those of Heroku's and Kubernetes' kin.
_STATES = {
    BuildState.ON_HOLD: "pending queued",
    BuildState.RUNNING: "building releasing deploying in_progress",
    BuildState.SUCCEEDED: "succeeded success successful deployed live complete completed",
    BuildState.FAILED: "failed failure error errored crashed",
    BuildState.ABORTED: "cancelled canceled aborted",
}
_BY_WORD = {word: state for state, words in _STATES.items() for word in words.split()}
# An app's own `status` may be about something else, such as its dynos; these words would say nothing of a deployment.
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
UNSAID = "unknown"


def parse_state(word: str | None) -> BuildState:
    """What a word of Build.io's means; UNKNOWN for one that nobody knows."""
    return _BY_WORD.get(_plain(word or ""), BuildState.UNKNOWN)


def parse_deployment(app: Fields) -> Deployment | None:
    """An app's current deployment, wherever its details name it; None where they don't."""
    said = app.name("deployment_status", "current_deployment_status")
    for key in _DEPLOYMENT:
        value = app.value(key)
        if isinstance(value, dict) and value:
            return _deployment(Fields(value), said)
        # As a text it is the status; whatever else it names, such as an id, is none that is known.
        if isinstance(value, str) and said is None and parse_state(value) is not BuildState.UNKNOWN:
            said = app.name(key)
    if (
        said is None
        and (word := app.name("status")) is not None
        and _plain(word) in _BY_WORD.keys() - _OF_ITS_DYNOS
    ):
        said = word
    return Deployment(status=said, state=parse_state(said)) if said is not None else None


def _plain(word: str) -> str:
    return re.sub(r"[\s-]+", "_", word.strip().lower())


def _deployment(fields: Fields, said: str | None) -> Deployment:
    status = fields.name(*_STATUS) or said or UNSAID
    return Deployment(
        status=status,
        state=parse_state(status),
        id=fields.id("id", "uuid"),
        version=parse_version(fields),
        branch=fields.name("branch", "ref"),
        commit=_commit(fields),
        description=fields.text("description", "message"),
        error=_error(fields),
        by=fields.related_name("user", "by", "created_by", "triggered_by", "author", "actor"),
        created_at=fields.time("created_at", "queued_at", "started_at"),
        finished_at=fields.time("finished_at", "completed_at", "ended_at", "deployed_at", "released_at"),
    )


def _commit(fields: Fields) -> str | None:
    return (
        fields.name("commit", "commitish", "commit_sha", "commit_hash", "sha", "revision")
        or fields.inner("commit").name("sha", "id", "hash")
        or fields.inner("slug").name("commit")
        # Heroku's Platform API, "Build": the version of what was built.
        or fields.inner("source_blob", "source").name("version", "commit", "revision")
    )


def _error(fields: Fields) -> str | None:
    keys = ("error", "error_message", "failure_reason", "failure_message", "reason")
    return fields.text(*keys) or fields.inner(*keys).text("message", "code")


def parse_version(fields: Fields) -> int | None:
    """The version, as a number or as `v12`, or that of the release that belongs to it."""
    if (number := fields.number("version")) is not None:
        return number
    found = _VERSION.fullmatch(fields.name("version") or "")
    return int(found[1]) if found else fields.inner("release").number("version")


def parse_started_build(fields: Fields) -> StartedBuild:
    """A build that was asked for."""
    return StartedBuild(
        id=fields.id("id", "uuid", "build_id"),
        status=fields.name(*_STATUS),
        version=parse_version(fields),
        url=fields.address("url", "web_url", "html_url"),
    )
