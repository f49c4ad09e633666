"""What rules say to a question: the first that is about it, what is in doubt, and what is off until it is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.build import App
from bot.messages import FilledRule
from bot.policy import (
    EVERYONE,
    NOBODY,
    OFF_BY_DEFAULT,
    Allow,
    Match,
    Part,
    Permission,
    PolicyProblem,
    Protect,
    Question,
    Who,
    judge,
    permissions_at,
    protections,
    read_policy,
    rule_from,
    who_may,
)
from bot.provider import Provider
from handlers.answers.policies import RuleProblem, rule_of

SHOP = App(provider=Provider.BUILDIO, slug="s1", title="shop")
NAMELESS = App(slug="b1", title="Sample iOS")
ANNA = Who(people=("U0ANNA",))


def asking(permission: Permission, **more: object) -> Question:
    known = {"provider": Provider.BUILDIO, "app": SHOP, "channel": "C0BUILDS"}
    return Question.model_validate({"permission": permission, **known, **more})


@pytest.mark.parametrize("permission", sorted(OFF_BY_DEFAULT))
def test_what_is_off_stays_off_until_one_rule_names_it_for_somebody(permission: Permission) -> None:
    question = asking(permission)
    named = Allow(permissions=frozenset({permission}), who=ANNA)
    nobody = Allow(permissions=frozenset({permission}), who=NOBODY)
    assert judge((), (), question).off
    assert judge((Allow(who=EVERYONE),), (), question).off, "everything does not name it"
    assert judge((nobody,), (), question).off
    assert not judge((named,), (), question).off
    assert not judge((), (named,), question).off
    assert judge((nobody, named), (), question).off, "the first rule decides"
    assert judge((Allow(who=NOBODY), named), (), question).off, "a rule about everything is about it, too"


def test_a_rule_about_an_app_or_channel_turns_nothing_on_where_that_is_in_doubt() -> None:
    of_shop = Allow(permissions=frozenset({Permission.LOGIN}), apps=("shop",), who=ANNA)
    here = Allow(permissions=frozenset({Permission.LOGIN}), channels=("C0BUILDS",), who=ANNA)
    assert judge((of_shop,), (), asking(Permission.LOGIN, app=None)).off
    assert judge((here,), (), asking(Permission.LOGIN, channel="")).off
    assert not judge((here,), (), asking(Permission.LOGIN, app=None)).off


def test_everything_else_is_everyones_where_no_rule_says_otherwise() -> None:
    for permission in set(Permission) - OFF_BY_DEFAULT:
        assert [one.who for one in who_may((), asking(permission))] == [EVERYONE]
        assert not judge((), (), asking(permission)).off


def test_a_rule_without_acts_is_about_all_there_are() -> None:
    rule = Allow(who=ANNA)
    assert all(who_may((rule,), asking(permission))[0].who == ANNA for permission in Permission)
    protected = Protect()
    needed = {permission for permission in Permission if protections((protected,), asking(permission))}
    assert needed == set(Permission) - {Permission.SUBSCRIBE}


def test_a_rule_for_a_provider_is_about_that_one() -> None:
    rule = Allow(providers=(Provider.BUILDIO,), who=NOBODY)
    assert who_may((rule,), asking(Permission.SUBSCRIBE))[0].who.nobody
    assert who_may((rule,), asking(Permission.SUBSCRIBE, provider=Provider.BITRISE))[0].who == EVERYONE
    assert who_may((rule,), asking(Permission.SUBSCRIBE, provider=None))[0].who.nobody, "in doubt it is"
    assert rule_from(rule.model_dump_json()) == rule


@pytest.mark.parametrize(
    ("rule", "question", "match"),
    [
        (Allow(apps=("shop",)), asking(Permission.DEPLOY), Match.YES),
        (Allow(apps=("other",)), asking(Permission.DEPLOY), Match.NO),
        (Allow(apps=("shop",)), asking(Permission.DELETE, app=None), Match.MAYBE),
        (Allow(channels=("C0BUILDS",)), asking(Permission.DEPLOY), Match.YES),
        (Allow(channels=("C0BUILDS",)), asking(Permission.DEPLOY, channel=""), Match.MAYBE),
        (Allow(channels=("C0BUILDS",)), asking(Permission.DEPLOY, channel="U0ANNA"), Match.MAYBE),
        # A direct message is a channel like any other, and not the one that is named.
        (Allow(channels=("C0BUILDS",)), asking(Permission.DEPLOY, channel="D0ANNA"), Match.NO),
        (Allow(workspaces=("T0ONE",)), asking(Permission.DEPLOY, workspace="T0ONE"), Match.YES),
        (Allow(workspaces=("T0ONE",)), asking(Permission.DEPLOY, workspace="T0TWO"), Match.NO),
        (Allow(workspaces=("T0ONE",)), asking(Permission.DEPLOY), Match.MAYBE),
        (Allow(providers=(Provider.BUILDIO,)), asking(Permission.DEPLOY, provider=None), Match.MAYBE),
        # A no outweighs a maybe.
        (Allow(apps=("shop",), channels=("C0OTHER",)), asking(Permission.DEPLOY, app=None), Match.NO),
        # At Bitrise an app has a repository, at Build.io it has none.
        (Allow(apps=("acme/*",)), asking(Permission.TRIGGER, app=NAMELESS), Match.MAYBE),
        (Allow(apps=("acme-*",)), asking(Permission.TRIGGER, app=NAMELESS), Match.NO),
        (Allow(apps=("acme/*",)), asking(Permission.DEPLOY), Match.NO),
    ],
)
def test_a_rule_answers_yes_no_or_maybe(rule: Allow, question: Question, match: Match) -> None:
    assert rule.match(question) is match
    assert bool(rule.unknown_parts(question)) is (match is Match.MAYBE) or match is Match.NO


def test_a_maybe_adds_its_people_and_the_first_yes_ends_the_search() -> None:
    of_shop = Allow(apps=("shop",), who=EVERYONE)
    here = Allow(channels=("C0BUILDS",), who=Who(groups=("S0TEAM",)))
    ann, ben = Allow(who=ANNA), Allow(who=Who(people=("U0BEN",)))
    question = asking(Permission.DELETE, app=None, channel="")
    found = who_may((of_shop, here, ann, ben), question)
    assert [one.rule for one in found] == [of_shop, here, ann]
    assert [set(one.unknown) for one in found] == [{Part.APP}, {Part.CHANNEL}, set()]
    assert [one.rule for one in who_may((of_shop, ann), asking(Permission.DELETE))] == [of_shop]


def test_a_maybe_in_front_of_what_is_turned_on_restricts_it_and_turns_nothing_on() -> None:
    of_shop = Allow(permissions=frozenset({Permission.LOGIN}), apps=("shop",), who=NOBODY)
    named = Allow(permissions=frozenset({Permission.LOGIN}), who=ANNA)
    verdict = judge((of_shop, named), (), asking(Permission.LOGIN, app=None))
    assert not verdict.off
    assert [one.who for one in verdict.operators] == [NOBODY, ANNA]


def test_what_the_operator_has_turned_on_in_one_place_an_admin_does_not_turn_on_in_another() -> None:
    of_staging = Allow(permissions=frozenset({Permission.RUN}), apps=("shop-staging",), who=ANNA)
    elsewhere = Allow(permissions=frozenset({Permission.RUN}), workspaces=("T0OTHER",), who=ANNA)
    by_admin = Allow(permissions=frozenset({Permission.RUN}), who=EVERYONE)
    question = asking(Permission.RUN, workspace="T0ONE")
    assert judge((of_staging,), (by_admin,), question).off
    assert not judge((elsewhere,), (by_admin,), question).off, "a rule of another workspace is none here"
    assert not judge((), (by_admin,), question).off


SLUG, ID = "0123456789abcdef", "0b8b7a0c-6c0c-4b7e-8f6e-2f1d2a3b4c5d"


@pytest.mark.parametrize("slug", [SLUG, ID, ID.upper()])
def test_a_slug_in_a_rule_is_no_title(slug: str) -> None:
    rule = Allow(apps=(slug,))
    called_like_it = App(slug="fedcba9876543210", title=slug, owner="a", repo=slug)
    assert rule.match(asking(Permission.TRIGGER, app=called_like_it)) is Match.NO
    itself = App(slug=slug.lower(), title="Anything")
    assert rule.match(asking(Permission.TRIGGER, app=itself)) is Match.YES


@pytest.mark.parametrize(
    "branch",
    ["main", "Main", "MAIN", "ma\u200cin", "\ufeffmain", "\uff4dain", "release/1", "Release/1"],
)
@pytest.mark.parametrize("glob", ["main", "refs/heads/main", " main "])
def test_a_protected_branch_is_protected_however_its_letters_are_written(branch: str, glob: str) -> None:
    rule = Protect(branches=(glob, "release/*"))
    assert protections((rule,), asking(Permission.TRIGGER, branch=branch))
    assert not protections((rule,), asking(Permission.TRIGGER, branch="maintenance"))


def test_a_glob_with_letters_left_out_protects_what_it_did_before_case_was_ignored() -> None:
    rule = Protect(branches=("[!R]*",))
    assert protections((rule,), asking(Permission.TRIGGER, branch="release"))
    assert not protections((rule,), asking(Permission.TRIGGER, branch="Release"))


@pytest.mark.parametrize(
    ("stage", "protected"),
    [("production", True), ("Production", True), ("staging", False), (None, True), ("", False)],
)
def test_a_stage_that_is_not_known_counts_as_protected_and_none_at_all_does_not(
    stage: str | None, protected: bool
) -> None:
    rule = Protect(stages=("production",))
    assert bool(protections((rule,), asking(Permission.RESTART, stage=stage))) is protected


def test_what_has_no_branch_is_none_of_a_protected_one() -> None:
    rule = Protect(branches=("*",))
    assert protections((rule,), asking(Permission.DEPLOY, branch=None))
    assert protections((rule,), asking(Permission.DEPLOY, branch="main"))
    assert not protections((rule,), asking(Permission.RESTART, branch=""))


def test_each_provider_has_its_own_permissions_and_subscribing_is_everywhere() -> None:
    bitrise, buildio = permissions_at(Provider.BITRISE), permissions_at(Provider.BUILDIO)
    assert set(bitrise) & set(buildio) == {Permission.SUBSCRIBE}
    assert set(bitrise) | set(buildio) == set(Permission)


def test_a_file_names_providers_stages_and_what_is_off(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(
        '[[rule]]\nallow = ["run"]\nproviders = ["buildio"]\nwho = ["U0ANNA"]\n'
        '[[rule]]\nprotect = "everything"\nstages = ["production"]\n'
    )
    allow, protect = read_policy(tmp_path / "policy.toml")
    assert allow.permissions == {Permission.RUN}
    assert allow.providers == (Provider.BUILDIO,)
    assert isinstance(protect, Protect)
    assert (protect.permissions, protect.stages) == (frozenset(), ("production",))


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ('[[rule]]\nallow = []\nwho = "everyone"\n', "allow what?"),
        (
            '[[rule]]\nallow = ["run"]\nproviders = ["jenkins"]\nwho = "everyone"\n',
            "there is no provider jenkins",
        ),
        ('[[rule]]\nallow = ["run"]\nchannels = ["general"]\nwho = "everyone"\n', "'general' is no id"),
        ('[[rule]]\nallow = ["run"]\nchannels = ["U0ANNA"]\nwho = "everyone"\n', "'U0ANNA' is no id"),
        ('[[rule]]\nallow = ["run"]\nwho = ["U<!here>"]\n', "'U<!here>' is no id"),
        ('[[rule]]\nallow = ["run"]\nstages = ["production"]\nwho = "everyone"\n', "allow knows no stages"),
    ],
)
def test_what_makes_no_rule_is_refused_with_its_place(tmp_path: Path, rules: str, said: str) -> None:
    (tmp_path / "policy.toml").write_text(rules)
    with pytest.raises(PolicyProblem, match="rule 1") as problem:
        read_policy(tmp_path / "policy.toml")
    assert said in str(problem.value)


def test_ids_in_a_rule_are_whatever_slack_makes_of_them(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(
        '[[rule]]\nallow = ["run"]\nwho = ["U_ANNA", "S_RELEASE.2"]\nchannels = ["C_GENERAL"]\nworkspaces = ["T_ACME"]\n'
    )
    [rule] = read_policy(tmp_path / "policy.toml")
    assert (rule.who.people, rule.who.groups) == (("U_ANNA",), ("S_RELEASE.2",))
    assert rule.match(asking(Permission.RUN, channel="C_GENERAL", workspace="T_ACME")) is Match.YES
    assert rule.match(asking(Permission.RUN, channel="C_RANDOM", workspace="T_ACME")) is Match.NO
    filled = FilledRule(who="chosen", acts=("run",), people=("U_anna",), groups=("S_1",), channel="C_GENERAL")
    assert rule_of(filled).who.people == ("U_anna",)
    with pytest.raises(RuleProblem, match="Choose who") as nobody:
        rule_of(FilledRule(acts=("run",)))
    assert nobody.value.field == "who"
    for field, wrong in (("people", "U<1>"), ("groups", "xoxb-1"), ("channel", "general")):
        changed = wrong if field == "channel" else (wrong,)
        with pytest.raises(RuleProblem, match="can't be used in a rule") as problem:
            rule_of(filled.model_copy(update={field: changed}))
        assert problem.value.field == field
