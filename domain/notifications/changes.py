"""What changed between what is known and what was seen. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.build import Build, BuildChange, BuildState


def find_changes(
    builds: Sequence[Build], known: Mapping[str, BuildState], baselines: Mapping[str, datetime | None]
) -> list[BuildChange]:
    """The builds that are new or have another state than the known one, each once, as it was seen last.

    `known` holds states by build slug, `baselines` by app slug the trigger time of the newest build that was
    there when its watching began. A build not known and triggered before it was not followed then, so it is no
    change; a build of an app that is not in `baselines` is nobody's.
    """
    latest = {build.slug: build for build in builds if build.app_slug in baselines}
    return [
        BuildChange(build=build, was=known.get(build.slug))
        for build in latest.values()
        if (_went_on(known[build.slug], build) if build.slug in known else _is_new(build, baselines))
    ]


def _went_on(was: BuildState, build: Build) -> bool:
    # An end is final: a list that lags behind must not bring a build back to life and make its end told anew.
    return was is not build.state and (build.ended or not was.ended)


def _is_new(build: Build, baselines: Mapping[str, datetime | None]) -> bool:
    baseline = baselines[build.app_slug]
    # triggered_at is always set (Bitrise API v0.1, "Build times"); without it, telling too much beats never telling.
    return baseline is None or build.triggered_at is None or build.triggered_at >= baseline
