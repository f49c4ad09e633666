"""Dynos that crash, restart in a loop, and recover. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from domain.build import Build, BuildState, RunKind
from providers.buildio.api.models import BuildioApp, Dyno
from providers.buildio.polling.snapshot import DynoIncident, DynoSnapshot, make_slug
from providers.buildio.provider import BUILDIO

# This many unrequested restarts within the window are a loop.
LOOP = 3
WINDOW = timedelta(minutes=10)
# A dyno has recovered after staying up this long: after a crash, and after a loop, whose restarts have pauses between
# them.
STEADY = timedelta(minutes=1)
STEADY_AFTER_A_LOOP = WINDOW
# A dyno that is no longer listed was most likely scaled down; until then it may come back.
GONE_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class DynoContext:
    """Context of a poll, beside the dynos.

    `recently_polled`: the previous poll was within the window. `deploying`: a deployment is restarting dynos now.
    `requested_restarts`: the dynos with a recently requested restart; `""` stands for all of them.
    """

    now: datetime
    recently_polled: bool
    deploying: bool
    requested_restarts: frozenset[str] = frozenset()

    def expects(self, dyno: str) -> bool:
        """Return whether there is a reason for the dyno to restart."""
        return self.deploying or not self.requested_restarts.isdisjoint(("", dyno))


def compare_dynos(
    app: BuildioApp, last: Sequence[DynoSnapshot], dynos: Iterable[Dyno], context: DynoContext
) -> tuple[tuple[DynoSnapshot, ...], list[Build]]:
    """Return the current snapshots of the dynos, and the changes as builds, all of which have ended."""
    by_name = {earlier.name: earlier for earlier in last}
    listed = {dyno.name: dyno for dyno in dynos}
    snapshots, builds = [], []
    for dyno in listed.values():
        snapshot, changed = _compare_dyno(
            app, by_name.get(dyno.name, DynoSnapshot(name=dyno.name)), dyno, context
        )
        snapshots.append(snapshot)
        builds += changed
    snapshots += (
        missing
        for earlier in last
        if earlier.name not in listed and (missing := _keep_missing(earlier, context.now)) is not None
    )
    return tuple(sorted(snapshots, key=lambda dyno_snapshot: dyno_snapshot.name)), builds


def _compare_dyno(
    app: BuildioApp, before: DynoSnapshot, dyno: Dyno, context: DynoContext
) -> tuple[DynoSnapshot, list[Build]]:
    now = context.now
    restarts = _count_restarts(before, dyno)
    if not context.recently_polled:
        restarts = min(restarts, 1)  # their distribution over the time since is unknown
    counted = 0 if context.expects(dyno.name) else restarts
    recent = (*(at for at in before.restarted if now - at < WINDOW), *(now,) * counted)[-LOOP:]
    builds = []
    incident = before.trouble
    if incident is None and dyno.crashed:
        incident = DynoIncident(began=now)
        builds.append(_make_build(app, dyno.name, incident, BuildState.FAILED, now))
    elif incident is None and len(recent) >= LOOP:
        incident = DynoIncident(began=now, loop=True)
        builds.append(_make_build(app, dyno.name, incident, BuildState.FAILED, now))
    elif incident is not None:
        incident = _update_recovery(incident, dyno, restarted=bool(restarts), now=now)
        if _is_steady(incident, now):
            builds.append(_make_build(app, dyno.name, incident, BuildState.SUCCEEDED, now))
            incident, recent = None, ()
    return DynoSnapshot(
        name=dyno.name,
        up=dyno.up,
        restarts=before.restarts if dyno.restarts is None else dyno.restarts,
        since=before.since if dyno.since is None else dyno.since,
        restarted=recent,
        trouble=incident,
    ), builds


def _count_restarts(before: DynoSnapshot, dyno: Dyno) -> int:
    """Return how often the dyno has restarted since the last poll, as far as both polls can tell."""
    if before.restarts is not None and dyno.restarts is not None:
        more = dyno.restarts - before.restarts
        return more if more >= 0 else 1  # the counter was reset: this is a replacement
    if not before.up:
        return 0  # a new time may only be that of its start
    if before.since is not None and dyno.since is not None:
        return int(before.since != dyno.since)
    return int(not dyno.up and not dyno.crashed)


def _update_recovery(incident: DynoIncident, dyno: Dyno, *, restarted: bool, now: datetime) -> DynoIncident:
    since = now if restarted or incident.up_since is None else incident.up_since
    return incident.model_copy(update={"up_since": since if dyno.up else None})


def _is_steady(incident: DynoIncident, now: datetime) -> bool:
    needed = STEADY_AFTER_A_LOOP if incident.loop else STEADY
    return incident.up_since is not None and now - incident.up_since >= needed


def _keep_missing(snapshot: DynoSnapshot, now: datetime) -> DynoSnapshot | None:
    """Return the snapshot of a dyno that is not listed: scaling down is no crash, and it may come back."""
    since = snapshot.gone_since or now
    if now - since >= (GONE_AFTER if snapshot.trouble is not None else WINDOW):
        return None
    incident = (
        snapshot.trouble.model_copy(update={"up_since": None}) if snapshot.trouble is not None else None
    )
    return snapshot.model_copy(update={"gone_since": since, "trouble": incident})


def _make_build(
    app: BuildioApp, name: str, incident: DynoIncident, state: BuildState, now: datetime
) -> Build:
    texts: dict[str, Any] = {}
    if state is BuildState.FAILED and incident.loop:
        minutes = int(WINDOW.total_seconds() // 60)
        texts = {
            "said": "restarts in a loop",
            "problem": f"{LOOP} unexpected restarts within {minutes} minutes",
        }
    return Build(
        provider=BUILDIO,
        kind=RunKind.DYNO,
        app_slug=app.id,
        slug=make_slug(app.id, "dyno", name, state, incident.began.isoformat()),
        state=state,
        workflow=name,
        triggered_at=incident.began,
        finished_at=now,
        url=app.web_url or "",
        **texts,
    )
