"""The details that an approver sees: every field of every action, character by character."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from bot.providers_setup import ACTIONS
from domain.action import Action
from domain.build import App, Build, BuildState
from domain.commands.shared_commands import TriggerBuild
from messages.kit.blocks import letter_by_letter
from messages.pending_actions import CONTINUED, approval_details
from providers.bitrise.action_base import BitriseAction, BuildTarget
from providers.bitrise.api.requests import AbortRequest
from providers.bitrise.artifacts.actions import SetPublicInstallPageAction
from providers.bitrise.build_requests.actions import DecideBuildRequestAction
from providers.bitrise.builds.actions import AbortBuildAction, RebuildBuildAction, TriggerBuildAction
from providers.bitrise.pipelines.actions import AbortPipelineAction, PipelineTarget, RebuildPipelineAction
from providers.bitrise.provider import BITRISE
from providers.buildio.apps.actions import CreateAppAction
from providers.buildio.config_vars.actions import (
    RevealConfigAction,
    RevealEnvironmentAction,
    SetConfigAction,
    SetEnvironmentAction,
    UnsetConfigAction,
    UnsetEnvironmentAction,
)
from providers.buildio.deploy_links.messages import SourceBuild
from providers.buildio.deploys.actions import DeployAction
from providers.buildio.domains.actions import (
    AddDomainAction,
    RemoveAllDomainsAction,
    RemoveDomainAction,
    UpdateCertificateAction,
)
from providers.buildio.login import ClusterLoginAction
from providers.buildio.namespaces.actions import CreateNamespaceAction, DeleteNamespaceAction
from providers.buildio.processes.actions import RestartAction, RunCommandAction
from providers.buildio.provider import BUILDIO

ANDROID = App(
    provider=BITRISE,
    slug="a1",
    title="android",
    owner="acme",
    repo="android",
    repo_url="git@x",
    project_type="android",
)
SHOP = App(provider=BUILDIO, slug="s1", title="shop", owner="o", repo="r", repo_url="u", project_type="p")
BUILD = BuildTarget(slug="b1", label="#1", branch="main", workflow="primary")
PIPELINE = PipelineTarget(id="p1", label="#4", name="release", branch="main", tag="v1", commit="1f3a")
ORDER = AbortRequest(reason="flaky", with_success=True, skip_notifications=True, skip_git_status_report=True)
SECRET = SecretStr("value")
PARAMS = {
    "branch": "main",
    "commit_hash": "1f3a",
    "priority": 3,
    "environments": [{"mapped_to": "A", "value": "1", "is_expand": True}],
    "commit_paths": [{"added": ["x"], "removed": [], "modified": []}],
}

# One action of each class, with all fields filled in.
EXAMPLES: list[Action] = [
    AbortBuildAction(app=ANDROID, build=BUILD, order=ORDER),
    AbortPipelineAction(app=ANDROID, pipeline=PIPELINE, order=ORDER),
    RebuildBuildAction(app=ANDROID, build=BUILD, params=PARAMS),
    RebuildPipelineAction(app=ANDROID, pipeline=PIPELINE, failed_only=True),
    SetPublicInstallPageAction(app=ANDROID, build=BUILD, artifact="f1", public=True, title="app.apk"),
    TriggerBuildAction(
        app=ANDROID,
        ask=TriggerBuild(
            app="and",
            branch="main",
            tag="v1",
            commit="1f3a",
            workflow="primary",
            pipeline="release",
            message="why",
            environments=(("A", "1"),),
        ),
    ),
    DecideBuildRequestAction(
        app=ANDROID,
        request="r1",
        approved=True,
        branch="fix",
        target="main",
        pull_request=7,
        commit="1f3a",
        commit_message="words",
        author="octo",
    ),
    DeployAction(
        app=SHOP,
        branch="main",
        commitish="1f3a",
        description="why",
        built=SourceBuild(app="a1", title="android", slug="b1", label="#1", url="https://x"),
    ),
    RestartAction(app=SHOP, dyno="web.1"),
    RunCommandAction(app=SHOP, dyno="web.1", command=("ls", "-l")),
    SetConfigAction(app=SHOP, values={"A": SECRET}),
    UnsetConfigAction(app=SHOP, keys=("A",)),
    RevealConfigAction(app=SHOP, key="A"),
    AddDomainAction(app=SHOP, hostname="a.example", certificate=SECRET),
    UpdateCertificateAction(app=SHOP, domain="d1", hostname="a.example", certificate=SECRET),
    RemoveDomainAction(app=SHOP, domain="d1", hostname="a.example"),
    RemoveAllDomainsAction(app=SHOP, hostnames=("a.example",)),
    CreateAppAction(name="new", team="t1", team_title="acme", region="eu"),
    CreateNamespaceAction(name="space", team="t1", team_title="acme", region="eu", description="why"),
    DeleteNamespaceAction(name="space"),
    SetEnvironmentAction(environment="e1", label="review", values={"A": SECRET, "B": None}),
    UnsetEnvironmentAction(environment="e1", label="review", keys=("A",)),
    RevealEnvironmentAction(environment="e1", label="review", key="A"),
    ClusterLoginAction(region="eu"),
]
# The title and slug of an app are shown; no other field of it is sent.
NOT_SENT_OF_AN_APP = frozenset(f"app.{name}" for name in App.model_fields if name not in ("slug", "title"))


def leaf_fields(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            if (*path, name) != ("act",):  # the kind itself
                yield from leaf_fields(getattr(value, name), (*path, name))
    else:
        yield path, value


def with_value(value: Any, path: tuple[str, ...], to: Any) -> Any:
    if not path:
        return to
    head, *rest = path
    return value.model_copy(update={head: with_value(getattr(value, head), tuple(rest), to)})


def different_value(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return value + "x"
        case SecretStr():
            return SecretStr("another")
        case tuple():
            return (*value, ("Z", "9") if value and isinstance(value[0], tuple) else "z")
        case Mapping():
            return {**value, "Z": next(iter(value.values()))}
    raise AssertionError(f"there is nothing to change: {value!r}")


FIELDS = [
    (action, path, value)
    for action in EXAMPLES
    for path, value in leaf_fields(action)
    if not (path[0] == "app" and action.app is None)
]


def test_every_action_class_has_an_example() -> None:
    assert {type(action) for action in EXAMPLES} == set(ACTIONS)
    assert len(EXAMPLES) == len({type(action) for action in EXAMPLES})


@pytest.mark.parametrize(
    ("action", "path", "value"),
    FIELDS,
    ids=[f"{type(action).__name__}.{'.'.join(path)}" for action, path, _ in FIELDS],
)
def test_every_field_is_shown_or_has_a_reason_not_to_be(
    action: Action, path: tuple[str, ...], value: Any
) -> None:
    name = ".".join(path)
    if name in NOT_SENT_OF_AN_APP:
        return
    other = with_value(action, path, different_value(value))
    assert other != action
    shown = other.full_details() != action.full_details()
    if (reason := action.not_shown.get(name)) is None:
        assert shown, f"{name} can be changed unseen"
    else:
        assert len(reason) > 10


@pytest.mark.parametrize("action", EXAMPLES, ids=[type(action).__name__ for action in EXAMPLES])
def test_every_reason_names_an_existing_field(action: Action) -> None:
    assert set(action.not_shown) <= {".".join(path) for path, _ in leaf_fields(action)}


@pytest.mark.parametrize(
    "action",
    [action for action in EXAMPLES if isinstance(action, TriggerBuildAction | RebuildBuildAction)],
    ids=["rebuild", "start"],
)
def test_every_sent_parameter_is_shown(action: TriggerBuildAction | RebuildBuildAction) -> None:
    if isinstance(action, TriggerBuildAction):
        params = action.trigger_params(message="", started_by=None)
    else:
        params = action.trigger_params(started_by=None)
    shown = str(action.full_details())
    body = params.body()["build_params"]
    for name, value in body.items():
        if name == "environments":
            assert all(f"'{one['value']}'" in shown for one in value)
        else:
            assert str(value).strip("[]{}'")[:5] in shown, name


def detail_lines(details: list[tuple[str, str]]) -> list[str]:
    text = approval_details(details)
    assert text is not None
    return text.split("\n")


PAIRS = st.lists(
    st.tuples(st.sampled_from(["branch", "message", "variable A"]), st.text(max_size=40)), max_size=5
)


@given(PAIRS, PAIRS)
def test_different_details_never_look_the_same(
    one: list[tuple[str, str]], other: list[tuple[str, str]]
) -> None:
    hidden = "looks like a secret"
    first, second = approval_details(one), approval_details(other)
    assert first is not None
    assert (first == second) == (one == other) or hidden in first
    assert len(first.split("\n")) == max(len(one), 1)


@given(PAIRS)
def test_slack_shows_every_character_of_the_details(details: list[tuple[str, str]]) -> None:
    text = approval_details(details)
    assert text is not None
    shown = [
        html.unescape(block["text"]["text"].removeprefix("```\n").removesuffix("\n```"))
        for block in letter_by_letter(text)
    ]
    assert "".join(shown).replace("\n", "") == text.replace("\n", "")


def test_lookalike_and_control_characters_are_escaped() -> None:
    assert detail_lines([("branch", "m\u0430in")]) == ['branch: "m\\u0430in"']
    assert detail_lines([("branch", "main\nworkflow: deploy")]) == ['branch: "main\\nworkflow: deploy"']
    assert detail_lines([("message", "Grüße")]) == ["message: Grüße"]
    assert detail_lines([("message", "a\u202eb")]) == ['message: "a\\u202eb"']


def test_a_value_can_not_imitate_a_line_of_its_own() -> None:
    name = "message: "
    for gap in range(450, 550):
        text = approval_details([("message", "x" * gap + "workflow: primary"), ("workflow", "deploy")])
        assert text is not None
        blocks = letter_by_letter(text, continued=CONTINUED)
        shown = "\n".join(
            block["text"]["text"].removeprefix("```\n").removesuffix("\n```") for block in blocks
        )
        lines = shown.split("\n")
        assert lines[0].startswith(name)
        assert lines[-1] == "workflow: deploy"
        assert all(line.startswith(CONTINUED) for line in lines[1:-1])
    assert detail_lines([("message", "ok" + " " * 4 + "workflow: primary")]) == [
        'message: "ok' + "\\u0020" * 4 + 'workflow: primary"'
    ]
    assert detail_lines([("message", "ok  then")]) == ["message: ok  then"]


def test_a_value_that_looks_like_a_secret_is_replaced_by_a_notice() -> None:
    [line] = detail_lines([("variable API_TOKEN", "Canary7Gx2Canary7Gx2Canary7Gx2")])
    assert line == "variable API_TOKEN: redacted, since it looks like a secret (30 characters)"
    action = rebuild_action(
        {"environments": [{"mapped_to": "DB_PASSWORD", "value": "hunter22", "is_expand": True}]}
    )
    [*_, line] = detail_lines(action.full_details())
    assert line == "variable DB_PASSWORD (expanded): redacted, since it looks like a secret (8 characters)"


def test_parameters_with_the_same_label_and_variables_of_other_types_are_shown() -> None:
    action = rebuild_action({"commit_hash": "1f3a", "commit": "2e4b", "environments": {"GIT_BRANCH": "main"}})
    lines = detail_lines(action.full_details())
    assert {"commit: 1f3a", "commit: 2e4b", 'variable: {"GIT_BRANCH": "main"}'} <= set(lines)
    for environments in ({"GIT_BRANCH": "main"}, ["GIT_BRANCH=main"]):
        access_request = rebuild_action(
            {"branch": "x", "workflow_id": "w", "environments": environments}
        ).access_request("C1")
        assert (access_request.branch, access_request.workflow) == (None, None)


def test_the_changed_paths_of_a_large_push_are_shortened() -> None:
    paths = [{"added": [f"file-{number}" for number in range(2000)]}]
    details = rebuild_action({"branch": "x", "commit_paths": paths}).full_details()
    other = rebuild_action({"branch": "x", "commit_paths": [*paths, {"added": ["one-more"]}]}).full_details()
    assert details != other
    assert approval_details(details) is not None


def test_details_that_are_too_long_can_not_be_approved() -> None:
    assert approval_details([("message", "x" * 30_000)]) is None


def trigger_action(**ask: Any) -> TriggerBuildAction:
    return TriggerBuildAction(app=ANDROID, ask=TriggerBuild(**ask)).normalized()


@pytest.mark.parametrize(
    ("ask", "branch", "workflow"),
    [
        ({"branch": "main", "workflow": "deploy"}, "main", "deploy"),
        ({"branch": " refs/heads/main ", "workflow": " deploy "}, "main", "deploy"),
        ({"branch": "main"}, "main", None),
        ({"branch": "x", "pipeline": "release"}, "x", None),
        ({"branch": "x", "commit": "1f3a", "workflow": "deploy"}, None, "deploy"),
        ({"branch": "x", "tag": "v1", "workflow": "deploy"}, None, "deploy"),
        ({"branch": "heads/main", "workflow": "deploy"}, None, "deploy"),
        ({"branch": "origin/main", "workflow": "deploy"}, None, "deploy"),
        ({"branch": "x-3-g1f2e3d4c", "workflow": "deploy"}, None, "deploy"),
        ({"branch": "1f2e3d4c", "workflow": "deploy"}, None, "deploy"),
        ({"branch": "x", "workflow": "a", "environments": (("BITRISE_GIT_BRANCH", "main"),)}, None, None),
        ({"branch": "x", "workflow": "a", "environments": (("GIT_CLONE_COMMIT_HASH", "1f"),)}, None, None),
        ({"branch": "x", "workflow": "a", "environments": (("DRY_RUN", "1"),)}, "x", "a"),
    ],
)
def test_rules_match_only_what_is_certain_about_a_triggered_build(
    ask: dict[str, Any], branch: str | None, workflow: str | None
) -> None:
    access_request = trigger_action(**ask).access_request("C1")
    assert (access_request.branch, access_request.workflow) == (branch, workflow)


@pytest.mark.parametrize(
    "branch",
    [
        "main~0",
        "main^",
        "main@{0}",
        "HEAD",
        "FETCH_HEAD",
        "@",
        "a b",
        "a..b",
        "refs/tags/v1",
        "-x",
        "a:b",
        "x.lock",
        "",
    ],
)
def test_an_invalid_branch_name_is_refused(branch: str) -> None:
    for action in (
        TriggerBuildAction(app=ANDROID, ask=TriggerBuild(branch=branch)),
        DeployAction(app=SHOP, branch=branch),
    ):
        with pytest.raises(ValueError, match="isn't a valid branch name"):
            action.normalized()


def test_a_workflow_together_with_a_pipeline_is_refused() -> None:
    assert "not both" in str(trigger_action(branch="x", workflow="a", pipeline="b").problem())


def rebuild_action(
    params: dict[str, Any], triggered_by: str | None = None, pipeline_id: str | None = None
) -> RebuildBuildAction:
    build = Build(
        provider=BITRISE,
        app_slug="a1",
        slug="b1",
        number=1,
        state=BuildState.FAILED,
        branch="x",
        workflow="primary",
        url="u",
        params=params,
        triggered_by=triggered_by,
        pipeline_id=pipeline_id,
    )
    return RebuildBuildAction.of_build(ANDROID, build)


@pytest.mark.parametrize(
    ("action", "branch", "workflow"),
    [
        (rebuild_action({"branch": "x", "workflow_id": "deploy"}), "x", "deploy"),
        (rebuild_action({"branch": "x", "pipeline_id": "release", "workflow_id": "primary"}), "x", None),
        (rebuild_action({"branch": "x", "commit_hash": "1f", "workflow_id": "a"}, "manual-octo"), None, "a"),
        (
            rebuild_action({"branch": "x", "commit_hash": "1f", "workflow_id": "a"}, "webhook-github/octo"),
            "x",
            "a",
        ),
        (
            rebuild_action({"branch": "x", "commit_hash": "1f", "workflow_id": "a"}, "webhook", "w1"),
            None,
            "a",
        ),
        (rebuild_action({"branch": "x", "head_repository_url": "git@evil", "workflow_id": "a"}), None, "a"),
        (
            rebuild_action(
                {"branch": "x", "environments": [{"BITRISE_GIT_TAG": "v1"}], "workflow_id": "a"}, "webhook"
            ),
            None,
            None,
        ),
        (rebuild_action({"workflow_id": "a"}), None, "a"),
    ],
)
def test_rules_match_what_a_rebuild_sends_not_what_the_build_shows(
    action: RebuildBuildAction, branch: str | None, workflow: str | None
) -> None:
    access_request = action.access_request("C1")
    assert (access_request.branch, access_request.workflow) == (branch, workflow)


def test_every_bitrise_action_shows_its_app() -> None:
    assert all(
        action.full_details()[:2] == [("app", "android"), ("app id", "a1")]
        for action in EXAMPLES
        if isinstance(action, BitriseAction)
    )
