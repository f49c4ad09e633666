"""Texts of actions: complete, and without secrets."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bot.providers_setup import ACTIONS, SPECS
from domain.access_policy import Permission
from domain.action import Action
from domain.build import App
from providers.bitrise.action_base import BuildTarget
from providers.bitrise.api.requests import AbortRequest
from providers.bitrise.builds.actions import AbortBuildAction
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
from providers.buildio.shared.arguments import LONGEST_COMMAND

SHOP = App(provider=BUILDIO, slug="s1", title="shop")
CANARY = "canary-4711-canary"
SECRET = SecretStr(CANARY)
MANY = tuple(f"KEY_{number}" for number in range(9))

# Each action with its expected summary.
EXAMPLES: list[tuple[Action, str]] = [
    (DeployAction(app=SHOP, branch="main", description="why"), "deploy shop (branch main)"),
    (DeployAction(app=SHOP, commitish="1f3a"), "deploy shop (commit 1f3a)"),
    (DeployAction(app=SHOP), "deploy shop"),
    (RestartAction(app=SHOP, dyno="web.1"), "restart web.1 of shop"),
    (RestartAction(app=SHOP), "restart all processes of shop"),
    (RunCommandAction(app=SHOP, dyno="web.1", command=("ls", "-l")), "run a command in web.1 of shop"),
    (SetConfigAction(app=SHOP, values={"B": SECRET, "A": SECRET}), "set the config vars A, B of shop"),
    (SetConfigAction(app=SHOP, values=dict.fromkeys(MANY, SECRET)), "set 9 config vars of shop"),
    (UnsetConfigAction(app=SHOP, keys=("A",)), "remove the config var A from shop"),
    (RevealConfigAction(app=SHOP, key="A"), "view the value of the config var A of shop"),
    (AddDomainAction(app=SHOP, hostname="a.example"), "add the domain a.example to shop"),
    (
        AddDomainAction(app=SHOP, hostname="a.example", certificate=SECRET),
        "add the domain a.example with a certificate to shop",
    ),
    (
        UpdateCertificateAction(app=SHOP, domain="d1", hostname="a.example", certificate=SECRET),
        "replace the certificate of the domain a.example of shop",
    ),
    (
        RemoveDomainAction(app=SHOP, domain="d1", hostname="a.example"),
        "remove the domain a.example from shop",
    ),
    (RemoveAllDomainsAction(app=SHOP, hostnames=("a.example",)), "remove all domains from shop"),
    (CreateAppAction(name="new", team="t1", region="eu"), "create the app new for the team t1 in eu"),
    (CreateNamespaceAction(name="space"), "create the namespace space"),
    (DeleteNamespaceAction(name="space"), "delete the namespace space"),
    (
        SetEnvironmentAction(environment="e1", label="review", values={"A": SECRET, "B": None}),
        "set the config var A and remove the config var B of the environment review",
    ),
    (
        UnsetEnvironmentAction(environment="e1", label="review", keys=("A", "B")),
        "remove the config vars A, B from the environment review",
    ),
    (
        RevealEnvironmentAction(environment="e1", label="review", key="A"),
        "view the value of the config var A of the environment review",
    ),
    (ClusterLoginAction(region="eu"), "get a Kubernetes credential for the cluster in eu"),
]
IDS = [f"{type(action).__name__}-{number}" for number, (action, _) in enumerate(EXAMPLES)]


def test_every_action_of_buildio_has_an_example_and_every_permission_an_action() -> None:
    classes = set(SPECS.get(BUILDIO).actions)
    assert {type(action) for action, _ in EXAMPLES} == classes
    for provider in SPECS:
        permissions = {action.permission for action in provider.actions}
        assert permissions == set(provider.permissions) - {Permission.SUBSCRIBE}


@pytest.mark.parametrize(("action", "summary"), EXAMPLES, ids=IDS)
def test_an_action_describes_itself_without_secrets(action: Action, summary: str) -> None:
    assert action.summary() == summary
    texts = [
        action.summary(),
        str(action.audit_fields()),
        str(action.full_details()),
        str(action.reason()),
        repr(action),
        str(action),
    ]
    texts += [action.model_dump_json(), str(action.model_dump()), str(action.access_request("C1"))]
    assert all(CANARY not in text for text in texts)
    assert action.problem() is None


@pytest.mark.parametrize(("action", "summary"), EXAMPLES, ids=IDS)
def test_an_action_read_back_from_its_stored_json_is_unchanged(action: Action, summary: str) -> None:
    restored = ACTIONS.read(action.to_json_with_secrets())
    assert restored == action
    assert restored.to_json_with_secrets() == action.to_json_with_secrets()
    assert type(restored) is type(action)


@pytest.mark.parametrize(("action", "summary"), EXAMPLES, ids=IDS)
def test_the_access_request_names_the_actions_own_provider(action: Action, summary: str) -> None:
    access_request = action.access_request("C1")
    assert (access_request.provider, access_request.permission) == (BUILDIO, action.permission)
    assert access_request.app == action.app
    assert access_request.stage == (
        "" if isinstance(action, CreateAppAction | CreateNamespaceAction) else None
    )
    assert access_request.workflow == ("deploy" if isinstance(action, DeployAction) else "")
    assert (access_request.branch is None) is (isinstance(action, DeployAction) and action.branch is None)


def test_an_action_at_bitrise_is_in_no_stage() -> None:
    android = App(provider=BITRISE, slug="a1", title="android")
    build = BuildTarget(slug="b1", label="#1", branch="main", workflow="primary")
    access_request = AbortBuildAction(
        app=android, build=build, order=AbortRequest(reason="no")
    ).access_request("C1")
    assert (access_request.provider, access_request.stage) == (BITRISE, "")
    assert (access_request.branch, access_request.workflow) == ("main", "primary")


@given(st.lists(st.text(max_size=20), min_size=1, max_size=6))
def test_a_command_is_shown_as_a_json_array(command: list[str]) -> None:
    shown = dict(RunCommandAction(app=SHOP, dyno="web.1", command=tuple(command)).full_details())["command"]
    assert json.loads(shown) == command
    assert shown.isascii()
    assert shown.isprintable()
    assert "`" not in shown


@pytest.mark.parametrize(
    ("command", "expected_problem"),
    [
        ((), "No command"),
        (("  ", "x"), "No command"),
        (("echo", "x" * LONGEST_COMMAND), "longer than"),
        (("curl", "-H", "Authorization: Bearer " + "Canary7Gx2" * 4), "seems to contain a secret"),
        (("psql", "postgres://shop:canaryPass9x7G@db.example.com/shop"), "seems to contain a secret"),
    ],
)
def test_a_command_that_can_not_be_shown_as_it_will_run_is_refused(
    command: tuple[str, ...], expected_problem: str
) -> None:
    problem = RunCommandAction(app=SHOP, dyno="web.1", command=command).problem()
    assert problem is not None
    assert expected_problem in problem
    assert "canaryPass" not in problem
