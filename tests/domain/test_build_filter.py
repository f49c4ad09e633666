"""Which builds a filter means, and why it leaves others out."""

from __future__ import annotations

import pytest

from domain.build import Build, BuildState
from domain.build_author import STARTED_BY, NameDirectory, people_behind, resolve_author, slack_user
from domain.build_filter import BuildFilter, GlobPatterns
from domain.commands.shared_commands import Subscribe
from tests.support.commands import parse
from tests.support.factories import make_build

NAMES = NameDirectory(known={"U0ANNA": frozenset({"octo", "anna@example.com"})})


def filter_of(words: str) -> BuildFilter:
    ask = parse(f"subscribe {words}", surface="slash")
    assert isinstance(ask, Subscribe)
    return ask.terms.filter


def by(name: str | None) -> Build:
    return make_build(1, triggered_by=name and f"webhook-github/{name}")


@pytest.mark.parametrize(
    ("words", "build", "why_not"),
    [
        ("branch:main,release/*", make_build(1, branch="release/2.1"), None),
        (
            "branch:main,release/*",
            make_build(1, branch="develop"),
            "its branch `develop` is not `main` or `release/*`",
        ),
        (
            "branch:* -branch:dependabot/*",
            make_build(1, branch="dependabot/x"),
            "its branch `dependabot/x` is left out",
        ),
        ("branch:main", make_build(1, branch=None, tag="v1"), "it has no branch"),
        ("-branch:main", make_build(1, branch=None, tag="v1"), None),
        ("tag:v*", make_build(1, branch=None, tag="v1"), None),
        ("tag:v*", make_build(1), "it has no tag"),
        ("target:main", make_build(1, branch="x", target_branch="main", pull_request=3), None),
        (
            "target:main",
            make_build(1, branch="x", target_branch="develop"),
            "its target branch `develop` is not `main`",
        ),
        ("workflow:deploy", make_build(1), "its workflow `primary` is not `deploy`"),
        ("event:tag", make_build(1, triggered_by="webhook"), "it was started by a push, not by tag"),
        ("by:octo*", by("Octo-Cat"), None),
        ("by:octo", by("ben"), "it is by `ben`"),
        ("by:octo", by(None), "Bitrise does not say whose build it is"),
        ("-by:bot", by("dependabot[bot]"), "it is by `dependabot[bot]`"),
        ("-by:bot", by("renovate"), "it is by `renovate`"),
        ("-by:bot", by("abbott"), None),
        ("-by:bot", by(None), None),
        ("by:<@U0ANNA>", by("octo"), None),
        ("by:<@U0ANNA|anna>", by("anna@example.com"), None),
        ("by:<@U0ANNA>", by("ben"), "it is by `ben`"),
        (
            "-aborted:no-changes",
            make_build(1, BuildState.ABORTED, abort_kind="no-changes"),
            "it was aborted for the reason no-changes",
        ),
        ("-aborted:no-changes", make_build(1, BuildState.ABORTED, abort_kind="manual"), None),
        ("-aborted:no-changes", make_build(1), None),
        ("aborted:manual", make_build(1), "it was not aborted"),
        ("pr:12", make_build(1, pull_request=13), "it is not of pull request #12"),
    ],
)
def test_a_filter_says_why_it_leaves_a_build_out(words: str, build: Build, why_not: str | None) -> None:
    wanted = filter_of(words)
    assert wanted.mismatch(build, NAMES) == why_not
    assert wanted.match(build, NAMES) is (why_not is None)


def test_a_build_that_somebody_started_from_slack_is_theirs() -> None:
    environments = [{"key": "BUILDBELL_STARTED_BY", "value": "U0BEN", "is_expand": False}]
    build = make_build(1, triggered_by=None, params={"environments": environments})
    assert filter_of("by:<@U0BEN>").match(build)
    assert not filter_of("by:<@U0ANNA>").match(build)
    forged = make_build(1, params={"environments": [{"key": "BUILDBELL_STARTED_BY", "value": "<!channel>"}]})
    assert not filter_of("by:<@U0BEN>").match(forged)


def test_a_build_that_was_started_from_another_workspace_is_nobodys_here() -> None:
    environments = [
        {"key": "BUILDBELL_STARTED_BY", "value": slack_user("U0BEN", "T0ACME"), "is_expand": False}
    ]
    build = make_build(1, triggered_by=None, params={"environments": environments})
    assert filter_of("by:<@U0BEN>").match(build, NameDirectory("T0ACME"))
    assert not filter_of("by:<@U0BEN>").match(build, NameDirectory("T0SANDBOX"))
    assert people_behind(build, NameDirectory("T0ACME")) == ["U0BEN"]
    assert people_behind(build, NameDirectory("T0SANDBOX", {"U0BEN": frozenset({"ben"})})) == []


def test_a_pull_request_is_its_authors_too() -> None:
    build = make_build(1, triggered_by="webhook", params={"pull_request_author": "Octo"})
    assert filter_of("by:<@U0ANNA>").match(build, NAMES)


@pytest.mark.parametrize("person", ["U_ANNA", "U_anna", "U0123.ABC"])
def test_whose_build_it_is_is_known_whatever_their_id_looks_like(person: str) -> None:
    for user in (slack_user(person, "T_ACME"), person):
        build = make_build(1, params={"environments": [{"key": STARTED_BY, "value": user}]})
        assert people_behind(build, NameDirectory("T_ACME")) == [person]
        assert filter_of(f"by:<@{person}>").match(build, NameDirectory("T_ACME"))
        assert (
            BuildFilter(by=GlobPatterns(exclude=(f"@{person}",))).mismatch(build, NameDirectory("T_ACME"))
            is not None
        )
    assert resolve_author("@u0anna", "T_ACME") == "U0ANNA"
    assert resolve_author("@Uwe Smith", "T_ACME") is None
