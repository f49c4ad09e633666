"""A rule that wants a change is always found by its search keys, and by the rest of it."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from domain.build import BuildChange, BuildState
from domain.build_author import STARTED_BY, NameDirectory, is_author, slack_user
from domain.build_filter import BuildFilter, GlobPatterns
from domain.failure_streak import StreakPosition, StreakState
from domain.notifications.evaluation import evaluate
from domain.notifications.matching import event_of_change
from domain.notifications.preselection import ANY_BUILD, Preselection, search_keys_of
from domain.notifications.rule import NotificationRule, Result
from tests.support.examples import examples
from tests.support.factories import make_build
from tests.support.notification_rules import BUILDS, NAMES, PEOPLE, RULES

KNOWN: st.SearchStrategy[Mapping[str, frozenset[str]]] = st.dictionaries(
    st.sampled_from(PEOPLE), st.frozensets(st.sampled_from(NAMES), max_size=2)
)
POSITIONS = st.sampled_from(StreakPosition)


@examples(200)
@given(
    RULES, BUILDS, st.none() | st.just(BuildState.RUNNING), POSITIONS, KNOWN, st.sampled_from(("T1", "T2"))
)
def test_what_a_rule_wants_is_always_preselected(
    rule: NotificationRule,
    build: object,
    was: BuildState | None,
    position: StreakPosition,
    known: Mapping[str, frozenset[str]],
    team: str,
) -> None:
    change = BuildChange.model_validate({"build": build, "was": was})
    event, names = event_of_change(change), NameDirectory(team, known)
    streak = StreakState(position=position) if change.build.ended else None
    if event is None or not evaluate(rule, event, change.build, streak, names).should_notify:
        return
    people = [person for person in known if is_author(person, change.build, names)]
    preselection = Preselection.of(rule)
    assert preselection.search_keys & search_keys_of(change.build, people)
    assert preselection.could_want(change, streak)


def test_rules_that_ask_for_the_same_share_a_key_whatever_they_are_searched_by() -> None:
    failures = frozenset({Result.FAILED, Result.BROKEN})
    rules = [
        NotificationRule(results=failures, filter=BuildFilter(branch=GlobPatterns(include=(branch,))))
        for branch in ("main", "develop")
    ]
    main, develop = (Preselection.of(rule) for rule in rules)
    assert main.rule_key == develop.rule_key != Preselection.of(NotificationRule()).rule_key
    assert not main.search_keys & develop.search_keys
    assert main.search_keys & search_keys_of(make_build(1, branch="main"))
    assert not develop.search_keys & search_keys_of(make_build(1, branch="main"))
    assert Preselection.of(NotificationRule()).search_keys == {ANY_BUILD}


def test_a_person_is_searched_by_what_the_build_says_and_by_their_names() -> None:
    rule = NotificationRule(filter=BuildFilter(by=GlobPatterns(include=("@U0ANNA",))))
    marked = make_build(
        1, params={"environments": [{"key": STARTED_BY, "value": slack_user("U0ANNA", "T1")}]}
    )
    by_name = make_build(2, triggered_by="manual-octo")
    keys = Preselection.of(rule).search_keys
    assert keys & search_keys_of(marked)
    assert not keys & search_keys_of(by_name)
    assert keys & search_keys_of(by_name, ["U0ANNA"])


def test_names_with_wildcards_are_not_searched_for() -> None:
    rule = NotificationRule(filter=BuildFilter(branch=GlobPatterns(include=("main", "release/*"))))
    assert Preselection.of(rule).search_keys == {ANY_BUILD}
    assert Preselection.of(rule).rest.filter == rule.filter
