"""What the simulated Build.io refuses of what people type: names, config vars, host names, commands, regions."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.buildio.api.dynos import LONGEST_COMMAND, MOST_PARTS
from sandbox.buildio.members import ANNA_TOKEN, BEN_TOKEN
from tests.sandbox.buildio.conftest import PEM, ApiResponse, MemberClient


def assert_refused(answer: ApiResponse, words: str) -> bool:
    return (answer.status, answer.code) == (422, "invalid_params") and words in answer.body["message"]


@pytest.mark.parametrize("kind", ["/apps", "/namespaces"])
@pytest.mark.parametrize(
    "name", ["", "ab", "a" * 31, "Shop", "1shop", "-shop", "shop-", "my shop", "sh_op", 7, None]
)
async def test_a_name_is_short_lower_case_and_begins_with_a_letter(
    member_client: MemberClient, kind: str, name: Any
) -> None:
    assert assert_refused(await member_client.ask("POST", kind, {"name": name}), "name")


async def test_a_name_is_taken_also_by_what_one_does_not_see(member_client: MemberClient) -> None:
    assert assert_refused(
        await member_client.ask("POST", "/apps", {"name": "ledger"}, token=BEN_TOKEN), "already taken"
    )
    assert assert_refused(
        await member_client.ask("POST", "/namespaces", {"name": "acme-internal"}), "already taken"
    )
    assert assert_refused(await member_client.ask("POST", "/apps", {}), "name is required")


@pytest.mark.parametrize("kind", ["/apps", "/namespaces"])
async def test_what_is_new_belongs_to_the_team_that_is_named_or_to_its_maker_alone(
    member_client: MemberClient, kind: str
) -> None:
    acme, labs = member_client.buildio.acme, member_client.buildio.labs
    body = {"name": "till", "team_id": acme.id, "region": "us"}
    made = (await member_client.ask("POST", kind, body, token=BEN_TOKEN)).body
    assert (made["team"], made["region"]["name"]) == ({"id": acme.id, "name": "acme"}, "us")
    assert (await member_client.get(f"{kind}/till", token=ANNA_TOKEN))["id"] == made["id"]
    await member_client.ask("POST", kind, {"name": "private"}, token=BEN_TOKEN)
    assert (await member_client.get(f"{kind}/private", token=BEN_TOKEN))["team"] is None
    assert (await member_client.ask("GET", f"{kind}/private", token=ANNA_TOKEN)).status == 404
    for team in (labs.id, "acme", "nothing", ""):
        assert assert_refused(
            await member_client.ask("POST", kind, {"name": "other", "team_id": team}, token=BEN_TOKEN),
            "team_id",
        )
    assert assert_refused(
        await member_client.ask("POST", kind, {"name": "other", "region": "mars"}), "region"
    )


async def test_apps_are_filtered_by_a_team_that_one_is_in(member_client: MemberClient) -> None:
    buildio = member_client.buildio
    listed = await member_client.get(f"/apps?team_id={buildio.acme.id}")
    assert [one["name"] for one in listed] == ["shop", "shop-staging", "shop-pr-42"]
    assert [one["name"] for one in await member_client.get(f"/apps?team_id={buildio.labs.id}")] == ["ledger"]
    assert (await member_client.ask("GET", f"/apps?team_id={buildio.labs.id}", token=BEN_TOKEN)).status == 404


async def test_lists_are_bare_arrays_and_an_apps_list_does_not_tell_of_deployments(
    member_client: MemberClient,
) -> None:
    for path in (
        "/apps",
        "/teams",
        "/namespaces",
        "/pipelines",
        "/pipelines/shop/apps",
        "/apps/shop/domains",
    ):
        assert isinstance(await member_client.get(path), list)
    assert not {"deployment", "deployment_status", "formation"} & set((await member_client.get("/apps"))[0])
    shop = await member_client.get("/apps/shop")
    assert {"formation", "buildpacks", "region", "deployment"} <= set(shop)
    assert await member_client.get(f"/apps/{shop['id']}") == shop


async def test_config_vars_are_text_under_the_names_of_environment_variables(
    member_client: MemberClient,
) -> None:
    path = "/apps/shop/config-vars"
    for body in ({}, {"A": None}, {"A": 1}, {"A": ["x"]}, {"A-B": "x"}, {"1A": "x"}, {"": "x"}, {"A B": "x"}):
        assert assert_refused(await member_client.ask("PATCH", path, body), "")
    before = await member_client.get(path)
    assert (await member_client.ask("PATCH", path, {"NEW": "", "LOG_LEVEL": "warn"})).status == 200
    assert await member_client.get(path) == before | {"NEW": "", "LOG_LEVEL": "warn"}
    assert (await member_client.ask("DELETE", f"{path}/NEW")).status == 200
    assert (await member_client.ask("DELETE", f"{path}/NEW")).status == 404


async def test_null_takes_a_config_var_from_an_environment(member_client: MemberClient) -> None:
    path = f"/environments/{member_client.buildio.pipeline.environments[0].id}"
    answer = await member_client.ask("PATCH", path, {"LOG_LEVEL": None, "NEVER_THERE": None, "TRACE": "1"})
    assert answer.status == 200
    assert set(await member_client.get(path)) == {"PAYMENTS_KEY", "TRACE"}
    assert assert_refused(await member_client.ask("PATCH", path, {"A": 1}), "A must be a string")
    assert (await member_client.ask("DELETE", f"{path}/TRACE")).status == 200
    assert (await member_client.ask("DELETE", f"{path}/TRACE")).status == 404


@pytest.mark.parametrize(
    "hostname",
    [
        "",
        "shop",
        "http://a.example",
        "a.example/x",
        "-a.example",
        "a..example",
        "A.example",
        "a b.example",
        "a.example.",
        "*.*.example",
        "127.0.0.1",
        f"{'a' * 64}.example",
        "mine.eu.buildapps.example",
        7,
    ],
)
async def test_a_domain_is_a_host_name_of_ones_own(member_client: MemberClient, hostname: Any) -> None:
    assert assert_refused(
        await member_client.ask("POST", "/apps/shop/domains", {"hostname": hostname}), "hostname"
    )


async def test_a_host_name_belongs_to_one_app(member_client: MemberClient) -> None:
    assert (
        await member_client.ask("POST", "/apps/ledger/domains", {"hostname": "a.acme.example"})
    ).status == 201
    answer = await member_client.ask(
        "POST", "/apps/shop/domains", {"hostname": "a.acme.example"}, token=BEN_TOKEN
    )
    assert assert_refused(answer, "already taken")
    assert (
        await member_client.ask("POST", "/apps/shop/domains", {"hostname": "*.b.acme.example"})
    ).status == 201


async def test_the_platforms_own_domain_can_not_be_changed_or_removed(member_client: MemberClient) -> None:
    [own] = await member_client.get("/apps/shop/domains")
    assert own["kind"] == "platform"
    path = f"/apps/shop/domains/{own['id']}"
    assert assert_refused(await member_client.ask("DELETE", path), "platform's own")
    assert assert_refused(await member_client.ask("PATCH", path, {"cert": PEM}), "platform's own")
    await member_client.ask("POST", "/apps/shop/domains", {"hostname": "a.acme.example"})
    await member_client.ask("POST", "/apps/shop/domains", {"hostname": "b.acme.example"})
    assert (await member_client.ask("DELETE", "/apps/shop/domains")).status == 200
    assert await member_client.get("/apps/shop/domains") == [own]


@pytest.mark.parametrize(
    "cert",
    ["", "a certificate", PEM.replace("MII", "!!!"), PEM.replace("MII", "AAA"), PEM.replace("END", "end"), 7],
)
async def test_a_certificate_looks_like_one(member_client: MemberClient, cert: Any) -> None:
    domain = (await member_client.ask("POST", "/apps/shop/domains", {"hostname": "a.acme.example"})).body
    assert assert_refused(
        await member_client.ask("PATCH", f"/apps/shop/domains/{domain['id']}", {"cert": cert}), "cert"
    )
    body = {"hostname": "b.acme.example", "cert": cert}
    assert assert_refused(await member_client.ask("POST", "/apps/shop/domains", body), "cert")
    assert len(member_client.buildio.shop.domains) == 2


@pytest.mark.parametrize(
    "command",
    ["ls", None, {}, [], [""], [1], ["ls", None], ["ls"] * (MOST_PARTS + 1), ["x" * (LONGEST_COMMAND + 1)]],
)
async def test_a_command_is_an_array_of_strings_of_some_size(
    member_client: MemberClient, command: Any
) -> None:
    answer = await member_client.ask("POST", "/apps/shop/dynos/web.1/exec", {"command": command})
    assert assert_refused(answer, "command")


async def test_a_login_is_a_kubernetes_credential_for_a_region_that_there_is(
    member_client: MemberClient,
) -> None:
    login = await member_client.get("/oidc-login?region=us")
    assert (login["apiVersion"], login["kind"]) == ("client.authentication.k8s.io/v1", "ExecCredential")
    assert login["status"]["expirationTimestamp"].endswith("Z")
    assert login["status"]["token"] != (await member_client.get("/oidc-login?region=us"))["status"]["token"]
    for path in ("/oidc-login", "/oidc-login?region=", "/oidc-login?region=mars"):
        assert assert_refused(await member_client.ask("GET", path), "region")


async def test_a_namespace_that_holds_apps_is_not_deleted(member_client: MemberClient) -> None:
    member_client.buildio.shop.namespace = member_client.buildio.namespace
    assert assert_refused(await member_client.ask("DELETE", "/namespaces/acme-internal"), "not empty: shop")
    member_client.buildio.shop.namespace = None
    assert (await member_client.ask("DELETE", "/namespaces/acme-internal")).status == 200
    assert await member_client.get("/namespaces") == []


async def test_a_pipeline_tells_its_environments_its_review_apps_and_the_stages_of_its_apps(
    member_client: MemberClient,
) -> None:
    pipeline = await member_client.get("/pipelines/shop")
    assert [one["name"] for one in pipeline["environments"]] == ["review", "staging"]
    assert pipeline["review_apps"]["enabled"] is True
    stages = {one["name"]: one["stage"] for one in await member_client.get("/pipelines/shop/apps")}
    assert stages == {"shop-pr-42": "review", "shop-staging": "staging", "shop": "production"}


async def test_sparse_answers_hold_what_the_reference_names_and_no_more(member_client: MemberClient) -> None:
    member_client.buildio.manner.sparse = True
    shop = await member_client.get("/apps/shop")
    assert shop["deployment_status"] == "succeeded"
    assert "deployment" not in shop
    assert await member_client.get("/apps/shop/dynos/list") == [
        {"name": name, "status": "up"} for name in ("web.1", "web.2", "worker.1")
    ]
    assert (await member_client.ask("POST", "/apps/shop/builds", {})).body == {"status": "pending"}
    assert (await member_client.get("/apps/shop"))["deployment_status"] == "pending"
    answer = await member_client.ask("PATCH", "/apps/shop/config-vars", {"A": "x"})
    assert (answer.status, answer.body) == (204, None)
    done = await member_client.ask("POST", "/apps/shop-staging/dynos/web.1/exec", {"command": ["echo", "hi"]})
    assert done.body == {"output": "hi\n"}


async def test_the_notes_hold_no_token_no_config_value_and_no_credential(member_client: MemberClient) -> None:
    await member_client.ask("PATCH", "/apps/shop/config-vars", {"API_KEY": "very-secret"})
    await member_client.get("/apps/shop/config-vars")
    await member_client.get(f"/environments/{member_client.buildio.pipeline.environments[0].id}")
    await member_client.ask("POST", "/apps/shop/domains", {"hostname": "a.acme.example", "cert": PEM})
    credential = (await member_client.get("/oidc-login?region=eu"))["status"]["token"]
    journal = [entry.as_json() for entry in member_client.buildio.journal.entries]
    written = repr(journal) + repr(member_client.buildio.requests) + repr(member_client.buildio.members)
    for secret in ("very-secret", "pk_sandbox", "postgres://", "MIIB", credential, ANNA_TOKEN):
        assert secret not in written
    assert [entry["request"]["as"] for entry in journal] == ["anna-berg"] * 5
    assert "API_KEY" in written
