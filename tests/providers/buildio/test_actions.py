"""What is done at Build.io: as the person, by the rules, with a second one where they ask for it, written down."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from domain.access_policy import Permission
from domain.action import Action
from domain.provider import Provider
from providers.buildio import action_execution as performing
from providers.buildio.actions import (
    AddDomainAction,
    ClusterLoginAction,
    CreateAppAction,
    CreateNamespaceAction,
    DeleteNamespaceAction,
    DeployAction,
    RemoveAllDomainsAction,
    RemoveDomainAction,
    RestartAction,
    RunCommandAction,
    SetConfigAction,
    SetEnvironmentAction,
    UnsetConfigAction,
    UnsetEnvironmentAction,
)
from providers.buildio.spec import SPEC
from sandbox.buildio.server import BuildioSimulator
from tests.services.actions.action_harness import ActionHarness, action_harness, as_bot_app

CANARY = "canary-4711-of-a-config-var"
ON = """
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
async def place(tmp_path: Path) -> AsyncIterator[ActionHarness]:
    async with action_harness(tmp_path, rules=ON) as opened:
        await opened.connect("anna", "ben", "carla")
        yield opened


def domain(buildio: BuildioSimulator, hostname: str = "shop.example.com") -> str:
    return buildio.state.add_domain(buildio.shop, hostname, buildio.now()).id


# Of each permission one act, what is said of it in the channel, and what has become of it at Build.io.
Make = Callable[[BuildioSimulator], Action]
Became = Callable[[BuildioSimulator], object]
ACTS: dict[Permission, tuple[Make, str, Became]] = {
    Permission.DEPLOY: (
        lambda at: DeployAction(app=as_bot_app(at.staging), branch="develop"),
        "deploys",
        lambda at: at.staging.deployments[-1].branch == "develop",
    ),
    Permission.RESTART: (
        lambda at: RestartAction(app=as_bot_app(at.shop), dyno="web.1"),
        "restarted `web.1`",
        lambda at: any(one.method == "DELETE" for one in at.requests),
    ),
    Permission.RUN: (
        lambda at: RunCommandAction(app=as_bot_app(at.shop), dyno="web.1", command=("echo", "hello  there")),
        "ran a command in `web.1`",
        lambda at: any(one.path.endswith("/exec") for one in at.requests),
    ),
    Permission.CONFIG: (
        lambda at: SetConfigAction(app=as_bot_app(at.shop), values={"API_KEY": SecretStr(CANARY)}),
        "changed config vars of shop",
        lambda at: at.shop.config.get("API_KEY") == CANARY,
    ),
    Permission.DOMAINS: (
        lambda at: AddDomainAction(app=as_bot_app(at.shop), hostname="shop.example.com"),
        "added the domain shop.example.com",
        lambda at: any(one.hostname == "shop.example.com" for one in at.shop.domains),
    ),
    Permission.CREATE: (
        lambda _: CreateAppAction(name="fresh-app"),
        "created the app fresh-app",
        lambda at: any(one.name == "fresh-app" for one in at.state.apps),
    ),
    Permission.DELETE: (
        lambda at: DeleteNamespaceAction(name=at.namespace.name),
        "deleted the namespace acme-internal",
        lambda at: at.namespace not in at.state.namespaces,
    ),
    Permission.LOGIN: (
        lambda _: ClusterLoginAction(region="eu"),
        "got a credential for the cluster in `eu`",
        lambda at: any(one.path.endswith("/oidc-login") for one in at.requests),
    ),
}


def test_every_permission_of_build_io_is_acted_out() -> None:
    assert set(ACTS) == set(SPEC.permissions) - {Permission.SUBSCRIBE}


@pytest.mark.parametrize("permission", sorted(ACTS))
async def test_only_those_whom_a_rule_names_may_do_it(tmp_path: Path, permission: Permission) -> None:
    make, said, became = ACTS[permission]
    rules = f'[[rule]]\nallow = ["{permission}"]\nwho = ["U0ANNA"]\n'
    async with action_harness(tmp_path, rules=rules) as place:
        buildio = place.harness.buildio
        await place.connect("anna", "ben")
        act = make(buildio)
        assert act.permission is permission
        buildio.requests.clear()
        await place.request(act, "ben")
        await place.wait_for_message("Only Anna Berg may", "ben")
        assert [one for one in buildio.requests if one.method != "GET"] == []
        await place.request(act, "anna")
        await place.wait_for_message(said, None)
        assert became(buildio)
        assert {one.member for one in buildio.requests if one.method != "GET"} <= {"anna-berg"}


