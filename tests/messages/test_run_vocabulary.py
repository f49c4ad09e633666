"""Deployments and processes beside builds: each spoken of in its own words, with the buttons of its provider."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from domain.build import App, Build, BuildState, RunKind
from domain.failure_streak import Streak, StreakState, advance
from domain.message import Message
from domain.message_state import CardState
from domain.notifications.rule import NotificationRule
from domain.provider import Provider
from messages import build_card, build_text, notifications, subscriptions
from messages.kit import action_ids
from messages.notifications import NotificationContent
from messages.subscriptions import ProviderUnavailable, SubscriptionRow
from providers.buildio.shared.button_values import BuildioButton
from tests.support.factories import ANDROID, NOON, make_build
from tests.support.presentations import AT_BITRISE, AT_BUILDIO

SHOP = App(provider=Provider.BUILDIO, slug="shop-id", title="shop")


def a_deployment(number: int | None, state: BuildState, **more: Any) -> Build:
    own = {"provider": Provider.BUILDIO, "kind": RunKind.DEPLOYMENT, "workflow": "deploy", "number": number}
    own |= {"prepared_at": None, "url": "https://shop.example/"}
    return make_build(number or 1, state, app=SHOP).model_copy(update=own | more)


def a_dyno(state: BuildState, **more: Any) -> Build:
    own = {
        "provider": Provider.BUILDIO,
        "kind": RunKind.DYNO,
        "workflow": "web.1",
        "number": None,
        "branch": None,
    }
    own |= {"prepared_at": None, "url": ""}
    return make_build(1 if state is BuildState.FAILED else 9, state, app=SHOP).model_copy(update=own | more)


def streak_state(*builds: Build) -> StreakState:
    series = Streak()
    for build in builds:
        series, standing = advance(series, build)
    return standing


def shown(message: Message) -> str:
    return "\n".join(
        text["text"]
        for block in message.blocks
        for text in (block.get("text"), *block.get("elements", []))
        if text and isinstance(text.get("text"), str)
    )


def buttons(message: Message) -> dict[str, dict[str, Any]]:
    found = (one for block in message.blocks for one in block.get("elements", []) if one["type"] == "button")
    return {one["text"]["text"]: one for one in found}


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (a_deployment(12, BuildState.FAILED), "shop deployment v12 failed on main."),
        (a_deployment(None, BuildState.SUCCEEDED, branch=None), "shop deployment succeeded."),
        (
            a_deployment(None, BuildState.FAILED, commit_hash="c0ffee1234"),
            "shop deployment c0ffee12 failed on main.",
        ),
        (a_deployment(12, BuildState.ABORTED), "shop deployment v12 was canceled on main."),
        (a_dyno(BuildState.FAILED), "shop web.1 crashed."),
        (a_dyno(BuildState.FAILED, said="restarts in a loop"), "shop web.1 restarts in a loop."),
        (a_dyno(BuildState.SUCCEEDED), "shop web.1 is up again."),
    ],
)
def test_each_is_spoken_of_in_its_own_words(build: Build, says: str) -> None:
    assert build_text.plain_summary(build, SHOP).startswith(says)


def test_a_deployment_has_one_time_and_a_dyno_that_is_up_again_was_down_for_one() -> None:
    assert build_text.duration_texts(a_deployment(1, BuildState.SUCCEEDED)) == ["6 min in all"]
    assert build_text.duration_texts(a_dyno(BuildState.SUCCEEDED)) == ["6 min down"]
    assert build_text.duration_texts(a_dyno(BuildState.FAILED)) == []


def test_a_card_of_build_io_offers_what_build_io_can_do() -> None:
    card = build_card.build_card(a_deployment(12, BuildState.FAILED), SHOP, presentation=AT_BUILDIO, now=NOON)
    assert {words: one["action_id"] for words, one in buttons(card).items()} == {
        "Processes": action_ids.BUILDIO_PS,
        "Restart…": action_ids.BUILDIO_RESTART,
        "Refresh": action_ids.BUILDIO_REFRESH,
        "Deploy again…": action_ids.BUILDIO_DEPLOY,
        "Open the app": action_ids.OPEN_LINK,
    }
    assert buttons(card)["Open the app"]["url"] == "https://shop.example/"


def test_a_card_of_a_dyno_says_which_and_links_to_nothing_that_is_not_there() -> None:
    pressed = buttons(
        build_card.build_card(a_dyno(BuildState.FAILED), SHOP, presentation=AT_BUILDIO, now=NOON)
    )
    assert "Open the app" not in pressed
    about = BuildioButton.decode(pressed["Restart…"]["value"])
    assert (about.app, about.title, about.dyno) == ("shop-id", "shop", "web.1")


def test_a_dyno_whose_name_no_button_can_carry_has_buttons_of_its_app() -> None:
    card = build_card.build_card(
        a_dyno(BuildState.FAILED, workflow="web 1|<x>"), SHOP, presentation=AT_BUILDIO, now=NOON
    )
    assert BuildioButton.decode(buttons(card)["Restart…"]["value"]).dyno == ""


def test_a_deployment_that_runs_is_measured_by_what_is_usual() -> None:
    running = a_deployment(12, BuildState.RUNNING)
    card = build_card.build_card(
        running,
        SHOP,
        presentation=AT_BUILDIO,
        now=NOON + timedelta(minutes=16),
        usual_duration=timedelta(minutes=7),
    )
    assert "running for 3 of about 7 min" in shown(card)
    assert "Deploy again…" not in buttons(card)


def test_a_series_of_deployments_is_a_card_from_broken_to_mended() -> None:
    failed = [a_deployment(number, BuildState.FAILED) for number in (2, 3)]
    builds = [a_deployment(1, BuildState.SUCCEEDED), *failed]
    card = notifications.streak_card(
        [NotificationContent(failed[-1], SHOP, AT_BUILDIO, streak=streak_state(*builds))],
        CardState(),
        now=NOON,
    )
    assert "Deploying *shop* from `main` *is broken*" in shown(card)
    assert "2 deployments have failed in a row" in shown(card)
    assert "v2" in shown(card)
    assert {"I'm on it", "Snooze 4 hours", "Deploy again…"} <= buttons(card).keys()
    assert not {"Rebuild", "Log"} & buttons(card).keys()
    fixed = a_deployment(4, BuildState.SUCCEEDED)
    card = notifications.streak_card(
        [NotificationContent(fixed, SHOP, AT_BUILDIO, streak=streak_state(*builds, fixed))],
        CardState(),
        now=NOON,
    )
    assert "is green again" in shown(card)
    assert "2 deployments failed before" in shown(card)


def test_a_dyno_that_is_down_is_a_card_that_says_so_until_it_is_up() -> None:
    down, up = a_dyno(BuildState.FAILED), a_dyno(BuildState.SUCCEEDED)
    card = notifications.streak_card(
        [NotificationContent(down, SHOP, AT_BUILDIO, streak=streak_state(down))], CardState(), now=NOON
    )
    assert "*shop* `web.1` *is down*\nIt went down once since" in shown(card)
    card = notifications.streak_card(
        [NotificationContent(up, SHOP, AT_BUILDIO, streak=streak_state(down, up))], CardState(), now=NOON
    )
    assert shown(card) == "🟢 *shop* `web.1` *is up again* after 8 min"


def test_what_is_gathered_is_counted_by_what_it_is() -> None:
    builds = [
        make_build(1),
        a_deployment(1, BuildState.FAILED),
        a_deployment(2, BuildState.FAILED),
        a_dyno(BuildState.FAILED),
    ]
    assert build_text.count_runs(builds) == "one build, 2 deployments and one dyno"
    assert build_text.count_runs(builds[:1]) == "one build"
    assert build_text.run_kinds(builds[1:]) == "deployments and dynos"


def test_a_thread_of_a_process_is_headed_by_it() -> None:
    head = notifications.thread_head(NotificationContent(a_dyno(BuildState.FAILED), SHOP, AT_BUILDIO))
    assert head.text == "shop, process web.1: web.1 crashed"
    head = notifications.thread_head(
        NotificationContent(a_deployment(3, BuildState.FAILED, branch=None), SHOP, AT_BUILDIO)
    )
    assert head.text == "shop, deployments: deployment v3 failed"


def test_a_subscription_says_what_its_provider_tells_and_where_to_change_it() -> None:
    told = subscriptions.subscription_added(SHOP, NotificationRule(), AT_BUILDIO, by="U1")
    assert "every deployment's end and every dyno that goes down or is up again in *shop*" in told.text
    assert "`/buildio subscriptions`" in shown(told)
    assert "/bitrise" not in shown(told)
    assert "`/bitrise why #N`" in shown(
        subscriptions.subscription_added(ANDROID, NotificationRule(), AT_BITRISE, by="U1")
    )


def test_who_can_not_be_looked_at_is_named() -> None:
    row = SubscriptionRow(
        number=1, app=SHOP, terms=NotificationRule(), created_by="U1", presentation=AT_BUILDIO
    )
    said = subscriptions.subscription_list(
        [row], Provider.BITRISE, outages=[ProviderUnavailable(Provider.BUILDIO, None, "no answer.")]
    )
    assert "I could not look at Build.io" in shown(said)
