"""The poller's state before a poll, the results of a poll, and the changes between them. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.build import App, Build, BuildChange, BuildState, FrozenModel
from domain.pipeline import Pipeline
from domain.provider import Provider


class Baseline(FrozenModel):
    """The builds of an app when polling of it began: none of them is notified, open ones are followed.

    `at` is the trigger time of the newest build then, None if the app had none. `snapshot` is the app's state, if its
    build source compares snapshots; such an app needs no time, since what the snapshot does not contain is new.
    """

    builds: tuple[Build, ...] = ()
    at: datetime | None = None
    snapshot: str | None = None


class Snapshot(FrozenModel):
    """The state of an app now, in the build source's own format, and the one that it was compared with (`was`).

    Without a `was`, polling of the app begins with it: `begins` holds builds that nobody is notified of.
    """

    app_slug: str
    was: str | None
    body: str
    begins: tuple[Build, ...] = ()


class RequestedRestart(FrozenModel):
    """A restart that a user requested through the bot: of one process, or of the whole app (`dyno` is empty)."""

    app_slug: str
    dyno: str
    at: datetime


class PolledApp(FrozenModel):
    """An app that has a subscription.

    `since`: a list of the builds triggered from then on contains every build not known yet.
    `joined`: the poll of all apps at once already covers it.
    """

    app: App
    since: datetime | None
    joined: bool


class OpenBuild(FrozenModel):
    """A build that had not ended at the last poll."""

    app_slug: str
    slug: str
    state: BuildState
    misses: int = 0


class FollowedPipeline(FrozenModel):
    """A pipeline attempt that a user started here, and that has not been seen to end yet."""

    app_slug: str
    id: str
    attempt: int


class PollState(FrozenModel):
    """The state that one token's next poll needs; `pipelines` are those that had not ended.

    `followed` are those that messages follow, even if not seen yet.
    `snapshots` are by app slug, `restarts` those requested a short while ago.
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
    """The results of one poll: builds of watched apps, and how far it has read.

    `logs`: the logs of failed builds are to be read. The builds of an app with a snapshot count only if the app's state
    is still the one that they were found with.
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


def find_changes(
    builds: Sequence[Build], known: Mapping[str, BuildState], baselines: Mapping[str, datetime | None]
) -> list[BuildChange]:
    """Return the builds that are new or whose state differs from the known one, each once, as seen last.

    `known` maps build slugs to states, `baselines` app slugs to the trigger time of the newest build when polling of
    the app began. An unknown build triggered before that was not followed then, so it is no change; a build of an app
    that is not in `baselines` is ignored.
    """
    latest = {build.slug: build for build in builds if build.app_slug in baselines}
    return [
        BuildChange(build=build, was=known.get(build.slug))
        for build in latest.values()
        if (_has_changed(known[build.slug], build) if build.slug in known else _is_new(build, baselines))
    ]


def _has_changed(was: BuildState, build: Build) -> bool:
    # An end is final: a stale list must not reopen a build, which would notify of its end again.
    return was is not build.state and (build.ended or not was.ended)


def _is_new(build: Build, baselines: Mapping[str, datetime | None]) -> bool:
    baseline = baselines[build.app_slug]
    # triggered_at is always set (Bitrise API v0.1, "Build times"); without it, rather notify too much than never.
    return baseline is None or build.triggered_at is None or build.triggered_at >= baseline
