"""How an app stood at the last look: marks and times alone, nothing that somebody wrote. Pure; no I/O."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Self

from domain.build import BuildState, FrozenModel
from providers.buildio.api.models import Deployment


class SnapshotFields(FrozenModel):
    """What may tell a deployment from another one; the reference promises none of it."""

    id: str | None = None
    created_at: datetime | None = None
    version: int | None = None
    commit: str | None = None
    finished_at: datetime | None = None

    @classmethod
    def of(cls, deployment: Deployment) -> Self:
        """The marks of this deployment."""
        return cls(
            id=deployment.id,
            created_at=deployment.created_at,
            version=deployment.version,
            commit=deployment.commit,
            finished_at=deployment.finished_at,
        )

    def is_same_deployment(self, other: SnapshotFields) -> bool | None:
        """Whether both are of one deployment; None where nothing tells."""
        for name in ("id", "created_at", "version"):
            mine, others = getattr(self, name), getattr(other, name)
            if mine is not None and others is not None:
                return bool(mine == others)
        # A commit can be deployed twice, so only another one tells something.
        for name in ("commit", "finished_at"):
            mine, others = getattr(self, name), getattr(other, name)
            if mine is not None and others is not None and mine != others:
                return False
        return None

    def merge(self, newer: SnapshotFields) -> SnapshotFields:
        """All that is known of one deployment: an answer may say less than the one before it."""
        return self.model_copy(update=newer.model_dump(exclude_none=True))


class DeploymentSnapshot(FrozenModel):
    """A deployment as it was seen last; UNKNOWN is a state that was never told of anybody.

    `ended_at` is when its end was first seen, None where it had ended before the watching began.
    """

    slug: str
    state: BuildState
    marks: SnapshotFields
    first_seen: datetime
    finished: bool = False
    ended_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Whether it is known to go on."""
        return not self.finished and self.state is not BuildState.UNKNOWN


class DynoIncident(FrozenModel):
    """A dyno is down, or up and down again, since `began`; `up_since`: it seems to be up again."""

    began: datetime
    loop: bool = False
    up_since: datetime | None = None


class DynoSnapshot(FrozenModel):
    """A dyno as it was seen last, and when it was seen to have restarted; `gone_since`: it is not listed any more."""

    name: str
    up: bool | None = None
    restarts: int | None = None
    since: datetime | None = None
    restarted: tuple[datetime, ...] = ()
    trouble: DynoIncident | None = None
    gone_since: datetime | None = None


class Snapshot(FrozenModel):
    """How an app stood: its current deployment, the ones before it, and its dynos."""

    deployment: DeploymentSnapshot | None = None
    past: tuple[SnapshotFields, ...] = ()
    dynos: tuple[DynoSnapshot, ...] = ()

    def encode(self) -> str:
        """As it is kept."""
        return self.model_dump_json(exclude_defaults=True)

    @classmethod
    def decode(cls, body: str) -> Self:
        """The snapshot that `encode` wrote."""
        return cls.model_validate_json(body)


def make_slug(app_id: str, *parts: str) -> str:
    """A name for something of an app's that has none that is sure to be its own everywhere."""
    return hashlib.sha256("\n".join((app_id, *parts)).encode()).hexdigest()[:24]
