"""Abort reasons, parsed from Bitrise's sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.abort_kind import OTHER, PHRASES, classify_reason, parse_rules, phrase
from providers.bitrise.api.models import BuildItem


def abort_sentence(reason: str) -> str:
    return f"User api-demo requested to abort this build with reason: {reason}"


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("Automatically aborted via Rolling Builds.", "rolling-builds"),
        (abort_sentence("no code changes"), "no-changes"),
        (abort_sentence("No relevant changes in this module (ben via Slack)"), "no-changes"),
        (abort_sentence("[skip ci]"), "no-changes"),
        (abort_sentence("superseded by #14"), "superseded"),
        (abort_sentence("there is a newer commit"), "superseded"),
        ("Build timed out: no output for 20 minutes", "timeout"),
        (abort_sentence("stuck"), "timeout"),
        (abort_sentence("wrong branch"), "manual"),
        ("User api-demo requested to abort this build.", "manual"),
        ("Something that Bitrise has never said before", "other"),
        (None, "other"),
    ],
)
def test_a_reason_is_classified(reason: str | None, kind: str) -> None:
    assert classify_reason(reason) == kind


@given(kind=st.sampled_from([kind for kind in PHRASES if kind != OTHER]), text=st.text(max_size=40))
def test_a_kind_is_recognised_again_in_the_sentence_of_bitrise(kind: str, text: str) -> None:
    reason = f"{phrase(kind)}: {text} (anna via Slack)"
    assert classify_reason(abort_sentence(reason)) == kind


def test_own_rules_come_first() -> None:
    own_rules = parse_rules("freeze=deploy freeze; flaky = flak(y|iness)")
    assert classify_reason(abort_sentence("Deploy freeze, no code changes"), own_rules) == "freeze"
    assert classify_reason(abort_sentence("too flaky"), own_rules) == "flaky"
    assert phrase("deploy-freeze") == "Deploy freeze"


@pytest.mark.parametrize("text", ["freeze", "Freeze=x", "a b=c", "x=[", "x="])
def test_an_invalid_rule_is_rejected_with_an_explanation(text: str) -> None:
    with pytest.raises(ValueError, match=r"write kind=pattern|isn't valid"):
        parse_rules(text)


def test_a_build_that_was_not_aborted_has_no_kind() -> None:
    aborted = BuildItem(slug="a", status=3, abort_reason=abort_sentence("no changes")).as_build("app")
    failed = BuildItem(slug="b", status=2).as_build("app")
    assert (aborted.abort_kind, failed.abort_kind) == ("no-changes", None)
    own_rules = parse_rules("ours=no changes")
    assert (
        BuildItem(slug="a", status=3, abort_reason="no changes").as_build("app", own_rules).abort_kind
        == "ours"
    )
