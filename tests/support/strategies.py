"""Any builds, apps and notifications, with texts from outside."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from domain.build import App, Build, BuildRequest, BuildState, RunKind
from domain.build_filter import BuildFilter, GlobPatterns
from domain.failure_streak import BuildSummary, StreakPosition, StreakState
from domain.log.failure import Failure
from domain.notifications.rule import BuildEvent
from domain.pipeline import Pipeline, PipelineWorkflow, Stage
from messages.kit.views import ViewMetadata
from messages.notifications import NotificationContent
from providers.bitrise.api.models import Artifact
from providers.bitrise.provider import BITRISE
from providers.buildio.provider import BUILDIO
from tests.support.factories import NOON
from tests.support.presentations import presentation_of
from tests.support.untrusted_text import OPTIONAL_UNTRUSTED_TEXT, UNTRUSTED_TEXT

BY = st.just("U0ASKER")
BOOL = st.booleans()
COUNT = st.integers(0, 10**6)
ORIGIN = st.just(ViewMetadata(channel="C1"))
SLUG = st.from_regex(r"[0-9a-f]{16}", fullmatch=True)
NUMBER = st.none() | st.integers(0, 10**9)
TIME = st.none() | st.integers(-100_000, 100_000).map(lambda seconds: NOON + timedelta(seconds=seconds))

USUAL = st.none() | st.integers(0, 100_000).map(lambda seconds: timedelta(seconds=seconds))

APPS = st.builds(
    App,
    provider=st.sampled_from([BITRISE, BUILDIO]),
    slug=SLUG,
    title=UNTRUSTED_TEXT,
    owner=OPTIONAL_UNTRUSTED_TEXT,
    repo=OPTIONAL_UNTRUSTED_TEXT,
)
BUILDS = st.builds(
    Build,
    provider=st.just(BITRISE),
    app_slug=SLUG,
    slug=SLUG,
    number=NUMBER,
    state=st.sampled_from(BuildState),
    branch=OPTIONAL_UNTRUSTED_TEXT,
    target_branch=OPTIONAL_UNTRUSTED_TEXT,
    tag=OPTIONAL_UNTRUSTED_TEXT,
    workflow=OPTIONAL_UNTRUSTED_TEXT,
    commit_hash=OPTIONAL_UNTRUSTED_TEXT,
    commit_message=OPTIONAL_UNTRUSTED_TEXT,
    commit_url=OPTIONAL_UNTRUSTED_TEXT,
    pull_request=NUMBER,
    pull_request_url=OPTIONAL_UNTRUSTED_TEXT,
    triggered_by=OPTIONAL_UNTRUSTED_TEXT,
    triggered_at=TIME,
    started_at=TIME,
    prepared_at=TIME,
    finished_at=TIME,
    abort_reason=OPTIONAL_UNTRUSTED_TEXT,
    url=st.just(""),
).map(lambda build: build.model_copy(update={"url": f"https://app.bitrise.io/build/{build.slug}"}))
# Every kind of run that can be notified.
RUNS = BUILDS | st.builds(
    lambda build, kind, text: build.model_copy(update={"provider": BUILDIO, "kind": kind, "said": text}),
    BUILDS,
    st.sampled_from(RunKind),
    OPTIONAL_UNTRUSTED_TEXT,
)
PATTERNS = st.builds(
    GlobPatterns,
    include=st.lists(UNTRUSTED_TEXT, max_size=3).map(tuple),
    exclude=st.lists(UNTRUSTED_TEXT, max_size=2).map(tuple),
)
FILTERS = st.builds(
    BuildFilter,
    branch=PATTERNS,
    tag=PATTERNS,
    by=st.builds(
        GlobPatterns,
        include=st.lists(UNTRUSTED_TEXT.map("@{}".format) | st.just("@U0ASKER"), max_size=2).map(tuple),
    ),
    states=st.frozensets(st.sampled_from([BuildState.FAILED, BuildState.ABORTED, BuildState.SUCCEEDED])),
)

BUILD_SUMMARIES = st.builds(
    BuildSummary,
    slug=SLUG,
    number=NUMBER,
    url=st.just("https://app.bitrise.io/build/1"),
    commit_hash=OPTIONAL_UNTRUSTED_TEXT,
    commit_url=OPTIONAL_UNTRUSTED_TEXT,
    subject=OPTIONAL_UNTRUSTED_TEXT,
    by=OPTIONAL_UNTRUSTED_TEXT | st.just("@u0asker"),
    at=TIME,
)
STREAK_STATES = st.builds(
    StreakState,
    position=st.sampled_from(StreakPosition),
    green=st.none() | BUILD_SUMMARIES,
    red=st.none() | BUILD_SUMMARIES,
    failures=st.integers(0, 99),
)


def make_content(build: Build, app: App, *more: Any) -> NotificationContent:
    return NotificationContent(build, app, presentation_of(build.provider), *more)


CONTENTS = st.builds(
    make_content,
    RUNS,
    APPS,
    st.sampled_from([event.value for event in BuildEvent]),
    st.none() | STREAK_STATES,
    st.none()
    | st.builds(
        Failure,
        step=OPTIONAL_UNTRUSTED_TEXT,
        exit_code=NUMBER,
        lines=st.lists(UNTRUSTED_TEXT, max_size=12).map(tuple),
        summary=OPTIONAL_UNTRUSTED_TEXT,
    ),
    USUAL,
    st.lists(st.just("U0ASKER"), max_size=2),
)
LINES = st.lists(
    st.builds(Artifact, slug=SLUG, title=UNTRUSTED_TEXT, kind=OPTIONAL_UNTRUSTED_TEXT, size=NUMBER),
    max_size=40,
)
PIPELINES = st.builds(
    Pipeline,
    provider=st.just(BITRISE),
    app_slug=SLUG,
    id=SLUG,
    name=UNTRUSTED_TEXT,
    number=NUMBER,
    state=st.sampled_from(BuildState),
    attempt=st.integers(1, 9),
    branch=OPTIONAL_UNTRUSTED_TEXT,
    tag=OPTIONAL_UNTRUSTED_TEXT,
    commit_hash=OPTIONAL_UNTRUSTED_TEXT,
    commit_message=OPTIONAL_UNTRUSTED_TEXT,
    triggered_by=OPTIONAL_UNTRUSTED_TEXT,
    triggered_at=TIME,
    started_at=TIME,
    finished_at=TIME,
    abort_reason=OPTIONAL_UNTRUSTED_TEXT,
    stages=st.lists(
        st.builds(
            Stage,
            name=UNTRUSTED_TEXT,
            workflows=st.lists(
                st.builds(
                    PipelineWorkflow,
                    name=UNTRUSTED_TEXT,
                    state=st.sampled_from(BuildState),
                    build_slug=st.none() | SLUG,
                    started_at=TIME,
                    finished_at=TIME,
                    problem=OPTIONAL_UNTRUSTED_TEXT,
                ),
                max_size=4,
            ).map(lambda items: tuple(items * 5)),
        ),
        max_size=3,
    ).map(lambda items: tuple(items * 6)),
    url=st.just("https://app.bitrise.io/app/a/pipelines/p"),
)
REQUESTS = st.builds(
    BuildRequest,
    provider=st.just(BITRISE),
    app_slug=SLUG,
    slug=SLUG,
    pull_request=NUMBER,
    pull_request_url=OPTIONAL_UNTRUSTED_TEXT,
    branch=OPTIONAL_UNTRUSTED_TEXT,
    target_branch=OPTIONAL_UNTRUSTED_TEXT,
    commit_hash=OPTIONAL_UNTRUSTED_TEXT,
    commit_message=OPTIONAL_UNTRUSTED_TEXT,
    author=OPTIONAL_UNTRUSTED_TEXT,
    created_at=TIME,
)
