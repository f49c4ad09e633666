"""What a card offers to deploy: what fits the globs, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.build import App, Build, BuildState, RunKind
from domain.failure_streak import BuildSummary, StreakPosition, StreakState
from domain.message import Message
from domain.message_state import CardState
from domain.notifications.deploy_link import DeployLink, links_offered
from domain.pipeline import Pipeline
from domain.provider import Provider
from messages import build_card, notifications, pipeline_card
from messages.deploy_buttons import DeployButton, read_deploy_button
from messages.kit import action_ids
from messages.kit.button_values import InvalidButtonValue
from messages.notifications import NotificationContent
from tests.providers.buildio.renderer_cases import TIES
from tests.support.factories import ANDROID, IOS, NOON, make_build
from tests.support.presentations import AT_BITRISE, AT_BUILDIO
from tests.support.untrusted_text import OPTIONAL_UNTRUSTED_TEXT, UNTRUSTED_TEXT, assert_message

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BRANCHES = ("main", "release/1", "release/2", "mains", "Main", None)
GLOBS = ("main", "release/*", "*", "mai?", "dev")
SHOPS = tuple(
    App(provider=Provider.BUILDIO, slug=f"shop-{number}", title=f"shop {number}") for number in range(5)
)

builds = st.builds(
    lambda state, branch, commit, app, request: make_build(
        1, state, app=app, branch=branch, commit_hash=commit, pull_request=request
    ),
    st.sampled_from(BuildState),
    st.sampled_from(BRANCHES),
    st.sampled_from([COMMIT, COMMIT, "", None]),
    st.sampled_from([ANDROID, IOS]),
    st.sampled_from([None, None, None, 7]),
)
ties = st.lists(
    st.builds(
        lambda number, app, bitrise, branches: make_deploy_link(
            number, app, bitrise=bitrise, branches=branches
        ),
        st.integers(1, 10**6),
        st.sampled_from(SHOPS),
        st.sampled_from([ANDROID, IOS]),
        st.lists(st.sampled_from(GLOBS), max_size=2),
    ),
    max_size=8,
    unique_by=lambda tie: tie.number,
)


def make_deploy_link(
    number: int, app: App = SHOPS[0], *, bitrise: App = ANDROID, branches: Sequence[str] = ()
) -> DeployLink:
    return DeployLink(
        number=number, app=app, bitrise=bitrise, branches=tuple(branches), set_by="U0ASKER", set_at=NOON
    )


def make_successful_build(**more: Any) -> Build:
    return make_build(19, BuildState.SUCCEEDED, **({"commit_hash": COMMIT} | more))


def shown(message: Message) -> list[DeployButton]:
    """What can be pressed or picked to deploy, as it would come back."""
    found = []
    for block in message.blocks:
        for element in block.get("elements", ()) if block["type"] == "actions" else ():
            if not element["action_id"].startswith(action_ids.DEPLOY_BUILD):
                continue
            assert "confirm" in element
            values = (
                [element["value"]] if "value" in element else [one["value"] for one in element["options"]]
            )
            found += [read_deploy_button(value, block.get("block_id", "")) for value in values]
    return found


@given(builds, ties)
def test_what_is_offered_fits_the_globs_and_whatever_fits_is_offered_once(
    build: Build, tied: Sequence[DeployLink]
) -> None:
    def fits(tie: DeployLink) -> bool:
        if (
            tie.bitrise.slug != build.app_slug
            or build.state is not BuildState.SUCCEEDED
            or not build.commit_hash
        ):
            return False
        if build.pull_request is not None:
            return False
        return not tie.branches or any(
            build.branch is not None and fnmatchcase(build.branch, glob) for glob in tie.branches
        )

    card = build_card.build_card(build, ANDROID, presentation=AT_BITRISE, now=NOON, deploy_links=tied)
    assert_message(card)
    by_number = {tie.number: tie for tie in tied}
    pressed = [by_number[one.tie] for one in shown(card)]
    assert all(fits(tie) for tie in pressed)
    assert {tie.app.slug for tie in pressed} == {tie.app.slug for tie in tied if fits(tie)}
    assert len({tie.app.slug for tie in pressed}) == len(pressed)
    assert {(one.app, one.build) for one in shown(card)} <= {(build.app_slug, build.slug)}


@given(builds, ties)
def test_a_tie_says_why_exactly_where_it_does_not_offer(build: Build, tied: Sequence[DeployLink]) -> None:
    for tie in tied:
        assert (tie.mismatch(build) is None) is (links_offered([tie], build) == (tie,))


@given(st.lists(TIES, max_size=7), OPTIONAL_UNTRUSTED_TEXT, UNTRUSTED_TEXT, OPTIONAL_UNTRUSTED_TEXT)
def test_an_offer_of_anything_is_shown_as_it_is(
    tied: Sequence[DeployLink], branch: str | None, title: str, commit: str | None
) -> None:
    build = make_successful_build(branch=branch, commit_hash=commit)
    here = [tie.model_copy(update={"bitrise": ANDROID, "branches": ()}) for tie in tied]
    app = ANDROID.model_copy(update={"title": title})
    assert_message(build_card.build_card(build, app, presentation=AT_BITRISE, now=NOON, deploy_links=here))


def test_two_apps_have_buttons_and_more_are_picked_from_a_list() -> None:
    for number in (1, 2, 3, 5):
        tied = [make_deploy_link(at + 1, app) for at, app in enumerate(SHOPS[:number])]
        card = build_card.build_card(
            make_successful_build(), ANDROID, presentation=AT_BITRISE, now=NOON, deploy_links=tied
        )
        [offer] = [
            block["elements"]
            for block in card.blocks
            if block["type"] == "actions" and block["elements"][0]["action_id"] == action_ids.DEPLOY_BUILD
        ]
        kinds = [element["type"] for element in offer]
        assert kinds == (["button"] * number if number < 3 else ["static_select"])
        assert [one.tie for one in shown(card)] == [tie.number for tie in tied]


def test_a_button_says_where_and_carries_names_alone() -> None:
    card = build_card.build_card(
        make_successful_build(),
        ANDROID,
        presentation=AT_BITRISE,
        now=NOON,
        deploy_links=[make_deploy_link(4)],
    )
    [button] = card.blocks[-1]["elements"]
    assert button["text"]["text"] == "Deploy to shop 0 on Build.io"
    assert "01234567" in button["confirm"]["text"]["text"]
    assert COMMIT not in button["value"]
    assert "main" not in button["value"]


def test_a_deployment_of_build_io_is_not_offered_anew() -> None:
    deployed = make_successful_build(provider=Provider.BUILDIO, kind=RunKind.DEPLOYMENT)
    assert (
        shown(
            build_card.build_card(
                deployed, SHOPS[0], presentation=AT_BUILDIO, now=NOON, deploy_links=[make_deploy_link(1)]
            )
        )
        == []
    )


def test_a_series_that_is_mended_offers_its_last_build() -> None:
    red = BuildSummary(slug="b", number=1, url="https://app.bitrise.io/build/b", at=NOON)
    standing = StreakState(position=StreakPosition.FIXED, red=red, failures=1)
    telling = NotificationContent(
        make_successful_build(), ANDROID, AT_BITRISE, streak=standing, deploy_links=[make_deploy_link(4)]
    )
    mended = notifications.streak_card([telling], CardState(), now=NOON)
    assert [one.tie for one in shown(mended)] == [4]


@pytest.mark.parametrize("state", [BuildState.SUCCEEDED, BuildState.FAILED, BuildState.RUNNING])
def test_a_pipeline_offers_what_it_built_once_all_of_it_succeeded(state: BuildState) -> None:
    one = Pipeline(app_slug=ANDROID.slug, id="p1", name="all", state=state, url="https://app.bitrise.io/p/1")
    failed = NotificationContent(
        make_build(20, BuildState.FAILED), ANDROID, AT_BITRISE, deploy_links=[make_deploy_link(4)]
    )
    tellings = [
        NotificationContent(make_successful_build(), ANDROID, AT_BITRISE, deploy_links=[make_deploy_link(4)]),
        failed,
    ]
    told = pipeline_card.pipeline_notification(one, tellings, now=NOON)
    assert_message(told)
    assert [one.tie for one in shown(told)] == ([4] if state is BuildState.SUCCEEDED else [])


@pytest.mark.parametrize(
    ("value", "block"),
    [
        ("", ""),
        ("4", ""),
        ('{"app":"a","build":"b","tie":0}', ""),
        ('{"app":"a","build":"b","tie":"-1"}', ""),
        ('{"app":"a/b","build":"b","tie":1}', ""),
        ("x", "offer a b"),
        ("0", "offer a b"),
        ("٤", "offer a b"),
        ("4", "offer a"),
        ("4", "offer a/.. b"),
        ("4", "offer a b c"),
    ],
)
def test_what_nobody_offered_is_no_button(value: str, block: str) -> None:
    with pytest.raises(InvalidButtonValue):
        read_deploy_button(value, block)
