"""Messages about builds, deployments and dynos: each in its own words, with the buttons of its provider."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from domain.build import App, Build, BuildState, RunKind
from domain.failure_streak import Streak, StreakState, advance
from domain.message import CardState, Message
from domain.notifications.rule import NotificationRule
from messages import build_card, build_text, notifications, subscriptions
from messages.kit import action_ids
from messages.notifications import NotificationContent
from messages.subscriptions import ProviderUnavailable, SubscriptionRow
from providers.bitrise.provider import BITRISE
from providers.buildio import action_ids as buildio_action_ids
from providers.buildio.provider import BUILDIO
from providers.buildio.shared.button_values import BuildioButton
from tests.support.factories import ANDROID, NOON, make_build
from tests.support.presentations import AT_BITRISE, AT_BUILDIO

SHOP = App(provider=BUILDIO, slug="shop-id", title="shop")


def make_deployment(number: int | None, state: BuildState, **overrides: Any) -> Build:
    fields = {
        "provider": BUILDIO,
        "kind": RunKind.DEPLOYMENT,
        "workflow": "deploy",
        "number": number,
    }
    fields |= {"prepared_at": None, "url": "https://shop.example/"}
    return make_build(number or 1, state, app=SHOP).model_copy(update=fields | overrides)


def make_dyno(state: BuildState, **overrides: Any) -> Build:
    fields = {
        "provider": BUILDIO,
        "kind": RunKind.DYNO,
        "workflow": "web.1",
        "number": None,
        "branch": None,
    }
    fields |= {"prepared_at": None, "url": ""}
    return make_build(1 if state is BuildState.FAILED else 9, state, app=SHOP).model_copy(
        update=fields | overrides
    )


def streak_state(*builds: Build) -> StreakState:
    streak = Streak()
    for build in builds:
        streak, state = advance(streak, build)
    return state


def message_text(message: Message) -> str:
    return "\n".join(
        text["text"]
        for block in message.blocks
        for text in (block.get("text"), *block.get("elements", []))
        if text and isinstance(text.get("text"), str)
    )


def buttons(message: Message) -> dict[str, dict[str, Any]]:
    elements = (
        element
        for block in message.blocks
        for element in block.get("elements", [])
        if element["type"] == "button"
    )
    return {element["text"]["text"]: element for element in elements}


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (make_deployment(12, BuildState.FAILED), "shop deployment v12 failed on main."),
        (make_deployment(None, BuildState.SUCCEEDED, branch=None), "shop deployment succeeded."),
        (
            make_deployment(None, BuildState.FAILED, commit_hash="c0ffee1234"),
            "shop deployment c0ffee12 failed on main.",
        ),
        (make_deployment(12, BuildState.ABORTED), "shop deployment v12 was canceled on main."),
        (make_dyno(BuildState.FAILED), "shop web.1 crashed."),
        (make_dyno(BuildState.FAILED, said="restarts in a loop"), "shop web.1 restarts in a loop."),
        (make_dyno(BuildState.SUCCEEDED), "shop web.1 recovered."),
    ],
)
def test_each_kind_of_run_is_described_in_its_own_words(build: Build, expected: str) -> None:
    assert build_text.plain_summary(build, SHOP).startswith(expected)


def test_a_deployment_has_one_duration_and_a_recovered_dyno_its_downtime() -> None:
    assert build_text.duration_texts(make_deployment(1, BuildState.SUCCEEDED)) == ["6m in total"]
    assert build_text.duration_texts(make_dyno(BuildState.SUCCEEDED)) == ["6m down"]
    assert build_text.duration_texts(make_dyno(BuildState.FAILED)) == []


def test_a_build_io_card_has_the_buttons_of_build_io() -> None:
    card = build_card.build_card(
        make_deployment(12, BuildState.FAILED), SHOP, presentation=AT_BUILDIO, now=NOON
    )
    assert {label: block["action_id"] for label, block in buttons(card).items()} == {
        "View processes": buildio_action_ids.PS,
        "Restart…": buildio_action_ids.RESTART,
        "Refresh": buildio_action_ids.REFRESH,
        "Deploy again…": buildio_action_ids.DEPLOY,
        "Open app": action_ids.OPEN_LINK,
    }
    assert buttons(card)["Open app"]["url"] == "https://shop.example/"


def test_a_dyno_card_names_its_dyno_and_has_no_link_without_a_url() -> None:
    card_buttons = buttons(
        build_card.build_card(make_dyno(BuildState.FAILED), SHOP, presentation=AT_BUILDIO, now=NOON)
    )
    assert "Open app" not in card_buttons
    value = BuildioButton.decode(card_buttons["Restart…"]["value"])
    assert (value.app, value.title, value.dyno) == ("shop-id", "shop", "web.1")


def test_a_dyno_whose_name_does_not_fit_a_button_has_the_buttons_of_its_app() -> None:
    card = build_card.build_card(
        make_dyno(BuildState.FAILED, workflow="web 1|<x>"), SHOP, presentation=AT_BUILDIO, now=NOON
    )
    assert BuildioButton.decode(buttons(card)["Restart…"]["value"]).dyno == ""


def test_a_running_deployment_is_shown_against_the_usual_duration() -> None:
    running = make_deployment(12, BuildState.RUNNING)
    card = build_card.build_card(
        running,
        SHOP,
        presentation=AT_BUILDIO,
        now=NOON + timedelta(minutes=16),
        usual_duration=timedelta(minutes=7),
    )
    assert "running for 3m, usually takes 7m" in message_text(card)
    assert "Deploy again…" not in buttons(card)


def test_a_streak_of_deployments_has_a_card_from_broken_to_fixed() -> None:
    failed = [make_deployment(number, BuildState.FAILED) for number in (2, 3)]
    builds = [make_deployment(1, BuildState.SUCCEEDED), *failed]
    card = notifications.streak_card(
        [NotificationContent(failed[-1], SHOP, AT_BUILDIO, streak=streak_state(*builds))],
        CardState(),
        now=NOON,
    )
    assert "Deployment of *shop* from `main` *is failing*" in message_text(card)
    assert "2 deployments failed in a row" in message_text(card)
    assert "v2" in message_text(card)
    assert {"I'm on it", "Snooze 4 hours", "Deploy again…"} <= buttons(card).keys()
    assert not {"Rebuild", "View log"} & buttons(card).keys()
    fixed = make_deployment(4, BuildState.SUCCEEDED)
    card = notifications.streak_card(
        [NotificationContent(fixed, SHOP, AT_BUILDIO, streak=streak_state(*builds, fixed))],
        CardState(),
        now=NOON,
    )
    assert "is fixed" in message_text(card)
    assert "after 2 failed deployments" in message_text(card)


def test_the_card_of_a_dyno_shows_that_it_is_down_until_it_is_up() -> None:
    down, up = make_dyno(BuildState.FAILED), make_dyno(BuildState.SUCCEEDED)
    card = notifications.streak_card(
        [NotificationContent(down, SHOP, AT_BUILDIO, streak=streak_state(down))], CardState(), now=NOON
    )
    assert "*shop* `web.1` *is down*\nWent down once since" in message_text(card)
    card = notifications.streak_card(
        [NotificationContent(up, SHOP, AT_BUILDIO, streak=streak_state(down, up))], CardState(), now=NOON
    )
    assert message_text(card) == "🟢 *shop* `web.1` *recovered* after 8m"


def test_runs_in_a_digest_are_counted_by_kind() -> None:
    builds = [
        make_build(1),
        make_deployment(1, BuildState.FAILED),
        make_deployment(2, BuildState.FAILED),
        make_dyno(BuildState.FAILED),
    ]
    assert build_text.count_runs(builds) == "1 build, 2 deployments and 1 dyno"
    assert build_text.count_runs(builds[:1]) == "1 build"
    assert build_text.run_kinds(builds[1:]) == "deployments and dynos"


def test_the_head_of_a_thread_names_the_process_or_deployments() -> None:
    head = notifications.thread_head(NotificationContent(make_dyno(BuildState.FAILED), SHOP, AT_BUILDIO))
    assert head.text == "shop, process web.1: web.1 crashed"
    head = notifications.thread_head(
        NotificationContent(make_deployment(3, BuildState.FAILED, branch=None), SHOP, AT_BUILDIO)
    )
    assert head.text == "shop, deployments: deployment v3 failed"


def test_a_new_subscription_names_its_providers_runs_and_command() -> None:
    message = subscriptions.subscription_added(SHOP, NotificationRule(), AT_BUILDIO, by="U1")
    assert "*shop*: all finished deployments, dyno crashes and recoveries" in message.text
    assert "`/buildio subscriptions`" in message_text(message)
    assert "/bitrise" not in message_text(message)
    assert "`/bitrise why #N`" in message_text(
        subscriptions.subscription_added(ANDROID, NotificationRule(), AT_BITRISE, by="U1")
    )


def test_a_provider_that_cannot_be_polled_is_named() -> None:
    row = SubscriptionRow(
        number=1, app=SHOP, terms=NotificationRule(), created_by="U1", presentation=AT_BUILDIO
    )
    message = subscriptions.subscription_list(
        [row], BITRISE, outages=[ProviderUnavailable(BUILDIO, None, "no answer.")]
    )
    assert "No updates from Build.io" in message_text(message)
