"""Build filters: which builds match, and why others do not."""

from __future__ import annotations

import pytest

from domain.build import Build, BuildState
from domain.build_author import STARTED_BY, NameDirectory, people_behind, resolve_author, slack_user
from domain.build_filter import BuildFilter, GlobPatterns
from domain.commands.shared_commands import Subscribe
from tests.support.commands import parse
from tests.support.factories import make_build

NAMES = NameDirectory(known={"U0ANNA": frozenset({"octo", "anna@example.com"})})


def parse_filter(options: str) -> BuildFilter:
    command = parse(f"subscribe {options}", surface="slash")
    assert isinstance(command, Subscribe)
    return command.terms.filter


def build_by(name: str | None) -> Build:
    return make_build(1, triggered_by=name and f"webhook-github/{name}")


@pytest.mark.parametrize(
    ("options", "build", "reason"),
    [
        ("branch:main,release/*", make_build(1, branch="release/2.1"), None),
        (
            "branch:main,release/*",
            make_build(1, branch="develop"),
            "branch is `develop`, not `main` or `release/*`",
        ),
        (
            "branch:* -branch:dependabot/*",
            make_build(1, branch="dependabot/x"),
            "branch `dependabot/x` is excluded",
        ),
        ("branch:main", make_build(1, branch=None, tag="v1"), "no branch"),
        ("-branch:main", make_build(1, branch=None, tag="v1"), None),
        ("tag:v*", make_build(1, branch=None, tag="v1"), None),
        ("tag:v*", make_build(1), "no tag"),
        ("target:main", make_build(1, branch="x", target_branch="main", pull_request=3), None),
        (
            "target:main",
            make_build(1, branch="x", target_branch="develop"),
            "target branch is `develop`, not `main`",
        ),
        ("workflow:deploy", make_build(1), "workflow is `primary`, not `deploy`"),
        ("event:tag", make_build(1, triggered_by="webhook"), "started by a push, not by tag"),
        ("by:octo*", build_by("Octo-Cat"), None),
        ("by:octo", build_by("ben"), "by `ben`"),
        ("by:octo", build_by(None), "Bitrise doesn't say who it's by"),
        ("-by:bot", build_by("dependabot[bot]"), "by `dependabot[bot]` (excluded)"),
        ("-by:bot", build_by("renovate"), "by `renovate` (excluded)"),
        ("-by:bot", build_by("abbott"), None),
        ("-by:bot", build_by(None), None),
        ("by:<@U0ANNA>", build_by("octo"), None),
        ("by:<@U0ANNA|anna>", build_by("anna@example.com"), None),
        ("by:<@U0ANNA>", build_by("ben"), "by `ben`"),
        (
            "-aborted:no-changes",
            make_build(1, BuildState.ABORTED, abort_kind="no-changes"),
            "aborted (no-changes)",
        ),
        ("-aborted:no-changes", make_build(1, BuildState.ABORTED, abort_kind="manual"), None),
        ("-aborted:no-changes", make_build(1), None),
        ("aborted:manual", make_build(1), "not aborted"),
        ("pr:12", make_build(1, pull_request=13), "not for pull request #12"),
    ],
)
def test_a_filter_says_why_it_excludes_a_build(options: str, build: Build, reason: str | None) -> None:
    build_filter = parse_filter(options)
    assert build_filter.mismatch(build, NAMES) == reason
    assert build_filter.match(build, NAMES) is (reason is None)


def test_a_build_started_from_slack_belongs_to_that_user() -> None:
    environments = [{"key": "BUILDBELL_STARTED_BY", "value": "U0BEN", "is_expand": False}]
    build = make_build(1, triggered_by=None, params={"environments": environments})
    assert parse_filter("by:<@U0BEN>").match(build)
    assert not parse_filter("by:<@U0ANNA>").match(build)
    invalid = make_build(1, params={"environments": [{"key": "BUILDBELL_STARTED_BY", "value": "<!channel>"}]})
    assert not parse_filter("by:<@U0BEN>").match(invalid)


def test_a_build_started_from_another_workspace_belongs_to_nobody_here() -> None:
    environments = [
        {"key": "BUILDBELL_STARTED_BY", "value": slack_user("U0BEN", "T0ACME"), "is_expand": False}
    ]
    build = make_build(1, triggered_by=None, params={"environments": environments})
    assert parse_filter("by:<@U0BEN>").match(build, NameDirectory("T0ACME"))
    assert not parse_filter("by:<@U0BEN>").match(build, NameDirectory("T0SANDBOX"))
    assert people_behind(build, NameDirectory("T0ACME")) == ["U0BEN"]
    assert people_behind(build, NameDirectory("T0SANDBOX", {"U0BEN": frozenset({"ben"})})) == []


def test_a_build_also_belongs_to_the_pull_request_author() -> None:
    build = make_build(1, triggered_by="webhook", params={"pull_request_author": "Octo"})
    assert parse_filter("by:<@U0ANNA>").match(build, NAMES)


@pytest.mark.parametrize("person", ["U_ANNA", "U_anna", "U0123.ABC"])
def test_authors_are_recognised_with_any_form_of_slack_id(person: str) -> None:
    for user in (slack_user(person, "T_ACME"), person):
        build = make_build(1, params={"environments": [{"key": STARTED_BY, "value": user}]})
        assert people_behind(build, NameDirectory("T_ACME")) == [person]
        assert parse_filter(f"by:<@{person}>").match(build, NameDirectory("T_ACME"))
        assert (
            BuildFilter(by=GlobPatterns(exclude=(f"@{person}",))).mismatch(build, NameDirectory("T_ACME"))
            is not None
        )
    assert resolve_author("@u0anna", "T_ACME") == "U0ANNA"
    assert resolve_author("@Uwe Smith", "T_ACME") is None
