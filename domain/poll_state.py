"""What the watcher knows before a look, and what a look has seen: the same for every provider. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.build import App, Build, BuildState, FrozenModel
from domain.pipeline import Pipeline
from domain.provider import Provider


class Baseline(FrozenModel):
    """What was there when the watching of an app began: none of it is told, what is open is followed.

    `at` is the trigger time of the newest build then, None where the app had none. `snapshot` is how the app stood,
    where its reader compares snapshots; such an app needs no time, since what the snapshot does not show is new.
    """

    builds: tuple[Build, ...] = ()
    at: datetime | None = None
    snapshot: str | None = None


class Snapshot(FrozenModel):
    """How an app stands now, in its reader's own words, and how it stood when that was compared.

    Without a `was` this is where the watching of the app begins: `begins` holds what is told of nobody.
    """

    app_slug: str
    was: str | None
    body: str
    begins: tuple[Build, ...] = ()


class RequestedRestart(FrozenModel):
    """Somebody has asked for a restart through the bot: of one process, or of all of the app (`dyno` is empty)."""

    app_slug: str
    dyno: str
    at: datetime


class PolledApp(FrozenModel):
    """An app that a subscription waits for.

    `since`: a list of the builds triggered from then on holds every build not known yet.
    `joined`: whether a look at all apps at once covers it already.
    """

    app: App
    since: datetime | None
    joined: bool


class OpenBuild(FrozenModel):
    """A build that had not ended at the last look."""

    app_slug: str
    slug: str
    state: BuildState
    misses: int = 0


class FollowedPipeline(FrozenModel):
    """An attempt of a pipeline that somebody has started here, and that was not seen to end yet."""

    app_slug: str
    id: str
    attempt: int


class PollState(FrozenModel):
    """All that one token's next look needs to know; `pipelines` are those that had not ended.

    `followed` are those that messages follow, whether they were seen yet or not.
    `snapshots` are by app slug, `restarts` those that were asked for a short while ago.
    """

    apps: Mapping[str, PolledApp]
    open_builds: Mapping[str, OpenBuild]
    per_app_since: datetime | None = None
    seen_until: datetime | None = None
    pipelines: Sequence[Pipeline] = ()
    followed: Sequence[FollowedPipeline] = ()
    snapshots: Mapping[str, str] = {}
    restarts: Sequence[RequestedRestart] = ()


class PollSnapshot(FrozenModel):
    """What one look has seen: builds of watched apps, and how far it has read.

    `logs`: the failed ones have logs that are to be read. The builds of an app with a snapshot count only if the app
    still stands as it did when they were found.
    """

    token: str
    provider: Provider
    builds: tuple[Build, ...] = ()
    joined: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    unjoined: tuple[str, ...] = ()
    per_app_since: datetime | None = None
    seen_until: datetime | None = None
    pipelines: tuple[Pipeline, ...] = ()
    pipelines_gone: tuple[str, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    logs: bool = True
