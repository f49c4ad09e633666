"""Dynos that crash, restart in a loop, and are up again. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from domain.build import Build, BuildState, RunKind
from domain.provider import Provider
from providers.buildio.api.models import BuildioApp, Dyno
from providers.buildio.polling.snapshot import DynoIncident, DynoSnapshot, make_slug

# So many restarts within the window, which nobody asked for, are a loop.
LOOP = 3
WINDOW = timedelta(minutes=10)
# One that has stayed up for so long is up again: after a crash, and after a loop, whose restarts come with pauses.
STEADY = timedelta(minutes=1)
STEADY_AFTER_A_LOOP = WINDOW
# A dyno that is not listed any more was most likely scaled down; until then it may come back.
GONE_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class DynoContext:
    """What a look knows beside the dynos.

    `lately`: the look before this one was not longer ago than the window. `deploying`: a deployment restarts dynos just
    now. `asked`: the dynos whose restart somebody has asked for just now; `""` stands for all of them.
    """

    now: datetime
    recently_polled: bool
    deploying: bool
    requested_restarts: frozenset[str] = frozenset()

    def expects(self, dyno: str) -> bool:
        """Whether there is a reason for the dyno to restart."""
        return self.deploying or not self.requested_restarts.isdisjoint(("", dyno))


def compare_dynos(
    app: BuildioApp, last: Sequence[DynoSnapshot], dynos: Iterable[Dyno], about: DynoContext
) -> tuple[tuple[DynoSnapshot, ...], list[Build]]:
    """The dynos as they are known from now on, and what has changed as builds, each of which has ended."""
    known = {one.name: one for one in last}
    listed = {dyno.name: dyno for dyno in dynos}
    seen, builds = [], []
    for dyno in listed.values():
        one, changed = _see(app, known.get(dyno.name, DynoSnapshot(name=dyno.name)), dyno, about)
        seen.append(one)
        builds += changed
    seen += (kept for one in last if one.name not in listed and (kept := _gone(one, about.now)) is not None)
    return tuple(sorted(seen, key=lambda one: one.name)), builds


def _see(
    app: BuildioApp, before: DynoSnapshot, dyno: Dyno, about: DynoContext
) -> tuple[DynoSnapshot, list[Build]]:
    now = about.now
    restarts = _restarts(before, dyno)
    if not about.recently_polled:
        restarts = min(restarts, 1)  # nobody knows how they were spread over the time since
    counted = 0 if about.expects(dyno.name) else restarts
    recent = (*(at for at in before.restarted if now - at < WINDOW), *(now,) * counted)[-LOOP:]
    builds = []
    trouble = before.trouble
    if trouble is None and dyno.crashed:
        trouble = DynoIncident(began=now)
        builds.append(_build(app, dyno.name, trouble, BuildState.FAILED, now))
    elif trouble is None and len(recent) >= LOOP:
        trouble = DynoIncident(began=now, loop=True)
        builds.append(_build(app, dyno.name, trouble, BuildState.FAILED, now))
    elif trouble is not None:
        trouble = _with_hope(trouble, dyno, restarted=bool(restarts), now=now)
        if _is_steady(trouble, now):
            builds.append(_build(app, dyno.name, trouble, BuildState.SUCCEEDED, now))
            trouble, recent = None, ()
    return DynoSnapshot(
        name=dyno.name,
        up=dyno.up,
        restarts=before.restarts if dyno.restarts is None else dyno.restarts,
        since=before.since if dyno.since is None else dyno.since,
        restarted=recent,
        trouble=trouble,
    ), builds


def _restarts(before: DynoSnapshot, dyno: Dyno) -> int:
    """How often it has restarted since it was seen last, as far as what both looks saw can tell."""
    if before.restarts is not None and dyno.restarts is not None:
        more = dyno.restarts - before.restarts
        return more if more >= 0 else 1  # it is counted anew: another one has taken its place
    if not before.up:
        return 0  # a new time may be no more than that of its coming up
    if before.since is not None and dyno.since is not None:
        return int(before.since != dyno.since)
    return int(not dyno.up and not dyno.crashed)


def _with_hope(trouble: DynoIncident, dyno: Dyno, *, restarted: bool, now: datetime) -> DynoIncident:
    since = now if restarted or trouble.up_since is None else trouble.up_since
    return trouble.model_copy(update={"up_since": since if dyno.up else None})


def _is_steady(trouble: DynoIncident, now: datetime) -> bool:
    needed = STEADY_AFTER_A_LOOP if trouble.loop else STEADY
    return trouble.up_since is not None and now - trouble.up_since >= needed


def _gone(one: DynoSnapshot, now: datetime) -> DynoSnapshot | None:
    """A dyno that is not listed: a scaling down is no crash, but one that comes back is still the same."""
    since = one.gone_since or now
    if now - since >= (GONE_AFTER if one.trouble is not None else WINDOW):
        return None
    trouble = one.trouble.model_copy(update={"up_since": None}) if one.trouble is not None else None
    return one.model_copy(update={"gone_since": since, "trouble": trouble})


def _build(app: BuildioApp, name: str, trouble: DynoIncident, state: BuildState, now: datetime) -> Build:
    words: dict[str, Any] = {}
    if state is BuildState.FAILED and trouble.loop:
        minutes = int(WINDOW.total_seconds() // 60)
        words = {
            "said": "restarts in a loop",
            "problem": f"{LOOP} restarts within {minutes} minutes that nobody asked for",
        }
    return Build(
        provider=Provider.BUILDIO,
        kind=RunKind.DYNO,
        app_slug=app.id,
        slug=make_slug(app.id, "dyno", name, state, trouble.began.isoformat()),
        state=state,
        workflow=name,
        triggered_at=trouble.began,
        finished_at=now,
        url=app.web_url or "",
        **words,
    )
