"""Random access rules and acts, and a reader of what `policy` shows: for tests that compare it with what is enforced."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from hypothesis import strategies as st

from domain.access_policy import (
    EVERYONE,
    NOBODY,
    OFF_BY_DEFAULT,
    PROTECTABLE,
    AccessRequest,
    AllowRule,
    ApprovalRule,
    Permission,
    Principals,
    Verdict,
)
from domain.build import App
from domain.provider import Provider

# Who there is, and the groups that they are in.
PEOPLE = {"U0ANNA": (), "U0BEN": ("S0RELEASE",), "U0CARLA": ()}
EVERYBODY = frozenset(PEOPLE)
WORKSPACES = ("T0SANDBOX", "T0TWIN")
CHANNELS = ("C0BUILDS", "C0RANDOM")
SHOP = App(provider=Provider.BUILDIO, slug="a1", title="shop")
STAGING = App(provider=Provider.BUILDIO, slug="a2", title="shop-staging")
ANDROID = App(slug="b1", title="Sample Android", owner="acme", repo="android")
NAMELESS = App(slug="b2", title="Sample iOS")
APPS = (SHOP, STAGING, ANDROID, NAMELESS)

_PERMISSIONS = (
    Permission.DEPLOY,
    Permission.TRIGGER,
    Permission.DELETE,
    Permission.SUBSCRIBE,
    *sorted(OFF_BY_DEFAULT),
)
PRINCIPALS = st.sampled_from(
    [
        EVERYONE,
        NOBODY,
        Principals(people=("U0ANNA",)),
        Principals(people=("U0ANNA", "U0BEN")),
        Principals(groups=("S0RELEASE",)),
        Principals(people=("U0CARLA",), groups=("S0RELEASE",)),
    ]
)


def _some(*names: str) -> st.SearchStrategy[tuple[str, ...]]:
    """Mostly none, else one or two."""
    return st.just(()) | st.lists(st.sampled_from(names), max_size=2, unique=True).map(tuple)


def _permissions(of: frozenset[Permission]) -> st.SearchStrategy[frozenset[Permission]]:
    possible = [one for one in _PERMISSIONS if one in of]
    return st.just(frozenset()) | st.frozensets(st.sampled_from(possible), max_size=3)


_WHERE = {
    "providers": st.just(()) | st.sampled_from([(Provider.BUILDIO,), (Provider.BITRISE,)]),
    "workspaces": st.just(()) | st.sampled_from([(one,) for one in WORKSPACES]),
    "who": PRINCIPALS,
    "apps": _some("shop", "shop-*", "acme/*", "b2", "sample *"),
    "channels": _some(*CHANNELS),
}
ALLOW_RULES = st.builds(AllowRule, permissions=_permissions(frozenset(Permission)), **_WHERE)
APPROVAL_RULES = st.builds(
    ApprovalRule,
    permissions=_permissions(PROTECTABLE),
    branches=_some("main", "release/*"),
    workflows=_some("deploy"),
    stages=_some("production"),
    minutes=st.integers(1, 120),
    **_WHERE,
)
RULES = st.lists(ALLOW_RULES | APPROVAL_RULES, max_size=4)
ACCESS_REQUESTS = st.builds(
    AccessRequest,
    permission=st.sampled_from(_PERMISSIONS),
    provider=st.sampled_from([Provider.BITRISE, Provider.BUILDIO]),
    app=st.none() | st.sampled_from(APPS),
    channel=st.sampled_from(["", *CHANNELS, "D0ANNA"]),
    workspace=st.sampled_from(["", *WORKSPACES]),
    branch=st.sampled_from([None, "", "main", "MAIN", "release/2", "develop"]),
    workflow=st.sampled_from([None, "", "deploy", "test"]),
    stage=st.sampled_from([None, "", "production", "staging"]),
)


def allowed_users(verdict: Verdict) -> frozenset[str]:
    """Who of all people may, by a verdict."""
    if verdict.off:
        return frozenset()
    among = [members(one.who) for one in verdict.requirements]
    return EVERYBODY.intersection(*among)


def allowed_approvers(verdict: Verdict) -> frozenset[str]:
    """Who of all people is named by each rule that asks for a second person."""
    return EVERYBODY.intersection(*(members(who) for who in verdict.approvers))


def members(who: Principals) -> frozenset[str]:
    """Who of all people is meant."""
    return frozenset(one for one, groups in PEOPLE.items() if who.includes(one, groups))


@dataclass(frozen=True)
class ShownClause:
    """What a line says of a second person: the names, the minutes, and when."""

    names: str
    minutes: int
    branches: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()

    def applies_to(self, question: AccessRequest) -> bool:
        """Whether it says that this act needs one; what the act does not say counts as protected."""
        return (
            _fits(self.branches, question.branch)
            and _fits(self.workflows, question.workflow)
            and _fits(self.stages, question.stage)
        )


@dataclass(frozen=True)
class ShownLine:
    """A line of `policy` as somebody reads it: the sets of names that one must be in, and when a second is needed."""

    sets: tuple[str, ...]
    clauses: tuple[ShownClause, ...] = field(default=())


def read_line(line: str) -> ShownLine:
    """Read what stands after "• deploy: "."""
    who, *others = line.split("; ")
    if who.startswith("only who is in each of "):
        among = tuple(re.findall(r"\[(.*?)\]", who))
    else:
        among = (who.removeprefix("only "),)
    clauses = [_clause(one) for one in others if not one.startswith("_depends on the ")]
    return ShownLine(among, tuple(clauses))


def _clause(text: str) -> ShownClause:
    found = re.fullmatch(r"needs a second person \((.*)\) within (\d+) minutes(?:, if(.*))?", text)
    assert found is not None, text
    names, minutes, condition = found.groups()
    return ShownClause(
        names,
        int(minutes),
        _globs("of branch", condition),
        _globs("with workflow", condition),
        _globs("in stage", condition),
    )


def _globs(words: str, condition: str | None) -> tuple[str, ...]:
    found = re.search(f"{words} ((?:`[^`]*`(?: or )?)+)", condition or "")
    return tuple(re.findall("`([^`]*)`", found[1])) if found is not None else ()


def _fits(globs: tuple[str, ...], name: str | None) -> bool:
    if not globs or name is None:
        return True
    return name != "" and any(fnmatchcase(name.casefold(), glob) for glob in globs)
