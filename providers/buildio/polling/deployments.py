"""Deployments, polled one at a time: Build.io shows an app's current one, and no list. Pure; no I/O."""

from __future__ import annotations

from datetime import datetime

from domain.build import Build, BuildState, RunKind
from providers.buildio.api.models import BuildioApp, Deployment
from providers.buildio.polling.snapshot import DeploymentSnapshot, SnapshotFields, make_slug
from providers.buildio.provider import BUILDIO

WORKFLOW = "deploy"
UNOBSERVED_END = "finished with an unknown result: a newer deployment replaced it"
# A delayed response may show one of these again.
MAX_PAST_DEPLOYMENTS = 8

Past = tuple[SnapshotFields, ...]


def compare_deployment(
    app: BuildioApp, last: DeploymentSnapshot | None, past: Past, now: datetime
) -> tuple[DeploymentSnapshot | None, Past, list[Build]]:
    """Return the current deployment, the earlier ones, and the changes as builds, in order."""
    current = app.deployment
    if current is None:
        return last, past, []  # a response without it says nothing
    fields = SnapshotFields.of(current)
    if last is not None and not _is_another(last, current, fields):
        return _update_snapshot(app, last, current, fields, now, past)
    if any(earlier.is_same_deployment(fields) for earlier in past):
        return last, past, []
    builds = []
    if last is not None:
        past = (*past, last.marks)[-MAX_PAST_DEPLOYMENTS:]
        if last.open:
            builds.append(_make_unobserved_end(app, last, min(current.created_at or now, now)))
    snapshot = _make_snapshot(app, current, fields, now)
    if snapshot.open or snapshot.finished:
        builds.append(_make_build(app, snapshot, current, now))
    return snapshot, past, builds


def deployment_slug(app_id: str, deployment_id: str) -> str:
    """Return our slug of the deployment with this Build.io ID."""
    return make_slug(app_id, "deployment", f"id {deployment_id}")


def take_first_deployment(app: BuildioApp, now: datetime) -> tuple[DeploymentSnapshot | None, list[Build]]:
    """Return the deployment at the first poll; an end before it counts as not observed."""
    snapshot, _, builds = compare_deployment(app, None, (), now)
    return snapshot.model_copy(update={"ended_at": None}) if snapshot is not None else None, builds


def _is_another(last: DeploymentSnapshot, current: Deployment, fields: SnapshotFields) -> bool:
    same = last.marks.is_same_deployment(fields)
    if same is not None:
        return not same
    # Only the status separates them. An end is final: anything running after it, or with another end, is another
    # deployment.
    if not last.finished:
        return False
    has_status = current.state is not BuildState.UNKNOWN or current.finished_at is not None
    return has_status and current.state is not last.state


def _update_snapshot(
    app: BuildioApp,
    last: DeploymentSnapshot,
    current: Deployment,
    fields: SnapshotFields,
    now: datetime,
    past: Past,
) -> tuple[DeploymentSnapshot, Past, list[Build]]:
    snapshot = last.model_copy(update={"marks": last.marks.merge(fields)})
    unknown = current.state is BuildState.UNKNOWN and current.finished_at is None
    if last.finished or unknown or current.state is last.state:
        return snapshot, past, []
    finished = _has_finished(current)
    snapshot = snapshot.model_copy(
        update={"state": current.state, "finished": finished, "ended_at": now if finished else None}
    )
    return snapshot, past, [_make_build(app, snapshot, current, now)]


def _make_snapshot(
    app: BuildioApp, current: Deployment, fields: SnapshotFields, now: datetime
) -> DeploymentSnapshot:
    if fields.id is not None:
        name = f"id {fields.id}"
    elif fields.created_at is not None:
        name = f"at {fields.created_at.isoformat()}"
    elif fields.version is not None:
        name = f"version {fields.version}"
    else:
        name = f"seen {now.isoformat()}"
    finished = _has_finished(current)
    return DeploymentSnapshot(
        slug=make_slug(app.id, "deployment", name),
        state=current.state,
        marks=fields,
        first_seen=now,
        finished=finished,
        ended_at=now if finished else None,
    )


def _has_finished(current: Deployment) -> bool:
    return current.state.ended or (current.state is BuildState.UNKNOWN and current.finished_at is not None)


def _make_build(app: BuildioApp, snapshot: DeploymentSnapshot, current: Deployment, now: datetime) -> Build:
    triggered = snapshot.marks.created_at or snapshot.first_seen
    return _make_base_build(app, snapshot).model_copy(
        update={
            "state": current.state,
            "branch": current.branch,
            "commit_message": current.description,
            "triggered_by": current.by,
            "triggered_at": triggered,
            "started_at": triggered if current.state is not BuildState.ON_HOLD else None,
            "finished_at": (current.finished_at or now) if snapshot.finished else None,
            "problem": current.error if current.state is BuildState.FAILED else None,
        }
    )


def _make_unobserved_end(app: BuildioApp, last: DeploymentSnapshot, by: datetime) -> Build:
    """Return the end of a deployment that was replaced between two polls; its outcome is unknown."""
    return _make_base_build(app, last).model_copy(update={"finished_at": by, "said": UNOBSERVED_END})


def _make_base_build(app: BuildioApp, snapshot: DeploymentSnapshot) -> Build:
    return Build(
        provider=BUILDIO,
        kind=RunKind.DEPLOYMENT,
        app_slug=app.id,
        slug=snapshot.slug,
        number=snapshot.marks.version,
        state=BuildState.UNKNOWN,
        workflow=WORKFLOW,
        commit_hash=snapshot.marks.commit,
        triggered_at=snapshot.marks.created_at or snapshot.first_seen,
        url=app.web_url or "",
    )
