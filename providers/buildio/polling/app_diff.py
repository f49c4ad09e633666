"""How an app stands, beside how it stood: what has changed, as builds. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from domain.build import Build
from domain.poll_state import RequestedRestart
from providers.buildio.api.models import BuildioApp, Dyno
from providers.buildio.polling.deployments import compare_deployment, take_first_deployment
from providers.buildio.polling.dynos import WINDOW, DynoContext, compare_dynos
from providers.buildio.polling.snapshot import DeploymentSnapshot, Snapshot

# Dynos are replaced one after the other: some restart when their deployment has ended already, or a little after
# somebody has asked for it.
GRACE = timedelta(minutes=3)


def take_first_snapshot(
    app: BuildioApp, dynos: Iterable[Dyno], now: datetime
) -> tuple[Snapshot, list[Build]]:
    """How an app stands whose watching begins, and what is known of it from then on and told of nobody."""
    deployment, builds = take_first_deployment(app, now)
    about = DynoContext(now=now, recently_polled=False, deploying=False)
    seen, down = compare_dynos(app, (), dynos, about)
    return Snapshot(deployment=deployment, dynos=seen), [*builds, *down]


def compare(
    last: Snapshot,
    app: BuildioApp,
    dynos: Iterable[Dyno] | None,
    *,
    now: datetime,
    looked_at: datetime | None,
    provider_now: datetime | None = None,
    restarts: Sequence[RequestedRestart] = (),
) -> tuple[Snapshot, list[Build]]:
    """How the app stands now, and what has changed since it stood as it did `last`.

    `dynos` are None where they could not be seen. `looked_at` is when the app was looked at before, None where this
    process never did; `restarts` are those of the app that were asked for; `provider_now` is the time at Build.io, with
    which its own times are compared, where that is another.
    """
    deployment, past, builds = compare_deployment(app, last.deployment, last.past, now)
    if dynos is None:
        return last.model_copy(update={"deployment": deployment, "past": past}), builds
    about = DynoContext(
        now=now,
        recently_polled=looked_at is not None and now - looked_at < WINDOW,
        deploying=any(_restarts_dynos(one, provider_now or now) for one in (last.deployment, deployment)),
        requested_restarts=frozenset(one.dyno for one in restarts if now - one.at < GRACE),
    )
    seen, changed = compare_dynos(app, last.dynos, dynos, about)
    return Snapshot(deployment=deployment, past=past, dynos=seen), [*builds, *changed]


def _restarts_dynos(deployment: DeploymentSnapshot | None, now: datetime) -> bool:
    if deployment is None:
        return False
    return deployment.open or (deployment.ended_at is not None and now - deployment.ended_at < GRACE)
