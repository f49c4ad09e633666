"""Random access rules and access requests, and a parser of what `policy` shows, to compare it with what is enforced."""

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
from providers.bitrise.provider import BITRISE
from providers.buildio.provider import BUILDIO

# All people, with their user groups.
PEOPLE = {"U0ANNA": (), "U0BEN": ("S0RELEASE",), "U0CARLA": ()}
EVERYBODY = frozenset(PEOPLE)
WORKSPACES = ("T0SANDBOX", "T0TWIN")
CHANNELS = ("C0BUILDS", "C0RANDOM")
SHOP = App(provider=BUILDIO, slug="a1", title="shop")
STAGING = App(provider=BUILDIO, slug="a2", title="shop-staging")
ANDROID = App(provider=BITRISE, slug="b1", title="Sample Android", owner="acme", repo="android")
NAMELESS = App(provider=BITRISE, slug="b2", title="Sample iOS")
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


def _optional_names(*names: str) -> st.SearchStrategy[tuple[str, ...]]:
    """Return a strategy for names: mostly none, otherwise one or two."""
    return st.just(()) | st.lists(st.sampled_from(names), max_size=2, unique=True).map(tuple)


def _permissions(among: frozenset[Permission]) -> st.SearchStrategy[frozenset[Permission]]:
    applicable = [permission for permission in _PERMISSIONS if permission in among]
    return st.just(frozenset()) | st.frozensets(st.sampled_from(applicable), max_size=3)


_SCOPE_FIELDS = {
    "providers": st.just(()) | st.sampled_from([(BUILDIO,), (BITRISE,)]),
    "workspaces": st.just(()) | st.sampled_from([(workspace,) for workspace in WORKSPACES]),
    "who": PRINCIPALS,
    "apps": _optional_names("shop", "shop-*", "acme/*", "b2", "sample *"),
    "channels": _optional_names(*CHANNELS),
}
ALLOW_RULES = st.builds(AllowRule, permissions=_permissions(frozenset(Permission)), **_SCOPE_FIELDS)
APPROVAL_RULES = st.builds(
    ApprovalRule,
    permissions=_permissions(PROTECTABLE),
    branches=_optional_names("main", "release/*"),
    workflows=_optional_names("deploy"),
    stages=_optional_names("production"),
    minutes=st.integers(1, 120),
    **_SCOPE_FIELDS,
)
RULES = st.lists(ALLOW_RULES | APPROVAL_RULES, max_size=4)
ACCESS_REQUESTS = st.builds(
    AccessRequest,
    permission=st.sampled_from(_PERMISSIONS),
    provider=st.sampled_from([BITRISE, BUILDIO]),
    app=st.none() | st.sampled_from(APPS),
    channel=st.sampled_from(["", *CHANNELS, "D0ANNA"]),
    workspace=st.sampled_from(["", *WORKSPACES]),
    branch=st.sampled_from([None, "", "main", "MAIN", "release/2", "develop"]),
    workflow=st.sampled_from([None, "", "deploy", "test"]),
    stage=st.sampled_from([None, "", "production", "staging"]),
)


def allowed_users(verdict: Verdict) -> frozenset[str]:
    """Return the people who are allowed by the verdict."""
    if verdict.off:
        return frozenset()
    sets = [members(requirement.who) for requirement in verdict.requirements]
    return EVERYBODY.intersection(*sets)


def allowed_approvers(verdict: Verdict) -> frozenset[str]:
    """Return the people whom every approval rule of the verdict names as approvers."""
    return EVERYBODY.intersection(*(members(who) for who in verdict.approvers))


def members(who: Principals) -> frozenset[str]:
    """Return the people whom these principals include."""
    return frozenset(person for person, groups in PEOPLE.items() if who.includes(person, groups))


@dataclass(frozen=True)
class ShownClause:
    """The part of a line about a second person: names, minutes and conditions."""

    names: str
    minutes: int
    branches: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()

    def applies_to(self, request: AccessRequest) -> bool:
        """Return whether it requires approval for this request; unknown values of the request count as protected."""
        return (
            _matches(self.branches, request.branch)
            and _matches(self.workflows, request.workflow)
            and _matches(self.stages, request.stage)
        )


@dataclass(frozen=True)
class ShownLine:
    """A parsed line of `policy`: the sets of names that a person must be in, and when a second person is needed."""

    sets: tuple[str, ...]
    clauses: tuple[ShownClause, ...] = field(default=())


def read_line(line: str) -> ShownLine:
    """Parse the part of a line after "• deploy: "."""
    who, *clauses_text = line.split("; ")
    if who.startswith("only people who are in each of "):
        sets = tuple(re.findall(r"\[(.*?)\]", who))
    else:
        sets = (who.removeprefix("only "),)
    clauses = [_read_clause(clause) for clause in clauses_text if not clause.startswith("_depends on the ")]
    return ShownLine(sets, tuple(clauses))


def _read_clause(text: str) -> ShownClause:
    match = re.fullmatch(r"requires approval by (.*) within (\d+) minutes?(?:, if(.*))?", text)
    assert match is not None, text
    names, minutes, conditions = match.groups()
    return ShownClause(
        names,
        int(minutes),
        _read_globs("on branch", conditions),
        _read_globs("with workflow", conditions),
        _read_globs("in stage", conditions),
    )


def _read_globs(condition_kind: str, condition: str | None) -> tuple[str, ...]:
    match = re.search(f"{condition_kind} ((?:`[^`]*`(?: or )?)+)", condition or "")
    return tuple(re.findall("`([^`]*)`", match[1])) if match is not None else ()


def _matches(globs: tuple[str, ...], name: str | None) -> bool:
    if not globs or name is None:
        return True
    return name != "" and any(fnmatchcase(name.casefold(), glob) for glob in globs)
