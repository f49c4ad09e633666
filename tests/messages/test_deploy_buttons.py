"""The deploy buttons of a card: exactly those of matching deploy links."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.build import App, Build, BuildState, RunKind
from domain.failure_streak import BuildSummary, StreakPosition, StreakState
from domain.message import CardState, Message
from domain.notifications.deploy_link import DeployLink, links_offered
from domain.pipeline import Pipeline
from messages import build_card, notifications, pipeline_card
from messages.deploy_buttons import DeployButton, read_deploy_button
from messages.kit import action_ids
from messages.kit.button_values import InvalidButtonValue
from messages.notifications import NotificationContent
from providers.bitrise.provider import BITRISE
from providers.buildio.provider import BUILDIO
from tests.providers.buildio.renderer_cases import TIES
from tests.support.factories import ANDROID, IOS, NOON, make_build
from tests.support.presentations import AT_BITRISE, AT_BUILDIO
from tests.support.untrusted_text import OPTIONAL_UNTRUSTED_TEXT, UNTRUSTED_TEXT, assert_message

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BRANCHES = ("main", "release/1", "release/2", "mains", "Main", None)
GLOBS = ("main", "release/*", "*", "mai?", "dev")
SHOPS = tuple(App(provider=BUILDIO, slug=f"shop-{number}", title=f"shop {number}") for number in range(5))

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
deploy_link_lists = st.lists(
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
    unique_by=lambda link: link.number,
)


def make_deploy_link(
    number: int, app: App = SHOPS[0], *, bitrise: App = ANDROID, branches: Sequence[str] = ()
) -> DeployLink:
    return DeployLink(number=number, app=app, bitrise=bitrise, branches=tuple(branches), set_by="U0ASKER")


def make_successful_build(**overrides: Any) -> Build:
    return make_build(19, BuildState.SUCCEEDED, **({"commit_hash": COMMIT} | overrides))


def deploy_buttons(message: Message) -> list[DeployButton]:
    """Return the values of the deploy buttons and options in the message, decoded."""
    buttons = []
    for block in message.blocks:
        for element in block.get("elements", ()) if block["type"] == "actions" else ():
            if not element["action_id"].startswith(action_ids.DEPLOY_BUILD):
                continue
            assert "confirm" in element
            values = (
                [element["value"]]
                if "value" in element
                else [option["value"] for option in element["options"]]
            )
            buttons += [read_deploy_button(value, block.get("block_id", "")) for value in values]
    return buttons


@given(builds, deploy_link_lists)
def test_each_app_of_a_matching_deploy_link_is_offered_exactly_once(
    build: Build, deploy_links: Sequence[DeployLink]
) -> None:
    def matches(link: DeployLink) -> bool:
        if (
            link.bitrise.slug != build.app_slug
            or build.state is not BuildState.SUCCEEDED
            or not build.commit_hash
        ):
            return False
        if build.pull_request is not None:
            return False
        return not link.branches or any(
            build.branch is not None and fnmatchcase(build.branch, glob) for glob in link.branches
        )

    card = build_card.build_card(build, ANDROID, presentation=AT_BITRISE, now=NOON, deploy_links=deploy_links)
    assert_message(card)
    by_number = {link.number: link for link in deploy_links}
    offered = [by_number[button.tie] for button in deploy_buttons(card)]
    assert all(matches(link) for link in offered)
    assert {link.app.slug for link in offered} == {link.app.slug for link in deploy_links if matches(link)}
    assert len({link.app.slug for link in offered}) == len(offered)
    assert {(button.app, button.build) for button in deploy_buttons(card)} <= {(build.app_slug, build.slug)}


@given(builds, deploy_link_lists)
def test_a_deploy_link_has_a_mismatch_exactly_when_it_is_not_offered(
    build: Build, deploy_links: Sequence[DeployLink]
) -> None:
    for link in deploy_links:
        assert (link.mismatch(build) is None) is (links_offered([link], build) == (link,))


@given(st.lists(TIES, max_size=7), OPTIONAL_UNTRUSTED_TEXT, UNTRUSTED_TEXT, OPTIONAL_UNTRUSTED_TEXT)
def test_deploy_buttons_with_any_text_are_valid_in_slack(
    deploy_links: Sequence[DeployLink], branch: str | None, title: str, commit: str | None
) -> None:
    build = make_successful_build(branch=branch, commit_hash=commit)
    links = [link.model_copy(update={"bitrise": ANDROID, "branches": ()}) for link in deploy_links]
    app = ANDROID.model_copy(update={"title": title})
    assert_message(build_card.build_card(build, app, presentation=AT_BITRISE, now=NOON, deploy_links=links))


def test_up_to_two_deploy_links_are_buttons_and_more_are_a_select_menu() -> None:
    for number in (1, 2, 3, 5):
        deploy_links = [make_deploy_link(index + 1, app) for index, app in enumerate(SHOPS[:number])]
        card = build_card.build_card(
            make_successful_build(), ANDROID, presentation=AT_BITRISE, now=NOON, deploy_links=deploy_links
        )
        [offer] = [
            block["elements"]
            for block in card.blocks
            if block["type"] == "actions" and block["elements"][0]["action_id"] == action_ids.DEPLOY_BUILD
        ]
        kinds = [element["type"] for element in offer]
        assert kinds == (["button"] * number if number < 3 else ["static_select"])
        assert [button.tie for button in deploy_buttons(card)] == [link.number for link in deploy_links]


def test_a_deploy_button_shows_its_target_and_its_value_has_no_commit_or_branch() -> None:
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


def test_a_build_io_deployment_has_no_deploy_buttons() -> None:
    deployed = make_successful_build(provider=BUILDIO, kind=RunKind.DEPLOYMENT)
    assert (
        deploy_buttons(
            build_card.build_card(
                deployed, SHOPS[0], presentation=AT_BUILDIO, now=NOON, deploy_links=[make_deploy_link(1)]
            )
        )
        == []
    )


def test_the_card_of_a_fixed_streak_offers_to_deploy_its_last_build() -> None:
    red = BuildSummary(slug="b", number=1, url="https://app.bitrise.io/build/b", at=NOON)
    streak = StreakState(position=StreakPosition.FIXED, red=red, failures=1)
    content = NotificationContent(
        make_successful_build(), ANDROID, AT_BITRISE, streak=streak, deploy_links=[make_deploy_link(4)]
    )
    card = notifications.streak_card([content], CardState(), now=NOON)
    assert [button.tie for button in deploy_buttons(card)] == [4]


@pytest.mark.parametrize("state", [BuildState.SUCCEEDED, BuildState.FAILED, BuildState.RUNNING])
def test_a_pipeline_offers_to_deploy_only_if_all_of_it_succeeded(state: BuildState) -> None:
    pipeline = Pipeline(
        provider=BITRISE,
        app_slug=ANDROID.slug,
        id="p1",
        name="all",
        state=state,
        url="https://app.bitrise.io/p/1",
    )
    failed = NotificationContent(
        make_build(20, BuildState.FAILED), ANDROID, AT_BITRISE, deploy_links=[make_deploy_link(4)]
    )
    contents = [
        NotificationContent(make_successful_build(), ANDROID, AT_BITRISE, deploy_links=[make_deploy_link(4)]),
        failed,
    ]
    message = pipeline_card.pipeline_notification(pipeline, contents, now=NOON)
    assert_message(message)
    assert [button.tie for button in deploy_buttons(message)] == (
        [4] if state is BuildState.SUCCEEDED else []
    )


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
def test_a_deploy_value_that_was_never_offered_is_rejected(value: str, block: str) -> None:
    with pytest.raises(InvalidButtonValue):
        read_deploy_button(value, block)
