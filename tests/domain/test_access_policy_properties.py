"""Properties of all access rules: unknown parts never help, admins only narrow, and what is shown is enforced."""

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
from messages.access_rules import describe_verdict
from providers.buildio.provider import BUILDIO
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


def is_as_strict(first: Verdict, second: Verdict) -> bool:
    """Return whether the first allows no person, approver or time that the second does not."""
    return (
        allowed_users(first) <= allowed_users(second)
        and set(first.approvers) >= set(second.approvers)
        and (
            not second.protections
            or (first.minutes <= second.minutes and allowed_approvers(first) <= allowed_approvers(second))
        )
    )


@examples(200)
@given(
    operators=RULES,
    admins=RULES,
    access_request=ACCESS_REQUESTS,
    added=ALLOW_RULES | APPROVAL_RULES,
    by_admin=st.booleans(),
    position=st.integers(0, 4),
)
def test_a_rule_for_apps_or_channels_never_widens_a_request_without_them(
    operators: Rules,
    admins: Rules,
    access_request: AccessRequest,
    added: AllowRule | ApprovalRule,
    by_admin: bool,
    position: int,
) -> None:
    assume(added.apps or added.channels)
    if added.apps:
        access_request = access_request.model_copy(update={"app": None})
    if added.channels:
        access_request = access_request.model_copy(update={"channel": ""})
    more_of_operator, more_of_admins = list(operators), list(admins)
    (more_of_admins if by_admin else more_of_operator).insert(position, added)
    before, after = (
        judge(operators, admins, access_request),
        judge(more_of_operator, more_of_admins, access_request),
    )
    assert is_as_strict(after, before)


@examples(200)
@given(operators=RULES, admins=RULES, access_request=ACCESS_REQUESTS, other=ACCESS_REQUESTS)
def test_unknown_parts_of_a_request_count_as_the_strictest_case(
    operators: Rules, admins: Rules, access_request: AccessRequest, other: AccessRequest
) -> None:
    assume(access_request.permission not in OFF_BY_DEFAULT)
    unknown = [
        name for name in ("app", "branch", "workflow", "stage") if getattr(access_request, name) is None
    ]
    unknown += [name for name in ("channel", "workspace") if getattr(access_request, name) == ""]
    known = {name: getattr(other, name) for name in unknown}
    complete = access_request.model_copy(update=known)
    assert is_as_strict(judge(operators, admins, access_request), judge(operators, admins, complete))


@examples(200)
@given(operators=RULES, admins=RULES, access_request=ACCESS_REQUESTS)
def test_rules_of_a_workspace_only_narrow_what_the_operator_allows(
    operators: Rules, admins: Rules, access_request: AccessRequest
) -> None:
    by_operator, both = judge(operators, (), access_request), judge(operators, admins, access_request)
    if access_request.permission in OFF_BY_DEFAULT and not by_operator.operators_alone:
        # If the operator's rules do not name it, an admin may turn it on, for people whom the operator's rules allow.
        assert allowed_users(both) <= EVERYBODY.intersection(
            *(members(requirement.who) for requirement in by_operator.operators)
        )
        return
    assert is_as_strict(both, by_operator)


@examples(150)
@given(
    operators=RULES,
    admins=RULES,
    access_request=ACCESS_REQUESTS,
    added=APPROVAL_RULES,
    position=st.integers(0, 4),
)
def test_an_approval_rule_never_gives_more_time_or_people(
    operators: Rules, admins: Rules, access_request: AccessRequest, added: ApprovalRule, position: int
) -> None:
    more = [*operators[:position], added, *operators[position:]]
    assert is_as_strict(judge(more, admins, access_request), judge(operators, admins, access_request))


@examples(150)
@given(rules=RULES, access_request=ACCESS_REQUESTS)
def test_the_rules_before_the_deciding_one_may_apply(rules: Rules, access_request: AccessRequest) -> None:
    *before, last = find_requirements(rules, access_request)
    assert all(
        requirement.rule.match(access_request) is Match.MAYBE and requirement.unknown
        for requirement in before
    )
    assert last.rule.match(access_request) is Match.YES
    assert not last.unknown
    allows = [
        rule for rule in rules if isinstance(rule, AllowRule) and rule.match(access_request) is not Match.NO
    ]
    assert [requirement.rule for requirement in (*before, last)][: len(allows)] == allows[: len(before) + 1]


@examples(200)
@given(operators=RULES, admins=RULES, access_request=ACCESS_REQUESTS)
def test_what_is_shown_is_what_is_enforced(
    operators: Rules, admins: Rules, access_request: AccessRequest
) -> None:
    enforced = judge(operators, admins, access_request)
    # `policy` shows no particular branch, workflow or stage: it says for which of them approval is needed.
    displayed_request = access_request.model_copy(update={"branch": None, "workflow": None, "stage": None})
    verdict = judge(operators, admins, displayed_request)
    everybody = {requirement.who for requirement in verdict.requirements} | set(verdict.approvers)
    names = {who: _format_people(who) for who in everybody}
    line = read_line(describe_verdict(verdict, names))
    assert EVERYBODY.intersection(*(_parse_people(people) for people in line.sets)) == allowed_users(enforced)
    clauses_that_hold = [clause for clause in line.clauses if clause.applies_to(access_request)]
    assert bool(clauses_that_hold) is bool(enforced.protections)
    if clauses_that_hold:
        assert EVERYBODY.intersection(
            *(_parse_people(clause.names) for clause in clauses_that_hold)
        ) == allowed_approvers(enforced)
        assert min(clause.minutes for clause in clauses_that_hold) == enforced.minutes


def test_the_generated_examples_cover_the_properties() -> None:
    here = AccessRequest(
        permission="delete",
        provider=BUILDIO,
        app=APPS[0],
        channel=CHANNELS[0],
        workspace=WORKSPACES[0],
    )
    assert allowed_users(judge((), (), here)) == EVERYBODY
    assert members(EVERYONE) == EVERYBODY
    assert members(Principals(groups=("S0RELEASE",))) == {"U0BEN"}


def _format_people(who: Principals) -> str:
    if who.everyone:
        return "anyone with a connected account"
    return "no one" if who.nobody else " and ".join(sorted(members(who)))


def _parse_people(name: str) -> frozenset[str]:
    if name == "anyone with a connected account":
        return EVERYBODY
    return frozenset() if name == "no one" else frozenset(name.split(" and "))
