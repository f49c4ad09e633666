"""Notification rules and builds that often match each other, for property tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from hypothesis import strategies as st

from domain.build import Build, BuildState, PipelineRef
from domain.build_author import STARTED_BY, slack_user
from domain.build_filter import BuildFilter, BuildTriggerEvent, GlobPatterns
from domain.notifications.rule import DeliveryStyle, NotificationRule, Result
from providers.bitrise.provider import BITRISE
from tests.support.factories import ANDROID, make_build

APPS = ("app-a", "app-b", ANDROID.slug)
PEOPLE = ("U0ANNA", "U0BEN")
NAMES = ("octo", "anna@example.com", "dependabot[bot]", "@u0anna", f"@{slack_user('U0BEN', 'T2')}".casefold())
TEXTS = ("main", "release/1", "Main", "[x]")
GLOBS = (*TEXTS, "release/*", "ma?n", "*")


def patterns(values: Sequence[str]) -> st.SearchStrategy[GlobPatterns]:
    lists = st.lists(st.sampled_from(values), max_size=2, unique=True).map(tuple)
    return st.just(GlobPatterns()) | st.builds(GlobPatterns, include=lists, exclude=lists)


BY = (
    *(f"@{person}" for person in PEOPLE),
    "@u0anna",
    f"@{slack_user('U0BEN', 'T2')}",
    "octo",
    "oct*",
    "bot",
    "@",
)
FILTERS = st.builds(
    BuildFilter,
    branch=patterns(GLOBS),
    target=patterns(GLOBS),
    tag=patterns(GLOBS),
    workflow=patterns(GLOBS),
    by=patterns(BY),
    aborted=patterns(("user", "automatic")),
    states=st.frozensets(st.sampled_from(BuildState), max_size=2),
    events=st.frozensets(st.sampled_from(BuildTriggerEvent), max_size=2),
    pull_requests=st.frozensets(st.integers(1, 2), max_size=2),
    builds=st.frozensets(st.sampled_from([make_build(number).slug for number in (1, 2)]), max_size=1),
    attempts=st.frozensets(st.sampled_from(["pipe 1", "pipe 2"]), max_size=1),
)
RULES = st.builds(
    NotificationRule,
    # Mostly few conditions, so that many match.
    filter=st.one_of(
        st.just(BuildFilter()),
        FILTERS,
        *(patterns(BY).map(lambda by: BuildFilter(by=by)) for _ in range(3)),
        patterns(GLOBS).map(lambda branch: BuildFilter(branch=branch)),
        patterns(GLOBS).map(lambda workflow: BuildFilter(workflow=workflow)),
    ),
    results=st.just(frozenset[Result]()) | st.frozensets(st.sampled_from(Result), max_size=3),
    started=st.booleans(),
    running_over=st.none() | st.just(timedelta(hours=1)),
    style=st.sampled_from(DeliveryStyle),
    run=st.booleans(),
)
STARTERS = (
    "manual-octo",
    "manual-anna@example.com",
    "webhook-github/dependabot[bot]",
    "manual-@U0ANNA",
    None,
)
BUILDS = st.builds(
    Build,
    provider=st.just(BITRISE),
    app_slug=st.sampled_from(APPS),
    slug=st.sampled_from([make_build(number).slug for number in (1, 2, 3)]),
    number=st.just(1),
    state=st.sampled_from(BuildState),
    branch=st.none() | st.sampled_from(TEXTS),
    target_branch=st.none() | st.sampled_from(TEXTS),
    tag=st.none() | st.sampled_from(TEXTS),
    workflow=st.none() | st.sampled_from(TEXTS),
    pull_request=st.none() | st.integers(1, 2),
    abort_reason=st.none() | st.just("User requested"),
    triggered_by=st.sampled_from(STARTERS),
    pipeline=st.none() | st.builds(PipelineRef, id=st.just("pipe"), attempt=st.integers(1, 2)),
    params=st.none()
    | st.sampled_from(["U0ANNA", slack_user("U0BEN", "T2"), slack_user("U0ANNA", "T1").lower()]).map(
        lambda user: {"environments": [{"key": STARTED_BY, "value": user}]}
    )
    | st.sampled_from(["Octo", "@U0BEN"]).map(lambda author: {"pull_request_author": author}),
    url=st.just("https://app.bitrise.io/build/1"),
)
