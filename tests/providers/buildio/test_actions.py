"""Actions at Build.io: as the person, by the access rules, with an approval if required, and audited."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from domain.access_policy import Permission
from providers.buildio.apps.actions import CreateAppAction
from providers.buildio.config_vars.actions import (
    SetConfigAction,
    SetEnvironmentAction,
    UnsetConfigAction,
    UnsetEnvironmentAction,
)
from providers.buildio.deploys.actions import DeployAction
from providers.buildio.domains.actions import AddDomainAction, RemoveAllDomainsAction, RemoveDomainAction
from providers.buildio.login import ClusterLoginAction
from providers.buildio.namespaces.actions import CreateNamespaceAction, DeleteNamespaceAction
from providers.buildio.processes import actions as process_actions
from providers.buildio.processes.actions import RestartAction, RunCommandAction
from providers.buildio.provider import BUILDIO
from providers.buildio.spec import SPEC
from sandbox.buildio.server import BuildioSimulator
from services.actions.action import ExecutableAction
from tests.services.actions.action_harness import ActionHarness, action_harness, as_bot_app

CANARY = "canary-4711-of-a-config-var"
ALLOW_RUN_AND_LOGIN = """
[[rule]]
allow = ["run", "login"]
who = "everyone"
"""
SECOND = """
[[rule]]
protect = "everything"
providers = ["buildio"]
who = ["U0ANNA", "U0BEN"]
"""


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ActionHarness]:
    async with action_harness(tmp_path, rules=ALLOW_RUN_AND_LOGIN) as opened:
        await opened.connect("anna", "ben", "carla")
        yield opened


def add_domain(buildio: BuildioSimulator, hostname: str = "shop.example.com") -> str:
    return buildio.state.add_domain(buildio.shop, hostname, buildio.now()).id


# For each permission an action, its text in the channel, and its effect at Build.io.
Make = Callable[[BuildioSimulator], ExecutableAction]
IsDone = Callable[[BuildioSimulator], object]
EXAMPLES: dict[Permission, tuple[Make, str, IsDone]] = {
    Permission.DEPLOY: (
        lambda at: DeployAction(app=as_bot_app(at.staging), branch="develop"),
        "started deploying",
        lambda at: at.staging.deployments[-1].branch == "develop",
    ),
    Permission.RESTART: (
        lambda at: RestartAction(app=as_bot_app(at.shop), dyno="web.1"),
        "restarted `web.1`",
        lambda at: any(request.method == "DELETE" for request in at.requests),
    ),
    Permission.RUN: (
        lambda at: RunCommandAction(app=as_bot_app(at.shop), dyno="web.1", command=("echo", "hello  there")),
        "ran a command in `web.1`",
        lambda at: any(request.path.endswith("/exec") for request in at.requests),
    ),
    Permission.CONFIG: (
        lambda at: SetConfigAction(app=as_bot_app(at.shop), values={"API_KEY": SecretStr(CANARY)}),
        "changed config vars of shop",
        lambda at: at.shop.config.get("API_KEY") == CANARY,
    ),
    Permission.DOMAINS: (
        lambda at: AddDomainAction(app=as_bot_app(at.shop), hostname="shop.example.com"),
        "added the domain shop.example.com",
        lambda at: any(domain.hostname == "shop.example.com" for domain in at.shop.domains),
    ),
    Permission.CREATE: (
        lambda _: CreateAppAction(name="fresh-app"),
        "created the app fresh-app",
        lambda at: any(app.name == "fresh-app" for app in at.state.apps),
    ),
    Permission.DELETE: (
        lambda at: DeleteNamespaceAction(name=at.namespace.name),
        "deleted the Build.io namespace acme-internal",
        lambda at: at.namespace not in at.state.namespaces,
    ),
    Permission.LOGIN: (
        lambda _: ClusterLoginAction(region="eu"),
        "got a credential for the cluster in `eu`",
        lambda at: any(request.path.endswith("/oidc-login") for request in at.requests),
    ),
}


def test_every_permission_of_build_io_has_an_example_action() -> None:
    assert set(EXAMPLES) == set(SPEC.permissions) - {Permission.SUBSCRIBE}


@pytest.mark.parametrize("permission", sorted(EXAMPLES))
async def test_only_people_named_by_a_rule_may_act(tmp_path: Path, permission: Permission) -> None:
    make, expected, is_done = EXAMPLES[permission]
    rules = f'[[rule]]\nallow = ["{permission}"]\nwho = ["U0ANNA"]\n'
    async with action_harness(tmp_path, rules=rules) as harness:
        buildio = harness.harness.buildio
        await harness.connect("anna", "ben")
        act = make(buildio)
        assert act.permission is permission
        buildio.requests.clear()
        await harness.request(act, "ben")
        await harness.wait_for_message("Only Anna Berg can", "ben")
        assert [request for request in buildio.requests if request.method != "GET"] == []
        await harness.request(act, "anna")
        await harness.wait_for_message(expected, None)
        assert is_done(buildio)
        assert {request.member for request in buildio.requests if request.method != "GET"} <= {"anna-berg"}


@pytest.mark.parametrize("permission", sorted(EXAMPLES))
async def test_a_protected_action_is_executed_after_an_approval(
    tmp_path: Path, permission: Permission
) -> None:
    make, expected, is_done = EXAMPLES[permission]
    async with action_harness(tmp_path, rules=ALLOW_RUN_AND_LOGIN + SECOND) as harness:
        buildio = harness.harness.buildio
        await harness.connect("anna", "ben")
        act = make(buildio)
        assert not is_done(buildio)
        await harness.request(act, "ben")
        post = await harness.wait_for_message("requests approval to", None)
        assert f"ben requests approval to {act.summary()}" in harness.harness.message_text(post)
        assert not is_done(buildio)
        await harness.harness.press(post, "Approve", "You can't decide your own request", person="ben")
        await harness.harness.users.click("anna", post, "Approve")
        await harness.wait_for_message(expected, None)
        await harness.harness.wait_until(
            lambda: "anna approved" in harness.harness.message_text(post) and bool(is_done(buildio))
        )
        assert "anna" not in {request.member for request in buildio.requests if request.method != "GET"}


@pytest.mark.parametrize("permission", [Permission.RUN, Permission.LOGIN])
async def test_an_action_that_is_off_needs_a_rule_that_names_it(
    tmp_path: Path, permission: Permission
) -> None:
    make, _, is_done = EXAMPLES[permission]
    everything = '[[rule]]\nallow = "everything"\nwho = ["U0ANNA"]\n'
    for number, rules in enumerate(("", everything)):
        (tmp_path / str(number)).mkdir()
        async with action_harness(tmp_path / str(number), rules=rules) as harness:
            await harness.connect("anna")
            await harness.request(make(harness.harness.buildio))
            await harness.wait_for_message(f"an access rule that names `{permission}`")
            assert not is_done(harness.harness.buildio)


async def test_build_io_refuses_what_a_role_does_not_allow(harness: ActionHarness) -> None:
    await harness.request(RestartAction(app=as_bot_app(harness.harness.buildio.shop)), "carla")
    await harness.wait_for_message("Build.io account isn't allowed to do this", "carla")


async def test_the_value_of_a_config_var_reaches_only_build_io(tmp_path: Path) -> None:
    async with action_harness(tmp_path, rules=SECOND) as harness:
        buildio = harness.harness.buildio
        await harness.connect("anna", "ben")
        values = {"API_KEY": SecretStr(CANARY), "LOG_LEVEL": SecretStr("debug")}
        await harness.request(SetConfigAction(app=as_bot_app(buildio.shop), values=values), "ben")
        pending_post = await harness.wait_for_message("set the config vars API_KEY, LOG_LEVEL of shop", None)
        await harness.harness.stop_bot()
        assert CANARY.encode() not in harness.harness.stored_bytes()
        await harness.harness.start_bot()
        await harness.harness.users.click("anna", pending_post, "Approve")
        await harness.harness.wait_until(lambda: buildio.shop.config.get("API_KEY") == CANARY)
        await harness.wait_for_message("changed config vars of shop", None)
        await harness.harness.stop_bot()
        assert CANARY.encode() not in harness.harness.stored_bytes()
        assert CANARY not in json.dumps(
            [harness.harness.message_text(post) for post in harness.harness.slack.posts("builds")]
        )
        audited = await harness.harness.rows("SELECT body FROM audit WHERE body LIKE '%set_config%'")
        assert len(audited) == 4, "proposed, agreed, begun, done"


async def test_a_value_is_in_no_log_line_and_no_error(
    harness: ActionHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = harness.harness.buildio.shop
    harness.harness.buildio.fault(f"PATCH /api/v1/apps/{shop.id}/config-vars", "status", status=422)
    await harness.request(SetConfigAction(app=as_bot_app(shop), values={"API_KEY": SecretStr(CANARY)}))
    await harness.wait_for_message("Build.io rejected this", "anna")
    printed = capsys.readouterr()
    assert CANARY not in printed.out + printed.err
    assert all(
        CANARY not in harness.harness.message_text(post)
        for post in harness.harness.slack.posts("builds", "anna")
    )


async def test_config_vars_are_unset_one_by_one_and_a_partial_result_is_reported(
    harness: ActionHarness,
) -> None:
    shop = harness.harness.buildio.shop
    await harness.request(UnsetConfigAction(app=as_bot_app(shop), keys=("LOG_LEVEL",)))
    await harness.wait_for_message("changed config vars of shop", None)
    assert "LOG_LEVEL" not in shop.config
    await harness.request(UnsetConfigAction(app=as_bot_app(shop), keys=("DATABASE_URL", "NOT_THERE")))
    await harness.wait_for_message("Removed DATABASE_URL, but not NOT_THERE")
    assert "DATABASE_URL" not in shop.config


async def test_config_vars_of_an_environment_are_set_and_unset(harness: ActionHarness) -> None:
    review = harness.harness.buildio.pipeline.environments[0]
    new: dict[str, SecretStr | None] = {"API_KEY": SecretStr(CANARY), "LOG_LEVEL": None}
    await harness.request(SetEnvironmentAction(environment=review.id, label="review", values=new))
    await harness.wait_for_message("changed config vars of the environment review", None)
    assert review.config["API_KEY"] == CANARY
    assert "LOG_LEVEL" not in review.config
    await harness.request(UnsetEnvironmentAction(environment=review.id, label="review", keys=("API_KEY",)))
    await harness.harness.wait_until(lambda: "API_KEY" not in review.config)


async def test_a_pending_action_shows_the_exact_array(tmp_path: Path) -> None:
    async with action_harness(tmp_path, rules=ALLOW_RUN_AND_LOGIN + SECOND) as harness:
        await harness.connect("anna", "ben")
        command = ("/bin/sh", "-c", "echo  'two  spaces' && ls\t`x`\u202e")
        await harness.request(
            RunCommandAction(app=as_bot_app(harness.harness.buildio.shop), dyno="web.1", command=command),
            "ben",
        )
        post = await harness.wait_for_message("ben requests approval to run a command in web.1 of shop", None)
        blocks = [block["text"]["text"] for block in post.blocks if block["type"] == "section"]
        details = "".join(text.removeprefix("```\n").removesuffix("\n```") for text in blocks[1:])
        [array] = [
            line.removeprefix("command: ") for line in details.splitlines() if line.startswith("command: ")
        ]
    assert json.loads(array.replace("&amp;", "&")) == list(command)


async def test_output_goes_to_the_person_who_runs_it_without_config_vars(harness: ActionHarness) -> None:
    shop = harness.harness.buildio.shop
    shop.config["PLAIN_NAME"] = CANARY
    await harness.request(
        RunCommandAction(app=as_bot_app(shop), dyno="web.1", command=("printenv", "PLAIN_NAME"))
    )
    await harness.wait_for_message("ran a command in `web.1`", None)
    private = await harness.wait_for_message("The command in", "anna", "D0ANNA")
    assert CANARY not in harness.harness.message_text(private)
    assert "[redacted]" in harness.harness.message_text(private)
    await harness.request(RunCommandAction(app=as_bot_app(shop), dyno="web.1", command=("echo", "hello")))
    await harness.wait_for_message("hello", "anna", "D0ANNA")
    assert all(
        "hello" not in harness.harness.message_text(post).replace('"hello"', "")
        for post in harness.harness.messages_with("ran a")
    )
    assert "hello" not in str(await harness.harness.rows("SELECT content FROM messages"))


async def test_a_command_with_a_secret_is_refused_without_a_request(harness: ActionHarness) -> None:
    secret = "ghp" + "_" + "Canary7Gx2" * 3 + "Lk8Zr4"
    await harness.request(
        RunCommandAction(
            app=as_bot_app(harness.harness.buildio.shop), dyno="web.1", command=("curl", "-u", secret)
        )
    )
    post = await harness.wait_for_message("seems to contain a secret")
    assert secret not in harness.harness.message_text(post)
    assert not any(request.path.endswith("/exec") for request in harness.harness.buildio.requests)
    await harness.harness.stop_bot()
    assert secret.encode() not in harness.harness.stored_bytes()


async def test_an_endless_command_is_reported(
    harness: ActionHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_actions, "RUN_SECONDS", 0.2)
    await harness.request(
        RunCommandAction(app=as_bot_app(harness.harness.buildio.shop), dyno="web.1", command=("yes",))
    )
    await harness.wait_for_message("The command may still be running in `web.1`")


async def test_all_domains_are_removed_only_if_they_are_those_shown(harness: ActionHarness) -> None:
    buildio = harness.harness.buildio
    add_domain(buildio)
    act = RemoveAllDomainsAction(app=as_bot_app(buildio.shop), hostnames=("shop.example.com",))
    add_domain(buildio, "other.example.com")
    await harness.request(act)
    await harness.wait_for_message("has new domains since then")
    await harness.request(act.model_copy(update={"hostnames": ("shop.example.com", "other.example.com")}))
    await harness.wait_for_message("removed all custom domains from shop", None)
    assert all(domain.is_platform_domain for domain in buildio.shop.domains)


async def test_one_domain_is_removed(harness: ActionHarness) -> None:
    buildio = harness.harness.buildio
    identity = add_domain(buildio)
    await harness.request(
        RemoveDomainAction(app=as_bot_app(buildio.shop), domain=identity, hostname="shop.example.com")
    )
    await harness.wait_for_message("removed the domain shop.example.com", None)


async def test_a_namespace_is_created_and_a_new_app_is_found_at_once(harness: ActionHarness) -> None:
    await harness.request(CreateNamespaceAction(name="fresh-space", description="to try"))
    await harness.wait_for_message("created the Build.io namespace fresh-space", None)
    assert await harness.context().visible_apps(BUILDIO).all()
    await harness.request(CreateAppAction(name="fresh-app"))
    await harness.wait_for_message("created the app fresh-app", None)
    assert (await harness.context().visible_apps(BUILDIO).find("fresh-app")).title == "fresh-app"


async def test_a_rule_about_stages_protects_apps_in_a_stage_or_with_an_unknown_one(tmp_path: Path) -> None:
    rules = '[[rule]]\nprotect = ["restart", "delete"]\nstages = ["production"]\n'
    async with action_harness(tmp_path, rules=rules) as harness:
        buildio = harness.harness.buildio
        await harness.connect("anna", "ben")
        await harness.request(RestartAction(app=as_bot_app(buildio.staging)))
        await harness.wait_for_message("restarted all processes of shop-staging", None)
        for app in (buildio.shop, buildio.ledger):
            await harness.request(RestartAction(app=as_bot_app(app)))
            await harness.wait_for_message(f"requests approval to restart all processes of {app.name}", None)
        await harness.request(DeleteNamespaceAction(name="acme-internal"))
        await harness.wait_for_message("requests approval to delete the namespace", None)
        buildio.fault("GET /api/v1/pipelines", "status", status=403)
        await harness.request(RestartAction(app=as_bot_app(buildio.review)))
        await harness.wait_for_message("requests approval to restart all processes of shop-pr-42", None)


async def test_a_rule_for_one_provider_does_not_affect_the_other(tmp_path: Path) -> None:
    rules = '[[rule]]\nallow = "everything"\nproviders = ["buildio"]\nwho = "nobody"\n'
    async with action_harness(tmp_path, rules=rules) as harness:
        await harness.harness.connect("anna")
        await harness.connect("anna")
        await harness.request(RestartAction(app=as_bot_app(harness.harness.buildio.shop)))
        await harness.wait_for_message("No one can restart dynos in shop here")
        await harness.harness.ask("/bitrise trigger android branch:main", "anna started Sample Android #1")


async def test_a_credential_is_a_file_for_one_person_that_is_deleted_when_it_expires(
    harness: ActionHarness,
) -> None:
    await harness.request(ClusterLoginAction(region="eu"))
    await harness.wait_for_message("got a credential for the cluster in `eu`", None)
    files = harness.harness.slack.workspace.files
    assert [b"ExecCredential" in content for content in files.values()] == [True]
    post = await harness.wait_for_message("only visible to you", "anna", "D0ANNA")
    assert len(post.files) == 1
    [token] = [json.loads(content)["status"]["token"] for content in files.values()]
    await harness.harness.stop_bot()
    assert token.encode() not in harness.harness.stored_bytes()
    await harness.harness.execute("UPDATE passing_files SET delete_at = '2026-01-01T00:00:00.000000+00:00'")
    await harness.harness.start_bot()
    await harness.harness.wait_until(lambda: not files)
    assert post.files == []
    await harness.harness.wait_until(
        lambda: not harness.harness.count_rows_with("U0ANNA").get("passing_files")
    )


async def test_a_file_that_was_already_deleted_is_removed_from_storage(harness: ActionHarness) -> None:
    await harness.request(ClusterLoginAction(region="eu"))
    await harness.wait_for_message("got a credential", None)
    harness.harness.slack.fault("files.delete", "error", words="file_deleted")
    await harness.harness.stop_bot()
    await harness.harness.execute("UPDATE passing_files SET delete_at = '2026-01-01T00:00:00.000000+00:00'")
    await harness.harness.start_bot()
    await harness.harness.wait_until(
        lambda: not harness.harness.count_rows_with("U0ANNA").get("passing_files")
    )
