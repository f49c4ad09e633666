"""Reasons of aborts, read through what Bitrise makes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.abort_reason import OTHER, PHRASES, classify_reason, parse_rules, phrase
from providers.bitrise.api.models import BuildItem


def by_a_person(reason: str) -> str:
    return f"User api-demo requested to abort this build with reason: {reason}"


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("Automatically aborted via Rolling Builds.", "rolling-builds"),
        (by_a_person("no code changes"), "no-changes"),
        (by_a_person("No relevant changes in this module (ben via Slack)"), "no-changes"),
        (by_a_person("[skip ci]"), "no-changes"),
        (by_a_person("superseded by #14"), "superseded"),
        (by_a_person("there is a newer commit"), "superseded"),
        ("Build timed out: no output for 20 minutes", "timeout"),
        (by_a_person("stuck"), "timeout"),
        (by_a_person("wrong branch"), "manual"),
        ("User api-demo requested to abort this build.", "manual"),
        ("Something that Bitrise has never said before", "other"),
        (None, "other"),
    ],
)
def test_a_reason_is_of_a_kind(reason: str | None, kind: str) -> None:
    assert classify_reason(reason) == kind


@given(kind=st.sampled_from([kind for kind in PHRASES if kind != OTHER]), words=st.text(max_size=40))
def test_a_kind_that_was_picked_survives_its_way_through_bitrise(kind: str, words: str) -> None:
    sent = f"{phrase(kind)}: {words} (anna via Slack)"
    assert classify_reason(by_a_person(sent)) == kind


def test_own_rules_come_first() -> None:
    own = parse_rules("freeze=deploy freeze; flaky = flak(y|iness)")
    assert classify_reason(by_a_person("Deploy freeze, no code changes"), own) == "freeze"
    assert classify_reason(by_a_person("too flaky"), own) == "flaky"
    assert phrase("deploy-freeze") == "Deploy freeze"


@pytest.mark.parametrize("text", ["freeze", "Freeze=x", "a b=c", "x=[", "x="])
def test_a_rule_that_can_not_be_read_is_refused_with_its_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"write kind=pattern|can't be read"):
        parse_rules(text)


def test_a_build_that_was_not_aborted_has_no_kind() -> None:
    aborted = BuildItem(slug="a", status=3, abort_reason=by_a_person("no changes")).as_build("app")
    failed = BuildItem(slug="b", status=2).as_build("app")
    assert (aborted.abort_kind, failed.abort_kind) == ("no-changes", None)
    own = parse_rules("ours=no changes")
    assert BuildItem(slug="a", status=3, abort_reason="no changes").as_build("app", own).abort_kind == "ours"