@pytest.mark.parametrize("permission", sorted(ACTS))
async def test_what_is_protected_is_done_once_somebody_else_agrees(
    tmp_path: Path, permission: Permission
) -> None:
    make, said, became = ACTS[permission]
    async with action_harness(tmp_path, rules=ON + SECOND) as place:
        buildio = place.harness.buildio
        await place.connect("anna", "ben")
        act = make(buildio)
        assert not became(buildio)
        await place.request(act, "ben")
        asked = await place.wait_for_message("Somebody else must agree", None)
        assert f"ben wants to {act.summary()}" in place.harness.message_text(asked)
        assert not became(buildio)
        await place.harness.press(asked, "Agree", "a second person is the point of it", person="ben")
        await place.harness.users.click("anna", asked, "Agree")
        await place.wait_for_message(said, None)
        await place.harness.wait_until(
            lambda: "anna agreed" in place.harness.message_text(asked) and bool(became(buildio))
        )
        assert "anna" not in {one.member for one in buildio.requests if one.method != "GET"}


@pytest.mark.parametrize("permission", [Permission.RUN, Permission.LOGIN])
async def test_what_is_off_is_nobodys_until_a_rule_names_it(tmp_path: Path, permission: Permission) -> None:
    make, _, became = ACTS[permission]
    everything = '[[rule]]\nallow = "everything"\nwho = ["U0ANNA"]\n'
    for number, rules in enumerate(("", everything)):
        (tmp_path / str(number)).mkdir()
        async with action_harness(tmp_path / str(number), rules=rules) as place:
            await place.connect("anna")
            await place.request(make(place.harness.buildio))
            await place.wait_for_message(f"a rule that names it (`{permission}`)")
            assert not became(place.harness.buildio)


async def test_what_a_role_does_not_allow_build_io_refuses(place: ActionHarness) -> None:
    await place.request(RestartAction(app=as_bot_app(place.harness.buildio.shop)), "carla")
    await place.wait_for_message("no right to do this at Build.io", "carla")


async def test_a_config_vars_value_is_seen_by_build_io_alone(tmp_path: Path) -> None:
    async with action_harness(tmp_path, rules=SECOND) as place:
        buildio = place.harness.buildio
        await place.connect("anna", "ben")
        values = {"API_KEY": SecretStr(CANARY), "LOG_LEVEL": SecretStr("debug")}
        await place.request(SetConfigAction(app=as_bot_app(buildio.shop), values=values), "ben")
        asked = await place.wait_for_message("set the config vars API_KEY, LOG_LEVEL of shop", None)
        await place.harness.stop_bot()
        assert CANARY.encode() not in place.harness.stored_bytes()
        await place.harness.start_bot()
        await place.harness.users.click("anna", asked, "Agree")
        await place.harness.wait_until(lambda: buildio.shop.config.get("API_KEY") == CANARY)
        await place.wait_for_message("changed config vars of shop", None)
        await place.harness.stop_bot()
        assert CANARY.encode() not in place.harness.stored_bytes()
        assert CANARY not in json.dumps(
            [place.harness.message_text(one) for one in place.harness.slack.posts("builds")]
        )
        audited = await place.harness.rows("SELECT body FROM audit WHERE body LIKE '%set_config%'")
        assert len(audited) == 4, "proposed, agreed, begun, done"


