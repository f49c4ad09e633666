"""Comparison of an app with its last snapshot: what is reported in any order of events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.build import Build, BuildChange, BuildState, RunKind
from domain.poll_state import RequestedRestart
from domain.poll_state import find_changes as changes_of
from providers.buildio.api.models import BuildioApp, Deployment, Dyno
from providers.buildio.polling.app_diff import compare, take_first_snapshot
from providers.buildio.polling.snapshot import Snapshot
from tests.support.factories import NOON

APP = "0f8e6f3e-0000-4000-8000-000000000001"
_STATES = {
    "pending": BuildState.ON_HOLD,
    "building": BuildState.RUNNING,
    "succeeded": BuildState.SUCCEEDED,
    "failed": BuildState.FAILED,
    "cancelled": BuildState.ABORTED,
    "odd": BuildState.UNKNOWN,
}


def make_deployment(status: str, **more: object) -> Deployment:
    return Deployment(status=status, state=_STATES[status], **more)


def make_web_dyno(state: str = "up", **more: object) -> Dyno:
    up = {"up": True, "crashed": False}.get(state)
    fields = {"name": "web.1", "type": "web", "state": state, "up": up, "crashed": state == "crashed"}
    return Dyno(**(fields | more))


class PolledApp:
    """An app that is polled every 30 seconds; builds are stored as in the database."""

    def __init__(self, deployment: Deployment | None = None, *dynos: Dyno) -> None:
        self.now = NOON
        self.polled_at: datetime | None = None
        self.restarts: list[RequestedRestart] = []
        snapshot, builds = take_first_snapshot(self._app(deployment), dynos, self.now)
        self.body = snapshot.encode()
        self.known_states = {build.slug: build.state for build in builds}
        self.reported: list[Build] = []

    def poll(
        self,
        deployment: Deployment | None = None,
        *dynos: Dyno,
        seconds: int = 30,
        recorded: bool = True,
        unseen: bool = False,
    ) -> list[Build]:
        """Poll; `recorded`: the result was stored. Return what has ended."""
        self.now += timedelta(seconds=seconds)
        before = Snapshot.decode(self.body)
        snapshot, builds = compare(
            before,
            self._app(deployment),
            None if unseen else dynos,
            now=self.now,
            last_polled_at=self.polled_at,
            restarts=self.restarts,
        )
        if not recorded:
            self.polled_at = None
            return []
        self.polled_at, self.body = self.now, snapshot.encode()
        changes: Sequence[BuildChange] = changes_of(builds, self.known_states, {APP: None})
        self.known_states |= {change.build.slug: change.build.state for change in changes}
        ended = [change.build for change in changes if change.build.ended]
        self.reported += ended
        return ended

    @property
    def reported_ends(self) -> list[tuple[str, BuildState]]:
        """Return all reported ends."""
        return [(build.label, build.state) for build in self.reported]

    def _app(self, deployment: Deployment | None) -> BuildioApp:
        return BuildioApp(id=APP, name="shop", deployment=deployment)


def test_a_deployment_running_at_the_first_poll_is_reported_when_it_ends() -> None:
    watched = PolledApp(make_deployment("building", id="1"))
    watched.poll(make_deployment("building", id="1"))
    watched.poll(make_deployment("failed", id="1", error="no"))
    [build] = watched.reported
    assert (build.state, build.problem, build.kind) == (BuildState.FAILED, "no", RunKind.DEPLOYMENT)


@pytest.mark.parametrize(
    "mark",
    [
        lambda number: {"id": f"d{number}"},
        lambda number: {"version": number},
        lambda number: {"created_at": NOON + timedelta(minutes=number)},
        lambda number: {"commit": f"{number:040x}"},
        lambda number: {"finished_at": NOON + timedelta(minutes=number)},
    ],
    ids=["id", "version", "created_at", "commit", "finished_at"],
)
def test_two_deployments_with_the_same_status_are_distinguished_by_any_field(mark: object) -> None:
    assert callable(mark)
    watched = PolledApp(make_deployment("succeeded", **mark(1)))
    for number in (1, 2, 2, 3, 3):
        watched.poll(make_deployment("succeeded", **mark(number)))
    assert [state for _, state in watched.reported_ends] == [BuildState.SUCCEEDED] * 2


def test_a_bare_status_reveals_an_end_and_another_deployment_after_it() -> None:
    watched = PolledApp(make_deployment("succeeded"))
    for status in ("succeeded", "building", "failed", "failed", "succeeded", "odd", "succeeded"):
        watched.poll(make_deployment(status))
    assert [state for _, state in watched.reported_ends] == [BuildState.FAILED, BuildState.SUCCEEDED]


def test_a_response_with_less_than_the_last_one_changes_nothing() -> None:
    watched = PolledApp(make_deployment("succeeded", id="1", version=7))
    watched.poll(None)
    watched.poll(make_deployment("succeeded"))
    watched.poll(make_deployment("succeeded", version=7))
    watched.poll(make_deployment("succeeded", id="1"))
    assert watched.reported == []


def test_a_delayed_response_neither_repeats_nor_loses_anything() -> None:
    watched = PolledApp(make_deployment("succeeded", id="1"))
    watched.poll(make_deployment("building", id="2"))
    watched.poll(make_deployment("succeeded", id="1"))
    watched.poll(make_deployment("building", id="2"))
    watched.poll(make_deployment("succeeded", id="2", version=2))
    watched.poll(make_deployment("building", id="2"))
    assert watched.reported_ends == [("v2", BuildState.SUCCEEDED)]


def test_an_unobserved_end_is_reported_as_unobserved() -> None:
    watched = PolledApp(make_deployment("building", id="1", version=1))
    watched.poll(make_deployment("building", id="2", version=2))
    [unseen] = watched.reported
    assert (unseen.label, unseen.state, unseen.said is not None) == ("v1", BuildState.UNKNOWN, True)


def test_a_dyno_that_restarts_during_or_just_after_a_deployment_is_in_no_loop() -> None:
    watched = PolledApp(make_deployment("building", id="1"), make_web_dyno(restarts=0))
    for number in range(1, 5):
        watched.poll(make_deployment("building", id="1"), make_web_dyno(restarts=number))
    watched.poll(make_deployment("succeeded", id="1"), make_web_dyno(restarts=9))
    watched.poll(make_deployment("succeeded", id="1"), make_web_dyno(restarts=12))
    assert [state for _, state in watched.reported_ends] == [BuildState.SUCCEEDED]


@pytest.mark.parametrize("dyno", ["web.1", ""])
def test_a_requested_restart_does_not_count(dyno: str) -> None:
    watched = PolledApp(None, make_web_dyno(restarts=0))
    for number in range(1, 6):
        watched.restarts = [RequestedRestart(app_slug=APP, dyno=dyno, at=watched.now)]
        watched.poll(None, make_web_dyno(restarts=number))
    assert watched.reported == []


def test_three_restarts_in_ten_minutes_are_a_loop_and_two_are_not() -> None:
    watched = PolledApp(None, make_web_dyno(restarts=0))
    watched.poll(None, make_web_dyno(restarts=0))
    for number in range(1, 7):
        watched.poll(None, make_web_dyno(restarts=number), seconds=301)
    assert watched.reported == []
    for number in range(7, 9):
        watched.poll(None, make_web_dyno(restarts=number), seconds=30)
    [build] = watched.reported
    assert (build.state, build.said) == (BuildState.FAILED, "restarts in a loop")


def test_new_start_times_count_as_restarts_without_a_counter() -> None:
    watched = PolledApp(None, make_web_dyno(since=NOON))
    watched.poll(None, make_web_dyno(since=NOON))
    for number in range(1, 4):
        watched.poll(None, make_web_dyno(since=NOON + timedelta(seconds=number)))
    assert [state for _, state in watched.reported_ends] == [BuildState.FAILED]


def test_the_change_from_starting_to_up_is_no_restart() -> None:
    watched = PolledApp(None, make_web_dyno(since=NOON))
    watched.poll(None, make_web_dyno(since=NOON))
    for number, state in enumerate(["starting", "up", "starting", "up"], 1):
        watched.poll(None, make_web_dyno(state, since=NOON + timedelta(seconds=number)))
    assert watched.reported == []


def test_restarts_during_a_day_without_polls_are_no_loop() -> None:
    watched = PolledApp(None, make_web_dyno(restarts=0))
    watched.poll(None, make_web_dyno(restarts=50), seconds=86_400)
    assert watched.reported == []


def test_a_dyno_that_is_briefly_up_has_not_recovered() -> None:
    watched = PolledApp(None, make_web_dyno())
    for state in ("crashed", "up", "crashed", "up", "crashed", "starting", "up"):
        watched.poll(None, make_web_dyno(state))
    assert [state for _, state in watched.reported_ends] == [BuildState.FAILED]
    watched.poll(None, make_web_dyno())
    watched.poll(None, make_web_dyno())
    assert [state for _, state in watched.reported_ends] == [BuildState.FAILED, BuildState.SUCCEEDED]


def test_a_dyno_down_at_the_first_poll_is_reported_when_it_recovers() -> None:
    watched = PolledApp(None, make_web_dyno("crashed"))
    for state in ("crashed", "up", "up", "up"):
        watched.poll(None, make_web_dyno(state))
    assert [state for _, state in watched.reported_ends] == [BuildState.SUCCEEDED]


def test_dynos_that_can_not_be_read_stay_unchanged() -> None:
    watched = PolledApp(None, make_web_dyno())
    watched.poll(None, make_web_dyno("crashed"))
    watched.poll(unseen=True)
    watched.poll(None, make_web_dyno("crashed"))
    assert len(watched.reported) == 1


def test_a_crashed_dyno_that_is_scaled_down_is_the_same_when_it_returns() -> None:
    watched = PolledApp(None, make_web_dyno())
    watched.poll(None, make_web_dyno("crashed"))
    watched.poll(None)
    assert len(watched.reported) == 1
    for _ in range(3):
        watched.poll(None, make_web_dyno())
    assert [state for _, state in watched.reported_ends] == [BuildState.FAILED, BuildState.SUCCEEDED]


def test_dynos_that_are_gone_are_removed_from_the_snapshot() -> None:
    watched = PolledApp(None, make_web_dyno())
    watched.poll(None)
    watched.poll(None, seconds=86_400)
    assert Snapshot.decode(watched.body).dynos == ()


# Any sequence of polls.
STATUSES = st.sampled_from(sorted(_STATES))
LIVES = st.lists(st.sampled_from(["succeeded", "failed", "cancelled"]), min_size=1, max_size=5)


@st.composite
def app_histories(draw: st.DrawFn) -> tuple[list[BuildState], list[tuple[Deployment, bool]]]:
    """Deployments one after another, each observed to its end, and whether each poll was recorded.

    If only the status separates them, each is also observed while it runs.
    """
    ends, sparse, story = draw(LIVES), draw(st.booleans()), list[tuple[Deployment, bool]]()
    for number, end in enumerate(ends, 1):
        marks = {} if sparse else {"id": f"d{number}", "version": number}
        for status in draw(st.lists(st.sampled_from(["pending", "building"]), max_size=3)):
            story.append((make_deployment(status, **marks), draw(st.booleans())))
        if sparse:
            story.append((make_deployment("building"), True))
        for _ in range(draw(st.integers(0, 2))):
            story.append((make_deployment(end, **marks), draw(st.booleans())))
        story.append((make_deployment(end, **marks), True))
    return [_STATES[end] for end in ends], story


@given(app_histories())
def test_each_deployment_observed_to_its_end_is_reported_once_with_its_outcome(
    history: tuple[list[BuildState], list[tuple[Deployment, bool]]],
) -> None:
    ends, story = history
    watched = PolledApp(None)
    for deployment, recorded in story:
        watched.poll(deployment, recorded=recorded)
    assert [build.state for build in watched.reported] == ends


@st.composite
def any_deployments(draw: st.DrawFn) -> Deployment | None:
    marks = {
        "id": draw(st.none() | st.sampled_from("abc")),
        "version": draw(st.none() | st.integers(1, 3)),
        "created_at": draw(st.none() | st.sampled_from([NOON, NOON + timedelta(minutes=1)])),
        "commit": draw(st.none() | st.sampled_from(["c1", "c2"])),
        "finished_at": draw(st.none() | st.just(NOON)),
    }
    return draw(st.none() | st.just(make_deployment(draw(STATUSES), **marks)))


DYNOS = st.lists(
    st.builds(
        make_web_dyno,
        st.sampled_from(["up", "crashed", "starting"]),
        name=st.sampled_from(["web.1", "worker.1"]),
        restarts=st.none() | st.integers(0, 9),
        since=st.none() | st.sampled_from([NOON, NOON + timedelta(minutes=1)]),
    ),
    max_size=3,
)
LOOKS = st.lists(
    st.tuples(any_deployments(), DYNOS, st.sampled_from([1, 30, 90, 700, 90_000]), st.booleans()), max_size=25
)


@given(LOOKS)
def test_no_end_is_reported_twice_and_no_success_is_invented(
    looks: list[tuple[Deployment | None, list[Dyno], int, bool]],
) -> None:
    watched = PolledApp(None)
    for deployment, dynos, seconds, recorded in looks:
        for ended_build in watched.poll(deployment, *dynos, seconds=seconds, recorded=recorded):
            if ended_build.kind is RunKind.DYNO and ended_build.state is BuildState.SUCCEEDED:
                assert any(dyno.name == ended_build.workflow and dyno.up for dyno in dynos)
            elif ended_build.state is not BuildState.UNKNOWN and ended_build.kind is RunKind.DEPLOYMENT:
                assert deployment is not None
                assert ended_build.state is deployment.state
    slugs = [build.slug for build in watched.reported]
    assert len(slugs) == len(set(slugs))


@given(LOOKS)
def test_a_crashed_process_recovers_before_it_crashes_again(
    looks: list[tuple[Deployment | None, list[Dyno], int, bool]],
) -> None:
    watched = PolledApp(None)
    for deployment, dynos, seconds, recorded in looks:
        watched.poll(deployment, *dynos, seconds=min(seconds, 700), recorded=recorded)
    for name in ("web.1", "worker.1"):
        ends = [build.state for build in watched.reported if build.workflow == name]
        assert all(end is not other for end, other in pairwise(ends))
        assert ends[:1] in ([], [BuildState.FAILED])


@given(LOOKS)
def test_polling_twice_at_the_same_time_changes_nothing(
    looks: list[tuple[Deployment | None, list[Dyno], int, bool]],
) -> None:
    watched = PolledApp(None)
    for deployment, dynos, seconds, _ in looks:
        watched.poll(deployment, *dynos, seconds=seconds)
        before = watched.body
        assert watched.poll(deployment, *dynos, seconds=0) == []
        assert watched.body == before
