"""How an app at Build.io stands, beside how it stood: what is told of it, whatever comes in whatever order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.build import Build, BuildChange, BuildState, RunKind
from domain.notifications.changes import find_changes as changes_of
from domain.poll_state import RequestedRestart
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


def a_deployment(status: str, **more: object) -> Deployment:
    return Deployment(status=status, state=_STATES[status], **more)


def web(state: str = "up", **more: object) -> Dyno:
    up = {"up": True, "crashed": False}.get(state)
    given = {"name": "web.1", "type": "web", "state": state, "up": up, "crashed": state == "crashed"}
    return Dyno(**(given | more))


class PolledApp:
    """An app that is looked at every half minute. What is known of builds is kept as the storage keeps it."""

    def __init__(self, deployment: Deployment | None = None, *dynos: Dyno) -> None:
        self.now = NOON
        self.looked_at: datetime | None = None
        self.restarts: list[RequestedRestart] = []
        snapshot, builds = take_first_snapshot(self._app(deployment), dynos, self.now)
        self.body = snapshot.encode()
        self.known = {build.slug: build.state for build in builds}
        self.told: list[Build] = []

    def look(
        self,
        deployment: Deployment | None = None,
        *dynos: Dyno,
        seconds: int = 30,
        recorded: bool = True,
        unseen: bool = False,
    ) -> list[Build]:
        """Look; `recorded`: what was seen has reached the disk. Returns what has ended."""
        self.now += timedelta(seconds=seconds)
        before = Snapshot.decode(self.body)
        snapshot, builds = compare(
            before,
            self._app(deployment),
            None if unseen else dynos,
            now=self.now,
            looked_at=self.looked_at,
            restarts=self.restarts,
        )
        if not recorded:
            self.looked_at = None
            return []
        self.looked_at, self.body = self.now, snapshot.encode()
        changes: Sequence[BuildChange] = changes_of(builds, self.known, {APP: None})
        self.known |= {one.build.slug: one.build.state for one in changes}
        ended = [one.build for one in changes if one.build.ended]
        self.told += ended
        return ended

    @property
    def ends(self) -> list[tuple[str, BuildState]]:
        """All that was told."""
        return [(one.label, one.state) for one in self.told]

    def _app(self, deployment: Deployment | None) -> BuildioApp:
        return BuildioApp(id=APP, name="shop", deployment=deployment)


def test_what_was_open_when_the_watching_began_is_told_when_it_ends() -> None:
    watched = PolledApp(a_deployment("building", id="1"))
    watched.look(a_deployment("building", id="1"))
    watched.look(a_deployment("failed", id="1", error="no"))
    [told] = watched.told
    assert (told.state, told.problem, told.kind) == (BuildState.FAILED, "no", RunKind.DEPLOYMENT)


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
def test_two_that_left_the_same_status_are_two_where_anything_tells_them_apart(mark: object) -> None:
    assert callable(mark)
    watched = PolledApp(a_deployment("succeeded", **mark(1)))
    for number in (1, 2, 2, 3, 3):
        watched.look(a_deployment("succeeded", **mark(number)))
    assert [state for _, state in watched.ends] == [BuildState.SUCCEEDED] * 2


def test_a_bare_status_tells_an_end_and_what_begins_or_ends_otherwise_after_it() -> None:
    watched = PolledApp(a_deployment("succeeded"))
    for status in ("succeeded", "building", "failed", "failed", "succeeded", "odd", "succeeded"):
        watched.look(a_deployment(status))
    assert [state for _, state in watched.ends] == [BuildState.FAILED, BuildState.SUCCEEDED]


def test_an_answer_that_says_less_than_the_last_one_says_nothing_new() -> None:
    watched = PolledApp(a_deployment("succeeded", id="1", version=7))
    watched.look(None)
    watched.look(a_deployment("succeeded"))
    watched.look(a_deployment("succeeded", version=7))
    watched.look(a_deployment("succeeded", id="1"))
    assert watched.told == []


def test_an_answer_that_lags_behind_brings_nothing_back_and_takes_nothing_away() -> None:
    watched = PolledApp(a_deployment("succeeded", id="1"))
    watched.look(a_deployment("building", id="2"))
    watched.look(a_deployment("succeeded", id="1"))
    watched.look(a_deployment("building", id="2"))
    watched.look(a_deployment("succeeded", id="2", version=2))
    watched.look(a_deployment("building", id="2"))
    assert watched.ends == [("v2", BuildState.SUCCEEDED)]


def test_an_end_that_nobody_saw_is_told_as_one_that_nobody_saw() -> None:
    watched = PolledApp(a_deployment("building", id="1", version=1))
    watched.look(a_deployment("building", id="2", version=2))
    [unseen] = watched.told
    assert (unseen.label, unseen.state, unseen.said is not None) == ("v1", BuildState.UNKNOWN, True)


def test_a_dyno_that_starts_anew_while_a_deployment_runs_or_has_just_ended_is_in_no_loop() -> None:
    watched = PolledApp(a_deployment("building", id="1"), web(restarts=0))
    for number in range(1, 5):
        watched.look(a_deployment("building", id="1"), web(restarts=number))
    watched.look(a_deployment("succeeded", id="1"), web(restarts=9))
    watched.look(a_deployment("succeeded", id="1"), web(restarts=12))
    assert [state for _, state in watched.ends] == [BuildState.SUCCEEDED]


@pytest.mark.parametrize("dyno", ["web.1", ""])
def test_a_restart_that_was_asked_for_does_not_count(dyno: str) -> None:
    watched = PolledApp(None, web(restarts=0))
    for number in range(1, 6):
        watched.restarts = [RequestedRestart(app_slug=APP, dyno=dyno, at=watched.now)]
        watched.look(None, web(restarts=number))
    assert watched.told == []


def test_three_restarts_in_ten_minutes_are_a_loop_and_two_are_none() -> None:
    watched = PolledApp(None, web(restarts=0))
    watched.look(None, web(restarts=0))
    for number in range(1, 7):
        watched.look(None, web(restarts=number), seconds=301)
    assert watched.told == []
    for number in range(7, 9):
        watched.look(None, web(restarts=number), seconds=30)
    [told] = watched.told
    assert (told.state, told.said) == (BuildState.FAILED, "restarts in a loop")


def test_new_start_times_count_where_nobody_counts_restarts() -> None:
    watched = PolledApp(None, web(since=NOON))
    watched.look(None, web(since=NOON))
    for number in range(1, 4):
        watched.look(None, web(since=NOON + timedelta(seconds=number)))
    assert [state for _, state in watched.ends] == [BuildState.FAILED]


def test_the_way_from_starting_to_up_is_no_restart() -> None:
    watched = PolledApp(None, web(since=NOON))
    watched.look(None, web(since=NOON))
    for number, state in enumerate(["starting", "up", "starting", "up"], 1):
        watched.look(None, web(state, since=NOON + timedelta(seconds=number)))
    assert watched.told == []


def test_restarts_of_a_day_on_which_nobody_looked_are_no_loop() -> None:
    watched = PolledApp(None, web(restarts=0))
    watched.look(None, web(restarts=50), seconds=86_400)
    assert watched.told == []


def test_a_dyno_that_is_up_for_a_moment_is_not_up_again() -> None:
    watched = PolledApp(None, web())
    for state in ("crashed", "up", "crashed", "up", "crashed", "starting", "up"):
        watched.look(None, web(state))
    assert [state for _, state in watched.ends] == [BuildState.FAILED]
    watched.look(None, web())
    watched.look(None, web())
    assert [state for _, state in watched.ends] == [BuildState.FAILED, BuildState.SUCCEEDED]


def test_a_dyno_that_was_down_when_the_watching_began_is_told_when_it_is_up() -> None:
    watched = PolledApp(None, web("crashed"))
    for state in ("crashed", "up", "up", "up"):
        watched.look(None, web(state))
    assert [state for _, state in watched.ends] == [BuildState.SUCCEEDED]


def test_dynos_that_can_not_be_seen_are_as_they_were() -> None:
    watched = PolledApp(None, web())
    watched.look(None, web("crashed"))
    watched.look(unseen=True)
    watched.look(None, web("crashed"))
    assert len(watched.told) == 1


def test_a_dyno_that_is_scaled_down_while_it_is_down_is_the_same_when_it_comes_back() -> None:
    watched = PolledApp(None, web())
    watched.look(None, web("crashed"))
    watched.look(None)
    assert len(watched.told) == 1
    for _ in range(3):
        watched.look(None, web())
    assert [state for _, state in watched.ends] == [BuildState.FAILED, BuildState.SUCCEEDED]


def test_dynos_that_are_gone_are_forgotten() -> None:
    watched = PolledApp(None, web())
    watched.look(None)
    watched.look(None, seconds=86_400)
    assert Snapshot.decode(watched.body).dynos == ()


# Any sequence of looks.
STATUSES = st.sampled_from(sorted(_STATES))
LIVES = st.lists(st.sampled_from(["succeeded", "failed", "cancelled"]), min_size=1, max_size=5)


@st.composite
def app_histories(draw: st.DrawFn) -> tuple[list[BuildState], list[tuple[Deployment, bool]]]:
    """Deployments one after the other, each seen to its end; and whether what a look saw was recorded.

    Where nothing but the status tells them apart, each is seen on its way, too.
    """
    ends, sparse, story = draw(LIVES), draw(st.booleans()), list[tuple[Deployment, bool]]()
    for number, end in enumerate(ends, 1):
        marks = {} if sparse else {"id": f"d{number}", "version": number}
        for status in draw(st.lists(st.sampled_from(["pending", "building"]), max_size=3)):
            story.append((a_deployment(status, **marks), draw(st.booleans())))
        if sparse:
            story.append((a_deployment("building"), True))
        for _ in range(draw(st.integers(0, 2))):
            story.append((a_deployment(end, **marks), draw(st.booleans())))
        story.append((a_deployment(end, **marks), True))
    return [_STATES[end] for end in ends], story


@given(app_histories())
def test_each_deployment_that_is_seen_to_its_end_is_told_once_and_as_it_ended(
    told: tuple[list[BuildState], list[tuple[Deployment, bool]]],
) -> None:
    ends, story = told
    watched = PolledApp(None)
    for deployment, recorded in story:
        watched.look(deployment, recorded=recorded)
    assert [one.state for one in watched.told] == ends


@st.composite
def any_deployments(draw: st.DrawFn) -> Deployment | None:
    marks = {
        "id": draw(st.none() | st.sampled_from("abc")),
        "version": draw(st.none() | st.integers(1, 3)),
        "created_at": draw(st.none() | st.sampled_from([NOON, NOON + timedelta(minutes=1)])),
        "commit": draw(st.none() | st.sampled_from(["c1", "c2"])),
        "finished_at": draw(st.none() | st.just(NOON)),
    }
    return draw(st.none() | st.just(a_deployment(draw(STATUSES), **marks)))


DYNOS = st.lists(
    st.builds(
        web,
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
def test_whatever_is_seen_no_end_is_told_twice_and_no_success_is_invented(
    looks: list[tuple[Deployment | None, list[Dyno], int, bool]],
) -> None:
    watched = PolledApp(None)
    for deployment, dynos, seconds, recorded in looks:
        for told in watched.look(deployment, *dynos, seconds=seconds, recorded=recorded):
            if told.kind is RunKind.DYNO and told.state is BuildState.SUCCEEDED:
                assert any(one.name == told.workflow and one.up for one in dynos)
            elif told.state is not BuildState.UNKNOWN and told.kind is RunKind.DEPLOYMENT:
                assert deployment is not None
                assert told.state is deployment.state
    slugs = [one.slug for one in watched.told]
    assert len(slugs) == len(set(slugs))


@given(LOOKS)
def test_a_process_that_is_down_is_up_again_before_it_is_down_anew(
    looks: list[tuple[Deployment | None, list[Dyno], int, bool]],
) -> None:
    watched = PolledApp(None)
    for deployment, dynos, seconds, recorded in looks:
        watched.look(deployment, *dynos, seconds=min(seconds, 700), recorded=recorded)
    for name in ("web.1", "worker.1"):
        ends = [one.state for one in watched.told if one.workflow == name]
        assert all(one is not other for one, other in pairwise(ends))
        assert ends[:1] in ([], [BuildState.FAILED])


@given(LOOKS)
def test_to_look_twice_at_the_same_moment_changes_nothing(
    looks: list[tuple[Deployment | None, list[Dyno], int, bool]],
) -> None:
    watched = PolledApp(None)
    for deployment, dynos, seconds, _ in looks:
        watched.look(deployment, *dynos, seconds=seconds)
        before = watched.body
        assert watched.look(deployment, *dynos, seconds=0) == []
        assert watched.body == before