async def test_a_value_is_in_no_log_line_and_no_error(
    place: ActionHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = place.harness.buildio.shop
    place.harness.buildio.fault(f"PATCH /api/v1/apps/{shop.id}/config-vars", "status", status=422)
    await place.request(SetConfigAction(app=as_bot_app(shop), values={"API_KEY": SecretStr(CANARY)}))
    await place.wait_for_message("Build.io refuses", "anna")
    printed = capsys.readouterr()
    assert CANARY not in printed.out + printed.err
    assert all(
        CANARY not in place.harness.message_text(one) for one in place.harness.slack.posts("builds", "anna")
    )


async def test_config_vars_are_unset_one_by_one_and_what_was_done_is_said(place: ActionHarness) -> None:
    shop = place.harness.buildio.shop
    await place.request(UnsetConfigAction(app=as_bot_app(shop), keys=("LOG_LEVEL",)))
    await place.wait_for_message("changed config vars of shop", None)
    assert "LOG_LEVEL" not in shop.config
    await place.request(UnsetConfigAction(app=as_bot_app(shop), keys=("DATABASE_URL", "NOT_THERE")))
    await place.wait_for_message("I unset DATABASE_URL, but not NOT_THERE")
    assert "DATABASE_URL" not in shop.config


async def test_an_environments_vars_are_set_and_unset(place: ActionHarness) -> None:
    review = place.harness.buildio.pipeline.environments[0]
    new: dict[str, SecretStr | None] = {"API_KEY": SecretStr(CANARY), "LOG_LEVEL": None}
    await place.request(SetEnvironmentAction(environment=review.id, label="review", values=new))
    await place.wait_for_message("changed config vars of the environment review", None)
    assert review.config["API_KEY"] == CANARY
    assert "LOG_LEVEL" not in review.config
    await place.request(UnsetEnvironmentAction(environment=review.id, label="review", keys=("API_KEY",)))
    await place.harness.wait_until(lambda: "API_KEY" not in review.config)


async def test_a_proposal_shows_the_array_letter_by_letter(tmp_path: Path) -> None:
    async with action_harness(tmp_path, rules=ON + SECOND) as place:
        await place.connect("anna", "ben")
        command = ("/bin/sh", "-c", "echo  'two  spaces' && ls\t`x`\u202e")
        await place.request(
            RunCommandAction(app=as_bot_app(place.harness.buildio.shop), dyno="web.1", command=command), "ben"
        )
        asked = await place.wait_for_message("ben wants to run a command in web.1 of shop", None)
        blocks = [one["text"]["text"] for one in asked.blocks if one["type"] == "section"]
        shown = "".join(text.removeprefix("```\n").removesuffix("\n```") for text in blocks[1:])
        [array] = [one.removeprefix("command: ") for one in shown.splitlines() if one.startswith("command: ")]
    assert json.loads(array.replace("&amp;", "&")) == list(command)


async def test_what_a_command_says_goes_to_whoever_runs_it_without_config_vars(place: ActionHarness) -> None:
    shop = place.harness.buildio.shop
    shop.config["PLAIN_NAME"] = CANARY
    await place.request(
        RunCommandAction(app=as_bot_app(shop), dyno="web.1", command=("printenv", "PLAIN_NAME"))
    )
    await place.wait_for_message("ran a command in `web.1`", None)
    private = await place.wait_for_message("The command in", "anna", "D0ANNA")
    assert CANARY not in place.harness.message_text(private)
    assert "[redacted]" in place.harness.message_text(private)
    await place.request(RunCommandAction(app=as_bot_app(shop), dyno="web.1", command=("echo", "hello")))
    await place.wait_for_message("hello", "anna", "D0ANNA")
    assert all(
        "hello" not in place.harness.message_text(one).replace('"hello"', "")
        for one in place.harness.messages_with("ran a")
    )
    assert "hello" not in str(await place.harness.rows("SELECT content FROM messages"))


async def test_a_command_that_holds_a_secret_is_not_even_asked_for(place: ActionHarness) -> None:
    secret = "ghp" + "_" + "Canary7Gx2" * 3 + "Lk8Zr4"
    await place.request(
        RunCommandAction(
            app=as_bot_app(place.harness.buildio.shop), dyno="web.1", command=("curl", "-u", secret)
        )
    )
    said = await place.wait_for_message("looks like a secret")
    assert secret not in place.harness.message_text(said)
    assert not any(one.path.endswith("/exec") for one in place.harness.buildio.requests)
    await place.harness.stop_bot()
    assert secret.encode() not in place.harness.stored_bytes()


async def test_a_command_without_end_is_owned_up_to(
    place: ActionHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(performing, "RUN_SECONDS", 0.2)
    await place.request(
        RunCommandAction(app=as_bot_app(place.harness.buildio.shop), dyno="web.1", command=("yes",))
    )
    await place.wait_for_message("The command may still run in web.1")


async def test_all_domains_go_only_where_they_are_those_that_were_shown(place: ActionHarness) -> None:
    buildio = place.harness.buildio
    domain(buildio)
    act = RemoveAllDomainsAction(app=as_bot_app(buildio.shop), hostnames=("shop.example.com",))
    domain(buildio, "other.example.com")
    await place.request(act)
    await place.wait_for_message("has got more domains meanwhile")
    await place.request(act.model_copy(update={"hostnames": ("shop.example.com", "other.example.com")}))
    await place.wait_for_message("removed all domains from shop", None)
    assert all(one.is_platform_domain for one in buildio.shop.domains)


async def test_one_domain_is_taken_away(place: ActionHarness) -> None:
    buildio = place.harness.buildio
    identity = domain(buildio)
    await place.request(
        RemoveDomainAction(app=as_bot_app(buildio.shop), domain=identity, hostname="shop.example.com")
    )
    await place.wait_for_message("removed the domain shop.example.com", None)


async def test_a_namespace_is_created_and_a_new_app_is_found_at_once(place: ActionHarness) -> None:
    await place.request(CreateNamespaceAction(name="fresh-space", description="to try"))
    await place.wait_for_message("created the namespace fresh-space", None)
    assert await place.context().visible_apps(Provider.BUILDIO).all()
    await place.request(CreateAppAction(name="fresh-app"))
    await place.wait_for_message("created the app fresh-app", None)
    assert (await place.context().visible_apps(Provider.BUILDIO).find("fresh-app")).title == "fresh-app"


async def test_a_rule_about_stages_protects_what_stands_in_one_or_is_not_known_to(tmp_path: Path) -> None:
    rules = '[[rule]]\nprotect = ["restart", "delete"]\nstages = ["production"]\n'
    async with action_harness(tmp_path, rules=rules) as place:
        buildio = place.harness.buildio
        await place.connect("anna", "ben")
        await place.request(RestartAction(app=as_bot_app(buildio.staging)))
        await place.wait_for_message("restarted all processes of shop-staging", None)
        for app in (buildio.shop, buildio.ledger):
            await place.request(RestartAction(app=as_bot_app(app)))
            await place.wait_for_message(f"wants to restart all dynos of {app.name}", None)
        await place.request(DeleteNamespaceAction(name="acme-internal"))
        await place.wait_for_message("wants to delete the namespace", None)
        buildio.fault("GET /api/v1/pipelines", "status", status=403)
        await place.request(RestartAction(app=as_bot_app(buildio.review)))
        await place.wait_for_message("wants to restart all dynos of shop-pr-42", None)


async def test_a_rule_for_one_provider_leaves_the_other_alone(tmp_path: Path) -> None:
    rules = '[[rule]]\nallow = "everything"\nproviders = ["buildio"]\nwho = "nobody"\n'
    async with action_harness(tmp_path, rules=rules) as place:
        await place.harness.connect("anna")
        await place.connect("anna")
        await place.request(RestartAction(app=as_bot_app(place.harness.buildio.shop)))
        await place.wait_for_message("Nobody may restart dynos of shop here")
        await place.harness.ask("/bitrise trigger android branch:main", "anna started Sample Android #1")


async def test_a_credential_is_a_file_for_one_person_that_is_deleted_after_its_time(
    place: ActionHarness,
) -> None:
    await place.request(ClusterLoginAction(region="eu"))
    await place.wait_for_message("got a credential for the cluster in `eu`", None)
    files = place.harness.slack.workspace.files
    assert [b"ExecCredential" in content for content in files.values()] == [True]
    post = await place.wait_for_message("for you alone", "anna", "D0ANNA")
    assert len(post.files) == 1
    [token] = [json.loads(content)["status"]["token"] for content in files.values()]
    await place.harness.stop_bot()
    assert token.encode() not in place.harness.stored_bytes()
    await place.harness.execute("UPDATE passing_files SET delete_at = '2026-01-01T00:00:00.000000+00:00'")
    await place.harness.start_bot()
    await place.harness.wait_until(lambda: not files)
    assert post.files == []
    await place.harness.wait_until(lambda: not place.harness.count_rows_with("U0ANNA").get("passing_files"))


async def test_a_file_that_somebody_has_deleted_already_is_forgotten(place: ActionHarness) -> None:
    await place.request(ClusterLoginAction(region="eu"))
    await place.wait_for_message("got a credential", None)
    place.harness.slack.fault("files.delete", "error", words="file_deleted")
    await place.harness.stop_bot()
    await place.harness.execute("UPDATE passing_files SET delete_at = '2026-01-01T00:00:00.000000+00:00'")
    await place.harness.start_bot()
    await place.harness.wait_until(lambda: not place.harness.count_rows_with("U0ANNA").get("passing_files"))
