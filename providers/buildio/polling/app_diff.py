"""Comparison of an app's current state with the last snapshot: the changes, as builds. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from domain.build import Build
from domain.poll_state import RequestedRestart
from providers.buildio.api.models import BuildioApp, Dyno
from providers.buildio.polling.deployments import compare_deployment, take_first_deployment
from providers.buildio.polling.dynos import WINDOW, DynoContext, compare_dynos
from providers.buildio.polling.snapshot import DeploymentSnapshot, Snapshot

# Dynos are replaced one after another: some restart shortly after their deployment has ended, or after a requested
# restart.
GRACE = timedelta(minutes=3)


def take_first_snapshot(
    app: BuildioApp, dynos: Iterable[Dyno], now: datetime
) -> tuple[Snapshot, list[Build]]:
    """Return the first snapshot of an app, and what is running or down now, which is not notified."""
    deployment, builds = take_first_deployment(app, now)
    context = DynoContext(now=now, recently_polled=False, deploying=False)
    dyno_snapshots, down = compare_dynos(app, (), dynos, context)
    return Snapshot(deployment=deployment, dynos=dyno_snapshots), [*builds, *down]


def compare(
    last: Snapshot,
    app: BuildioApp,
    dynos: Iterable[Dyno] | None,
    *,
    now: datetime,
    last_polled_at: datetime | None,
    provider_now: datetime | None = None,
    restarts: Sequence[RequestedRestart] = (),
) -> tuple[Snapshot, list[Build]]:
    """Return the current snapshot and the changes since `last`.

    `dynos` is None if they could not be read. `last_polled_at` is when this process last polled the app, None if never;
    `restarts` are the app's requested restarts; `provider_now` is Build.io's current time, for comparison with its own
    times, if its clock differs.
    """
    deployment, past, builds = compare_deployment(app, last.deployment, last.past, now)
    if dynos is None:
        return last.model_copy(update={"deployment": deployment, "past": past}), builds
    context = DynoContext(
        now=now,
        recently_polled=last_polled_at is not None and now - last_polled_at < WINDOW,
        deploying=any(
            _restarts_dynos(snapshot, provider_now or now) for snapshot in (last.deployment, deployment)
        ),
        requested_restarts=frozenset(restart.dyno for restart in restarts if now - restart.at < GRACE),
    )
    dyno_snapshots, changed = compare_dynos(app, last.dynos, dynos, context)
    return Snapshot(deployment=deployment, past=past, dynos=dyno_snapshots), [*builds, *changed]


def _restarts_dynos(deployment: DeploymentSnapshot | None, now: datetime) -> bool:
    if deployment is None:
        return False
    return deployment.open or (deployment.ended_at is not None and now - deployment.ended_at < GRACE)
