"""Snapshots of an app at the last poll: only identifiers and times, no text that people wrote. Pure; no I/O."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Self

from domain.build import BuildState, FrozenModel
from providers.buildio.api.models import Deployment


class SnapshotFields(FrozenModel):
    """Fields that may identify a deployment; the reference guarantees none of them."""

    id: str | None = None
    created_at: datetime | None = None
    version: int | None = None
    commit: str | None = None
    finished_at: datetime | None = None

    @classmethod
    def of(cls, deployment: Deployment) -> Self:
        """Return the fields of this deployment."""
        return cls(
            id=deployment.id,
            created_at=deployment.created_at,
            version=deployment.version,
            commit=deployment.commit,
            finished_at=deployment.finished_at,
        )

    def is_same_deployment(self, other: SnapshotFields) -> bool | None:
        """Return whether both identify the same deployment; None if this can't be told."""
        for name in ("id", "created_at", "version"):
            own, theirs = getattr(self, name), getattr(other, name)
            if own is not None and theirs is not None:
                return bool(own == theirs)
        # A commit can be deployed twice, so only a difference is meaningful.
        for name in ("commit", "finished_at"):
            own, theirs = getattr(self, name), getattr(other, name)
            if own is not None and theirs is not None and own != theirs:
                return False
        return None

    def merge(self, newer: SnapshotFields) -> SnapshotFields:
        """Merge with newer fields of the same deployment: a response may contain less than the one before it."""
        return self.model_copy(update=newer.model_dump(exclude_none=True))


class DeploymentSnapshot(FrozenModel):
    """A deployment at the last poll. With state UNKNOWN, no notification has been sent about it.

    `ended_at` is when its end was first observed, None if it had ended before the polling started.
    """

    slug: str
    state: BuildState
    marks: SnapshotFields
    first_seen: datetime
    finished: bool = False
    ended_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Return whether it is known to be running."""
        return not self.finished and self.state is not BuildState.UNKNOWN


class DynoIncident(FrozenModel):
    """A dyno is down or restarts in a loop, since `began`; `up_since`: it seems to be up again."""

    began: datetime
    loop: bool = False
    up_since: datetime | None = None


class DynoSnapshot(FrozenModel):
    """A dyno at the last poll, and when it was observed to restart; `gone_since`: it is no longer listed."""

    name: str
    up: bool | None = None
    restarts: int | None = None
    since: datetime | None = None
    restarted: tuple[datetime, ...] = ()
    trouble: DynoIncident | None = None
    gone_since: datetime | None = None


class Snapshot(FrozenModel):
    """The state of an app: its current deployment, the earlier ones, and its dynos."""

    deployment: DeploymentSnapshot | None = None
    past: tuple[SnapshotFields, ...] = ()
    dynos: tuple[DynoSnapshot, ...] = ()

    def encode(self) -> str:
        """Return the stored form."""
        return self.model_dump_json(exclude_defaults=True)

    @classmethod
    def decode(cls, body: str) -> Self:
        """Read what `encode` wrote."""
        return cls.model_validate_json(body)


def make_slug(app_id: str, *parts: str) -> str:
    """Return a slug for a part of an app that has no globally unique ID."""
    return hashlib.sha256("\n".join((app_id, *parts)).encode()).hexdigest()[:24]
