"""Deployments, seen one at a time: Build.io shows an app's current one, and no list. Pure; no I/O."""

from __future__ import annotations

from datetime import datetime

from domain.build import Build, BuildState, RunKind
from domain.provider import Provider
from providers.buildio.api.models import BuildioApp, Deployment
from providers.buildio.polling.snapshot import DeploymentSnapshot, SnapshotFields, make_slug

WORKFLOW = "deploy"
UNOBSERVED_END = "ended, and another one began before I saw how"
# An answer that lags behind shows one of these once more.
MOST_PAST = 8

Past = tuple[SnapshotFields, ...]


def compare_deployment(
    app: BuildioApp, last: DeploymentSnapshot | None, past: Past, now: datetime
) -> tuple[DeploymentSnapshot | None, Past, list[Build]]:
    """The deployment as it is known from now on, those before it, and what has changed as builds, in order."""
    found = app.deployment
    if found is None:
        return last, past, []  # an answer that leaves it out says nothing
    marks = SnapshotFields.of(found)
    if last is not None and not _is_another(last, found, marks):
        return _goes_on(app, last, found, marks, now, past)
    if any(one.is_same_deployment(marks) for one in past):
        return last, past, []
    builds = []
    if last is not None:
        past = (*past, last.marks)[-MOST_PAST:]
        if last.open:
            builds.append(_ended_unseen(app, last, min(found.created_at or now, now)))
    seen = _seen(app, found, marks, now)
    if seen.open or seen.finished:
        builds.append(_build(app, seen, found, now))
    return seen, past, builds


def deployment_slug(app_id: str, deployment_id: str) -> str:
    """What the deployment is called that Build.io knows by this id."""
    return make_slug(app_id, "deployment", f"id {deployment_id}")


def take_first_deployment(app: BuildioApp, now: datetime) -> tuple[DeploymentSnapshot | None, list[Build]]:
    """The deployment that is there when the watching begins; an end that it has come to is none that was seen."""
    seen, _, builds = compare_deployment(app, None, (), now)
    return seen.model_copy(update={"ended_at": None}) if seen is not None else None, builds


def _is_another(last: DeploymentSnapshot, found: Deployment, marks: SnapshotFields) -> bool:
    same = last.marks.is_same_deployment(marks)
    if same is not None:
        return not same
    # Nothing but the status tells them apart. An end is final: what goes on after it, or has ended otherwise, is
    # another deployment.
    if not last.finished:
        return False
    known = found.state is not BuildState.UNKNOWN or found.finished_at is not None
    return known and found.state is not last.state


def _goes_on(
    app: BuildioApp,
    last: DeploymentSnapshot,
    found: Deployment,
    marks: SnapshotFields,
    now: datetime,
    past: Past,
) -> tuple[DeploymentSnapshot, Past, list[Build]]:
    seen = last.model_copy(update={"marks": last.marks.merge(marks)})
    unknown = found.state is BuildState.UNKNOWN and found.finished_at is None
    if last.finished or unknown or found.state is last.state:
        return seen, past, []
    finished = _finished(found)
    seen = seen.model_copy(
        update={"state": found.state, "finished": finished, "ended_at": now if finished else None}
    )
    return seen, past, [_build(app, seen, found, now)]


def _seen(app: BuildioApp, found: Deployment, marks: SnapshotFields, now: datetime) -> DeploymentSnapshot:
    if marks.id is not None:
        name = f"id {marks.id}"
    elif marks.created_at is not None:
        name = f"at {marks.created_at.isoformat()}"
    elif marks.version is not None:
        name = f"version {marks.version}"
    else:
        name = f"seen {now.isoformat()}"
    finished = _finished(found)
    return DeploymentSnapshot(
        slug=make_slug(app.id, "deployment", name),
        state=found.state,
        marks=marks,
        first_seen=now,
        finished=finished,
        ended_at=now if finished else None,
    )


def _finished(found: Deployment) -> bool:
    return found.state.ended or (found.state is BuildState.UNKNOWN and found.finished_at is not None)


def _build(app: BuildioApp, seen: DeploymentSnapshot, found: Deployment, now: datetime) -> Build:
    triggered = seen.marks.created_at or seen.first_seen
    return _blank(app, seen).model_copy(
        update={
            "state": found.state,
            "branch": found.branch,
            "commit_message": found.description,
            "triggered_by": found.by,
            "triggered_at": triggered,
            "started_at": triggered if found.state is not BuildState.ON_HOLD else None,
            "finished_at": (found.finished_at or now) if seen.finished else None,
            "problem": found.error if found.state is BuildState.FAILED else None,
        }
    )


def _ended_unseen(app: BuildioApp, last: DeploymentSnapshot, by: datetime) -> Build:
    """The end of a deployment whose place another one has taken between two looks: how it ended is not known."""
    return _blank(app, last).model_copy(update={"finished_at": by, "said": UNOBSERVED_END})


def _blank(app: BuildioApp, seen: DeploymentSnapshot) -> Build:
    return Build(
        provider=Provider.BUILDIO,
        kind=RunKind.DEPLOYMENT,
        app_slug=app.id,
        slug=seen.slug,
        number=seen.marks.version,
        state=BuildState.UNKNOWN,
        workflow=WORKFLOW,
        commit_hash=seen.marks.commit,
        triggered_at=seen.marks.created_at or seen.first_seen,
        url=app.web_url or "",
    )
