"""Detection of changes between stored builds and polled ones. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.build import Build, BuildChange, BuildState


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
