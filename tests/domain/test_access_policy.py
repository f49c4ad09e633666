"""Evaluation of access rules: the first that applies, unknown parts, and permissions that are off by default."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.access_policy import (
    EVERYONE,
    NOBODY,
    OFF_BY_DEFAULT,
    AccessRequest,
    AllowRule,
    ApprovalRule,
    InvalidAccessRule,
    Match,
    Part,
    Permission,
    Principals,
    find_requirements,
    judge,
    parse_stored_rule,
    read_policy,
    required_approvals,
)
from domain.build import App
from messages.access_rules import FilledRule
from providers.bitrise.provider import BITRISE
from providers.buildio.provider import BUILDIO
from services.features.access_rules.commands import RuleProblem, build_rule

SHOP = App(provider=BUILDIO, slug="s1", title="shop")
NAMELESS = App(provider=BITRISE, slug="b1", title="Sample iOS")
ANNA = Principals(people=("U0ANNA",))


def make_access_request(permission: Permission, **more: object) -> AccessRequest:
    known = {"provider": BUILDIO, "app": SHOP, "channel": "C0BUILDS"}
    return AccessRequest.model_validate({"permission": permission, **known, **more})


@pytest.mark.parametrize("permission", sorted(OFF_BY_DEFAULT))
def test_a_permission_that_is_off_stays_off_until_a_rule_names_it_for_someone(permission: Permission) -> None:
    access_request = make_access_request(permission)
    named = AllowRule(permissions=frozenset({permission}), who=ANNA)
    nobody = AllowRule(permissions=frozenset({permission}), who=NOBODY)
    assert judge((), (), access_request).off
    assert judge((AllowRule(who=EVERYONE),), (), access_request).off, "a rule for everything does not name it"
    assert judge((nobody,), (), access_request).off
    assert not judge((named,), (), access_request).off
    assert not judge((), (named,), access_request).off
    assert judge((nobody, named), (), access_request).off, "the first rule decides"
    assert judge((AllowRule(who=NOBODY), named), (), access_request).off, (
        "a rule for everything applies to it too"
    )


def test_a_rule_for_an_app_or_channel_turns_nothing_on_if_that_is_unknown() -> None:
    of_shop = AllowRule(permissions=frozenset({Permission.LOGIN}), apps=("shop",), who=ANNA)
    for_channel = AllowRule(permissions=frozenset({Permission.LOGIN}), channels=("C0BUILDS",), who=ANNA)
    assert judge((of_shop,), (), make_access_request(Permission.LOGIN, app=None)).off
    assert judge((for_channel,), (), make_access_request(Permission.LOGIN, channel="")).off
    assert not judge((for_channel,), (), make_access_request(Permission.LOGIN, app=None)).off


def test_everyone_may_do_everything_else_unless_a_rule_says_otherwise() -> None:
    for permission in set(Permission) - OFF_BY_DEFAULT:
        assert [
            requirement.who for requirement in find_requirements((), make_access_request(permission))
        ] == [EVERYONE]
        assert not judge((), (), make_access_request(permission)).off


def test_a_rule_without_permissions_applies_to_all_of_them() -> None:
    rule = AllowRule(who=ANNA)
    assert all(
        find_requirements((rule,), make_access_request(permission))[0].who == ANNA
        for permission in Permission
    )
    protected = ApprovalRule()
    needed = {
        permission
        for permission in Permission
        if required_approvals((protected,), make_access_request(permission))
    }
    assert needed == set(Permission) - {Permission.SUBSCRIBE}


def test_a_rule_for_a_provider_applies_to_that_one_only() -> None:
    rule = AllowRule(providers=(BUILDIO,), who=NOBODY)
    assert find_requirements((rule,), make_access_request(Permission.SUBSCRIBE))[0].who.nobody
    assert (
        find_requirements((rule,), make_access_request(Permission.SUBSCRIBE, provider=BITRISE))[0].who
        == EVERYONE
    )
    assert parse_stored_rule(rule.model_dump_json()) == rule


@pytest.mark.parametrize(
    ("rule", "access_request", "match"),
    [
        (AllowRule(apps=("shop",)), make_access_request(Permission.DEPLOY), Match.YES),
        (AllowRule(apps=("other",)), make_access_request(Permission.DEPLOY), Match.NO),
        (AllowRule(apps=("shop",)), make_access_request(Permission.DELETE, app=None), Match.MAYBE),
        (AllowRule(channels=("C0BUILDS",)), make_access_request(Permission.DEPLOY), Match.YES),
        (AllowRule(channels=("C0BUILDS",)), make_access_request(Permission.DEPLOY, channel=""), Match.MAYBE),
        (
            AllowRule(channels=("C0BUILDS",)),
            make_access_request(Permission.DEPLOY, channel="U0ANNA"),
            Match.MAYBE,
        ),
        # A direct message is a channel like any other, and not the named one.
        (
            AllowRule(channels=("C0BUILDS",)),
            make_access_request(Permission.DEPLOY, channel="D0ANNA"),
            Match.NO,
        ),
        (
            AllowRule(workspaces=("T0ONE",)),
            make_access_request(Permission.DEPLOY, workspace="T0ONE"),
            Match.YES,
        ),
        (
            AllowRule(workspaces=("T0ONE",)),
            make_access_request(Permission.DEPLOY, workspace="T0TWO"),
            Match.NO,
        ),
        (AllowRule(workspaces=("T0ONE",)), make_access_request(Permission.DEPLOY), Match.MAYBE),
        (
            AllowRule(providers=(BUILDIO,)),
            make_access_request(Permission.DEPLOY, provider=BITRISE),
            Match.NO,
        ),
        # NO outweighs MAYBE.
        (
            AllowRule(apps=("shop",), channels=("C0OTHER",)),
            make_access_request(Permission.DEPLOY, app=None),
            Match.NO,
        ),
        # A Bitrise app has a repository, a Build.io app has none.
        (AllowRule(apps=("acme/*",)), make_access_request(Permission.TRIGGER, app=NAMELESS), Match.MAYBE),
        (AllowRule(apps=("acme-*",)), make_access_request(Permission.TRIGGER, app=NAMELESS), Match.NO),
        (AllowRule(apps=("acme/*",)), make_access_request(Permission.DEPLOY), Match.NO),
    ],
)
def test_a_rule_answers_yes_no_or_maybe(rule: AllowRule, access_request: AccessRequest, match: Match) -> None:
    assert rule.match(access_request) is match
    assert bool(rule.unknown_parts(access_request)) is (match is Match.MAYBE) or match is Match.NO


def test_a_rule_that_may_apply_adds_its_people_and_the_first_that_applies_decides() -> None:
    of_shop = AllowRule(apps=("shop",), who=EVERYONE)
    for_channel = AllowRule(channels=("C0BUILDS",), who=Principals(groups=("S0TEAM",)))
    for_anna, for_ben = AllowRule(who=ANNA), AllowRule(who=Principals(people=("U0BEN",)))
    access_request = make_access_request(Permission.DELETE, app=None, channel="")
    found = find_requirements((of_shop, for_channel, for_anna, for_ben), access_request)
    assert [requirement.rule for requirement in found] == [of_shop, for_channel, for_anna]
    assert [set(requirement.unknown) for requirement in found] == [{Part.APP}, {Part.CHANNEL}, set()]
    assert [
        requirement.rule
        for requirement in find_requirements((of_shop, for_anna), make_access_request(Permission.DELETE))
    ] == [of_shop]


def test_a_rule_that_may_apply_restricts_a_permission_that_a_later_rule_turns_on() -> None:
    of_shop = AllowRule(permissions=frozenset({Permission.LOGIN}), apps=("shop",), who=NOBODY)
    named = AllowRule(permissions=frozenset({Permission.LOGIN}), who=ANNA)
    verdict = judge((of_shop, named), (), make_access_request(Permission.LOGIN, app=None))
    assert not verdict.off
    assert [requirement.who for requirement in verdict.operators] == [NOBODY, ANNA]


def test_an_admin_can_not_turn_on_elsewhere_what_the_operator_turned_on_for_one_app() -> None:
    of_staging = AllowRule(permissions=frozenset({Permission.RUN}), apps=("shop-staging",), who=ANNA)
    elsewhere = AllowRule(permissions=frozenset({Permission.RUN}), workspaces=("T0OTHER",), who=ANNA)
    by_admin = AllowRule(permissions=frozenset({Permission.RUN}), who=EVERYONE)
    access_request = make_access_request(Permission.RUN, workspace="T0ONE")
    assert judge((of_staging,), (by_admin,), access_request).off
    assert not judge((elsewhere,), (by_admin,), access_request).off, (
        "a rule of another workspace does not count here"
    )
    assert not judge((), (by_admin,), access_request).off


SLUG, ID = "0123456789abcdef", "0b8b7a0c-6c0c-4b7e-8f6e-2f1d2a3b4c5d"


@pytest.mark.parametrize("slug", [SLUG, ID, ID.upper()])
def test_a_slug_in_a_rule_does_not_match_a_title(slug: str) -> None:
    rule = AllowRule(apps=(slug,))
    titled_like_it = App(provider=BITRISE, slug="fedcba9876543210", title=slug, owner="a", repo=slug)
    assert rule.match(make_access_request(Permission.TRIGGER, app=titled_like_it)) is Match.NO
    itself = App(provider=BITRISE, slug=slug.lower(), title="Anything")
    assert rule.match(make_access_request(Permission.TRIGGER, app=itself)) is Match.YES


@pytest.mark.parametrize(
    "branch",
    ["main", "Main", "MAIN", "ma\u200cin", "\ufeffmain", "\uff4dain", "release/1", "Release/1"],
)
@pytest.mark.parametrize("glob", ["main", "refs/heads/main", " main "])
def test_a_protected_branch_is_protected_in_every_spelling(branch: str, glob: str) -> None:
    rule = ApprovalRule(branches=(glob, "release/*"))
    assert required_approvals((rule,), make_access_request(Permission.TRIGGER, branch=branch))
    assert not required_approvals((rule,), make_access_request(Permission.TRIGGER, branch="maintenance"))


def test_a_glob_with_excluded_letters_still_protects_the_same_names() -> None:
    rule = ApprovalRule(branches=("[!R]*",))
    assert required_approvals((rule,), make_access_request(Permission.TRIGGER, branch="release"))
    assert not required_approvals((rule,), make_access_request(Permission.TRIGGER, branch="Release"))


@pytest.mark.parametrize(
    ("stage", "protected"),
    [("production", True), ("Production", True), ("staging", False), (None, True), ("", False)],
)
def test_an_unknown_stage_counts_as_protected_and_no_stage_does_not(
    stage: str | None, protected: bool
) -> None:
    rule = ApprovalRule(stages=("production",))
    assert (
        bool(required_approvals((rule,), make_access_request(Permission.RESTART, stage=stage))) is protected
    )


def test_an_action_without_a_branch_is_not_on_a_protected_branch() -> None:
    rule = ApprovalRule(branches=("*",))
    assert required_approvals((rule,), make_access_request(Permission.DEPLOY, branch=None))
    assert required_approvals((rule,), make_access_request(Permission.DEPLOY, branch="main"))
    assert not required_approvals((rule,), make_access_request(Permission.RESTART, branch=""))


def test_a_policy_file_can_name_providers_stages_and_permissions_that_are_off(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(
        '[[rule]]\nallow = ["run"]\nproviders = ["buildio"]\nwho = ["U0ANNA"]\n'
        '[[rule]]\nprotect = "everything"\nstages = ["production"]\n'
    )
    allow, protect = read_policy(tmp_path / "policy.toml")
    assert allow.permissions == {Permission.RUN}
    assert allow.providers == (BUILDIO,)
    assert isinstance(protect, ApprovalRule)
    assert (protect.permissions, protect.stages) == (frozenset(), ("production",))


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ('[[rule]]\nallow = []\nwho = "everyone"\n', "`allow` is empty"),
        (
            '[[rule]]\nallow = ["run"]\nproviders = ["jenkins"]\nwho = "everyone"\n',
            "there is no provider jenkins",
        ),
        ('[[rule]]\nallow = ["run"]\nchannels = ["general"]\nwho = "everyone"\n', "'general' isn't an ID"),
        ('[[rule]]\nallow = ["run"]\nchannels = ["U0ANNA"]\nwho = "everyone"\n', "'U0ANNA' isn't an ID"),
        ('[[rule]]\nallow = ["run"]\nwho = ["U<!here>"]\n', "'U<!here>' isn't an ID"),
        (
            '[[rule]]\nallow = ["run"]\nstages = ["production"]\nwho = "everyone"\n',
            "a rule with allow can't have stages",
        ),
    ],
)
def test_an_invalid_rule_is_rejected_with_its_position(tmp_path: Path, rules: str, message: str) -> None:
    (tmp_path / "policy.toml").write_text(rules)
    with pytest.raises(InvalidAccessRule, match="rule 1") as problem:
        read_policy(tmp_path / "policy.toml")
    assert message in str(problem.value)


def test_any_form_of_slack_ids_is_accepted_in_a_rule(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(
        '[[rule]]\nallow = ["run"]\nwho = ["U_ANNA", "S_RELEASE.2"]\nchannels = ["C_GENERAL"]\nworkspaces = ["T_ACME"]\n'
    )
    [rule] = read_policy(tmp_path / "policy.toml")
    assert (rule.who.people, rule.who.groups) == (("U_ANNA",), ("S_RELEASE.2",))
    assert (
        rule.match(make_access_request(Permission.RUN, channel="C_GENERAL", workspace="T_ACME")) is Match.YES
    )
    assert rule.match(make_access_request(Permission.RUN, channel="C_RANDOM", workspace="T_ACME")) is Match.NO
    filled = FilledRule(who="chosen", acts=("run",), people=("U_anna",), groups=("S_1",), channel="C_GENERAL")
    assert build_rule(filled).who.people == ("U_anna",)
    with pytest.raises(RuleProblem, match="Select who") as missing:
        build_rule(FilledRule(acts=("run",)))
    assert missing.value.field == "who"
    for field, wrong in (("people", "U<1>"), ("groups", "xoxb-1"), ("channel", "general")):
        changed = wrong if field == "channel" else (wrong,)
        with pytest.raises(RuleProblem, match="can't be used in a rule") as problem:
            build_rule(filled.model_copy(update={field: changed}))
        assert problem.value.field == field
