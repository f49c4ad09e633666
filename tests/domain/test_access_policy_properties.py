"""Whatever the rules: what is not known never helps anybody, admins only narrow, and what is shown is what holds."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import assume, given
from hypothesis import strategies as st

from domain.access_policy import (
    EVERYONE,
    OFF_BY_DEFAULT,
    AccessRequest,
    AllowRule,
    ApprovalRule,
    Match,
    Principals,
    Verdict,
    find_requirements,
    judge,
)
from domain.provider import Provider
from messages.access_rules import describe_verdict
from tests.support.access_rules import (
    ACCESS_REQUESTS,
    ALLOW_RULES,
    APPROVAL_RULES,
    APPS,
    CHANNELS,
    EVERYBODY,
    RULES,
    WORKSPACES,
    allowed_approvers,
    allowed_users,
    members,
    read_line,
)
from tests.support.examples import examples

Rules = Sequence[AllowRule | ApprovalRule]


def is_as_strict(one: Verdict, other: Verdict) -> bool:
    """Whether one allows nobody and nothing that the other does not: neither to do it, nor to agree, nor more time."""
    return (
        allowed_users(one) <= allowed_users(other)
        and set(one.approvers) >= set(other.approvers)
        and (
            not other.protections
            or (one.minutes <= other.minutes and allowed_approvers(one) <= allowed_approvers(other))
        )
    )


@examples(200)
@given(
    operators=RULES,
    admins=RULES,
    question=ACCESS_REQUESTS,
    added=ALLOW_RULES | APPROVAL_RULES,
    by_admin=st.booleans(),
    place=st.integers(0, 4),
)
def test_a_rule_for_apps_or_channels_never_widens_what_has_none(
    operators: Rules,
    admins: Rules,
    question: AccessRequest,
    added: AllowRule | ApprovalRule,
    by_admin: bool,
    place: int,
) -> None:
    assume(added.apps or added.channels)
    if added.apps:
        question = question.model_copy(update={"app": None})
    if added.channels:
        question = question.model_copy(update={"channel": ""})
    more_of_operator, more_of_admins = list(operators), list(admins)
    (more_of_admins if by_admin else more_of_operator).insert(place, added)
    before, after = judge(operators, admins, question), judge(more_of_operator, more_of_admins, question)
    assert is_as_strict(after, before)


@examples(200)
@given(operators=RULES, admins=RULES, question=ACCESS_REQUESTS, other=ACCESS_REQUESTS)
def test_what_is_not_known_of_an_act_counts_as_whatever_is_strictest(
    operators: Rules, admins: Rules, question: AccessRequest, other: AccessRequest
) -> None:
    assume(question.permission not in OFF_BY_DEFAULT)
    unknown = [one for one in ("app", "branch", "workflow", "stage") if getattr(question, one) is None]
    unknown += [one for one in ("channel", "workspace") if getattr(question, one) == ""]
    told = {one: getattr(other, one) for one in unknown}
    whole = question.model_copy(update=told)
    assert is_as_strict(judge(operators, admins, question), judge(operators, admins, whole))


@examples(200)
@given(operators=RULES, admins=RULES, question=ACCESS_REQUESTS)
def test_rules_of_a_workspace_only_narrow_what_the_operator_allows(
    operators: Rules, admins: Rules, question: AccessRequest
) -> None:
    by_operator, both = judge(operators, (), question), judge(operators, admins, question)
    if question.permission in OFF_BY_DEFAULT and not by_operator.operators_alone:
        # Where the operator's rules do not name it, an admin may turn it on, for those whom the operator's rules let.
        assert allowed_users(both) <= EVERYBODY.intersection(
            *(members(one.who) for one in by_operator.operators)
        )
        return
    assert is_as_strict(both, by_operator)


@examples(150)
@given(operators=RULES, admins=RULES, question=ACCESS_REQUESTS, added=APPROVAL_RULES, place=st.integers(0, 4))
def test_a_rule_that_protects_never_gives_more_time_or_people(
    operators: Rules, admins: Rules, question: AccessRequest, added: ApprovalRule, place: int
) -> None:
    more = [*operators[:place], added, *operators[place:]]
    assert is_as_strict(judge(more, admins, question), judge(operators, admins, question))


@examples(150)
@given(rules=RULES, question=ACCESS_REQUESTS)
def test_the_rules_before_the_first_that_surely_is_about_it_are_those_that_may_be(
    rules: Rules, question: AccessRequest
) -> None:
    *before, last = find_requirements(rules, question)
    assert all(one.rule.match(question) is Match.MAYBE and one.unknown for one in before)
    assert last.rule.match(question) is Match.YES
    assert not last.unknown
    allows = [one for one in rules if isinstance(one, AllowRule) and one.match(question) is not Match.NO]
    assert [one.rule for one in (*before, last)][: len(allows)] == allows[: len(before) + 1]


@examples(200)
@given(operators=RULES, admins=RULES, question=ACCESS_REQUESTS)
def test_what_is_shown_is_what_is_enforced(operators: Rules, admins: Rules, question: AccessRequest) -> None:
    enforced = judge(operators, admins, question)
    # `policy` is asked about no branch, workflow and stage in particular: it says of which a second person is needed.
    asked = question.model_copy(update={"branch": None, "workflow": None, "stage": None})
    verdict = judge(operators, admins, asked)
    everybody = {one.who for one in verdict.requirements} | set(verdict.approvers)
    names = {who: _name(who) for who in everybody}
    line = read_line(describe_verdict(verdict, names))
    assert EVERYBODY.intersection(*(_named(one) for one in line.sets)) == allowed_users(enforced)
    holding = [one for one in line.clauses if one.applies_to(question)]
    assert bool(holding) is bool(enforced.protections)
    if holding:
        assert EVERYBODY.intersection(*(_named(one.names) for one in holding)) == allowed_approvers(enforced)
        assert min(one.minutes for one in holding) == enforced.minutes


def test_the_examples_have_all_of_what_the_properties_are_about() -> None:
    here = AccessRequest(
        permission="delete",
        provider=Provider.BUILDIO,
        app=APPS[0],
        channel=CHANNELS[0],
        workspace=WORKSPACES[0],
    )
    assert allowed_users(judge((), (), here)) == EVERYBODY
    assert members(EVERYONE) == EVERYBODY
    assert members(Principals(groups=("S0RELEASE",))) == {"U0BEN"}


def _name(who: Principals) -> str:
    if who.everyone:
        return "everyone with a linked account"
    return "nobody" if who.nobody else " and ".join(sorted(members(who)))


def _named(name: str) -> frozenset[str]:
    if name == "everyone with a linked account":
        return EVERYBODY
    return frozenset() if name == "nobody" else frozenset(name.split(" and "))
