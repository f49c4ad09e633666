"""The subscription form: the notification rule that it shows, and the one that it returns."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.build_filter import BuildFilter, BuildTriggerEvent, GlobPatterns
from domain.commands.errors import CommandError
from domain.commands.notification_arguments import format_rule
from domain.commands.shared_commands import Subscribe
from domain.notifications.rule import (
    DeliveryStyle,
    InvalidNotificationRule,
    NotificationRule,
    QuietHours,
    Result,
    validate_rule,
)
from messages import subscription_form
from messages.kit.views import FormValues
from messages.subscription_form import SubscriptionForm, SubscriptionOrigin
from sandbox.slack.input_values import view_state
from sandbox.slack.validation import validate_view
from services.features.subscriptions.form import read_subscribe_command
from tests.support.commands import BITRISE_PARSER, parse
from tests.support.factories import ANDROID
from tests.support.presentations import AT_BITRISE


def render_form(terms: NotificationRule) -> dict[str, Any]:
    origin = SubscriptionOrigin(number=1, channel="C1")
    return subscription_form.subscription_modal(
        ANDROID, SubscriptionForm.of(terms), AT_BITRISE, origin=origin
    )


@pytest.mark.parametrize(
    "words",
    [
        "",
        "status:failed,fixed branch:main,release/* -branch:dependabot/*",
        "status:started workflow:deploy -workflow:nightly*",
        "by:<@U0ANNA> -by:bot target:main event:pull-request pr:12",
        "style:weekly at:17:30 on:fri zone:Europe/Berlin",
        "style:daily at:9:00 zone:Asia/Tokyo quiet:22:00-7:00",
        "quiet:22:00-7:00 zone:America/New_York on-hold:15m running:2h",
        "style:card branch:main",
        "style:thread broadcast:yes tag:v* -aborted:no-changes,rolling-builds",
        "style:live",
    ],
)
def test_submitting_without_a_change_changes_nothing(words: str) -> None:
    command = parse(f"subscribe {words}", surface="slash")
    assert isinstance(command, Subscribe)
    view = render_form(command.terms)
    values = FormValues(view_state(view["blocks"], {}, submitting=True))
    assert read_subscribe_command(values, command.terms, BITRISE_PARSER).terms == command.terms


NAMES = st.lists(
    st.sampled_from(["main", "release/*", "a b", "it's", "«x»", "x:y", "-x", "@y", "v*", "#1"]),
    max_size=3,
    unique=True,
)
PATTERNS = st.builds(GlobPatterns, include=NAMES.map(tuple), exclude=NAMES.map(tuple))
PEOPLE = st.lists(st.sampled_from(["@U0ANNA", "bot", "octo*", "dependabot[bot]"]), max_size=2, unique=True)
KINDS = st.lists(st.sampled_from(["no-changes", "manual", "freeze"]), max_size=2, unique=True)
TERMS = st.builds(
    NotificationRule,
    filter=st.builds(
        BuildFilter,
        branch=PATTERNS,
        target=PATTERNS,
        tag=PATTERNS,
        workflow=PATTERNS,
        by=st.builds(GlobPatterns, include=PEOPLE.map(tuple), exclude=PEOPLE.map(tuple)),
        aborted=st.builds(GlobPatterns, include=KINDS.map(tuple), exclude=KINDS.map(tuple)),
        events=st.frozensets(st.sampled_from(BuildTriggerEvent)),
        pull_requests=st.frozensets(st.integers(1, 999), max_size=2),
    ),
    results=st.frozensets(st.sampled_from(Result)),
    started=st.booleans(),
    on_hold_over=st.none() | st.integers(1, 300).map(lambda minutes: timedelta(minutes=minutes)),
    running_over=st.none() | st.integers(1, 300).map(lambda minutes: timedelta(minutes=minutes)),
    style=st.sampled_from(DeliveryStyle),
    quiet=st.none() | st.builds(QuietHours, start=st.just(time(22)), end=st.just(time(7, 30))),
    broadcast=st.booleans(),
)


@given(TERMS)
def test_any_rule_survives_the_command_text_and_the_form(terms: NotificationRule) -> None:
    try:
        validate_rule(terms)
    except InvalidNotificationRule:
        assume(False)
    for wanted in (terms.filter.branch, terms.filter.workflow):
        assume(not set(wanted.include) & set(wanted.exclude))  # the form refuses that
    typed = parse(f"subscribe {format_rule(terms)}", surface="slash")
    assert isinstance(typed, Subscribe)
    assert typed.terms == terms
    view = render_form(terms)
    validate_view(view)
    assert (
        read_subscribe_command(
            FormValues(view_state(view["blocks"], {}, submitting=True)), terms, BITRISE_PARSER
        ).terms
        == terms
    )


def test_parts_of_a_rule_that_the_form_does_not_show_stay() -> None:
    before = NotificationRule(once=True, zone="Asia/Tokyo")
    before = before.model_copy(
        update={"filter": before.filter.model_copy(update={"builds": frozenset({"b1"})})}
    )
    view = render_form(before)
    values = FormValues(view_state(view["blocks"], {}, submitting=True))
    assert read_subscribe_command(values, before, BITRISE_PARSER).terms == before


def submit(before: NotificationRule, more: str, **picked: Any) -> NotificationRule:
    """Return the rule of a subscription after the form is submitted with this text and these selections."""
    filled = SubscriptionForm.of(before)
    filled = filled.model_copy(update={"more": f"{filled.more} {more}", **picked})
    view = subscription_form.subscription_modal(
        ANDROID, filled, AT_BITRISE, origin=SubscriptionOrigin(number=1, channel="C1")
    )
    return read_subscribe_command(
        FormValues(view_state(view["blocks"], {}, submitting=True)), before, BITRISE_PARSER
    ).terms


def test_typed_and_selected_filters_are_combined() -> None:
    before = NotificationRule(
        filter=BuildFilter(branch=GlobPatterns(include=("main",))), results=frozenset({Result.FAILED})
    )
    after = submit(before, "branch:release/* -branch:x workflow:deploy status:fixed,started style:thread")
    assert after.filter.branch == GlobPatterns(include=("main", "release/*"), exclude=("x",))
    assert after.filter.workflow == GlobPatterns(include=("deploy",))
    assert after.results == {Result.FAILED, Result.FIXED}
    assert after.started
    assert after.style is DeliveryStyle.THREAD
    assert submit(NotificationRule(), "style:weekly on:fri at:8:00").style is DeliveryStyle.WEEKLY


@pytest.mark.parametrize(
    ("more", "picked", "problem"),
    [
        ("-branch:main", {"branches": ("main",)}, "`branch:main` is both included and excluded"),
        ("branch:main", {"not_branches": ("main",)}, "`branch:main` is both included and excluded"),
        ("-workflow:deploy", {"workflows": ("deploy",)}, "`workflow:deploy` is both included and excluded"),
        ("style:card", {"style": DeliveryStyle.DAILY}, "isn't the style selected above"),
        ("style:card status:failed", {}, "`style:card` posts failures and fixes"),
        ("style:card", {"results": frozenset({Result.FAILED})}, "`style:card` posts failures and fixes"),
        ("at:9:00", {}, "`at:` is the time of a summary"),
        ("on:mon", {"style": DeliveryStyle.DAILY}, "`on:` is the day of a weekly summary"),
    ],
)
def test_typed_filters_that_contradict_selected_ones_are_refused(
    more: str, picked: dict[str, Any], problem: str
) -> None:
    with pytest.raises(CommandError) as refused:
        submit(NotificationRule(), more, **picked)
    assert problem in refused.value.problem


def test_the_times_of_a_digest_are_removed_with_its_style() -> None:
    before = NotificationRule(style=DeliveryStyle.WEEKLY, at=time(8), zone="Europe/Berlin")
    assert submit(before, "by:octo", style=DeliveryStyle.EACH).filter.by == GlobPatterns(include=("octo",))
    assert submit(before, "", style=DeliveryStyle.EACH).style is DeliveryStyle.EACH
