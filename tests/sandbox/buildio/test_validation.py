"""Input validation of the Build.io simulator: names, config vars, host names, commands and regions."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.buildio.api.dynos import MAX_COMMAND_LENGTH, MAX_PARTS
from sandbox.buildio.members import ANNA_TOKEN, BEN_TOKEN
from tests.sandbox.buildio.conftest import PEM, ApiResponse, MemberClient


def assert_refused(response: ApiResponse, message: str) -> bool:
    return (response.status, response.code) == (422, "invalid_params") and message in response.body["message"]


@pytest.mark.parametrize("kind", ["/apps", "/namespaces"])
@pytest.mark.parametrize(
    "name", ["", "ab", "a" * 31, "Shop", "1shop", "-shop", "shop-", "my shop", "sh_op", 7, None]
)
async def test_a_name_is_short_lower_case_and_begins_with_a_letter(
    member_client: MemberClient, kind: str, name: Any
) -> None:
    assert assert_refused(await member_client.ask("POST", kind, {"name": name}), "name")


async def test_a_name_is_taken_even_by_a_resource_that_the_member_cannot_see(
    member_client: MemberClient,
) -> None:
    assert assert_refused(
        await member_client.ask("POST", "/apps", {"name": "ledger"}, token=BEN_TOKEN), "already taken"
    )
    assert assert_refused(
        await member_client.ask("POST", "/namespaces", {"name": "acme-internal"}), "already taken"
    )
    assert assert_refused(await member_client.ask("POST", "/apps", {}), "name is required")


@pytest.mark.parametrize("kind", ["/apps", "/namespaces"])
async def test_a_new_resource_belongs_to_the_named_team_or_to_its_creator(
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


async def test_apps_are_filtered_by_a_team_of_the_member(member_client: MemberClient) -> None:
    buildio = member_client.buildio
    listed = await member_client.get(f"/apps?team_id={buildio.acme.id}")
    assert [item["name"] for item in listed] == ["shop", "shop-staging", "shop-pr-42"]
    assert [item["name"] for item in await member_client.get(f"/apps?team_id={buildio.labs.id}")] == [
        "ledger"
    ]
    assert (await member_client.ask("GET", f"/apps?team_id={buildio.labs.id}", token=BEN_TOKEN)).status == 404


async def test_lists_are_plain_arrays_and_the_app_list_omits_deployments(
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


async def test_config_vars_are_strings_with_environment_variable_names(
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


async def test_null_removes_a_config_var_from_an_environment(member_client: MemberClient) -> None:
    path = f"/environments/{member_client.buildio.pipeline.environments[0].id}"
    response = await member_client.ask("PATCH", path, {"LOG_LEVEL": None, "NEVER_THERE": None, "TRACE": "1"})
    assert response.status == 200
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
async def test_a_domain_must_be_a_valid_host_name(member_client: MemberClient, hostname: Any) -> None:
    assert assert_refused(
        await member_client.ask("POST", "/apps/shop/domains", {"hostname": hostname}), "hostname"
    )


async def test_a_host_name_belongs_to_one_app_only(member_client: MemberClient) -> None:
    assert (
        await member_client.ask("POST", "/apps/ledger/domains", {"hostname": "a.acme.example"})
    ).status == 201
    response = await member_client.ask(
        "POST", "/apps/shop/domains", {"hostname": "a.acme.example"}, token=BEN_TOKEN
    )
    assert assert_refused(response, "already taken")
    assert (
        await member_client.ask("POST", "/apps/shop/domains", {"hostname": "*.b.acme.example"})
    ).status == 201


async def test_the_platform_domain_cannot_be_changed_or_removed(member_client: MemberClient) -> None:
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
async def test_a_certificate_must_be_pem(member_client: MemberClient, cert: Any) -> None:
    domain = (await member_client.ask("POST", "/apps/shop/domains", {"hostname": "a.acme.example"})).body
    assert assert_refused(
        await member_client.ask("PATCH", f"/apps/shop/domains/{domain['id']}", {"cert": cert}), "cert"
    )
    body = {"hostname": "b.acme.example", "cert": cert}
    assert assert_refused(await member_client.ask("POST", "/apps/shop/domains", body), "cert")
    assert len(member_client.buildio.shop.domains) == 2


@pytest.mark.parametrize(
    "command",
    ["ls", None, {}, [], [""], [1], ["ls", None], ["ls"] * (MAX_PARTS + 1), ["x" * (MAX_COMMAND_LENGTH + 1)]],
)
async def test_a_command_is_an_array_of_strings_of_limited_size(
    member_client: MemberClient, command: Any
) -> None:
    response = await member_client.ask("POST", "/apps/shop/dynos/web.1/exec", {"command": command})
    assert assert_refused(response, "command")


async def test_a_login_is_a_kubernetes_credential_for_an_existing_region(
    member_client: MemberClient,
) -> None:
    login = await member_client.get("/oidc-login?region=us")
    assert (login["apiVersion"], login["kind"]) == ("client.authentication.k8s.io/v1", "ExecCredential")
    assert login["status"]["expirationTimestamp"].endswith("Z")
    assert login["status"]["token"] != (await member_client.get("/oidc-login?region=us"))["status"]["token"]
    for path in ("/oidc-login", "/oidc-login?region=", "/oidc-login?region=mars"):
        assert assert_refused(await member_client.ask("GET", path), "region")


async def test_a_namespace_with_apps_cannot_be_deleted(member_client: MemberClient) -> None:
    member_client.buildio.shop.namespace = member_client.buildio.namespace
    assert assert_refused(await member_client.ask("DELETE", "/namespaces/acme-internal"), "not empty: shop")
    member_client.buildio.shop.namespace = None
    assert (await member_client.ask("DELETE", "/namespaces/acme-internal")).status == 200
    assert await member_client.get("/namespaces") == []


async def test_a_pipeline_shows_its_environments_review_apps_and_stages(
    member_client: MemberClient,
) -> None:
    pipeline = await member_client.get("/pipelines/shop")
    assert [environment["name"] for environment in pipeline["environments"]] == ["review", "staging"]
    assert pipeline["review_apps"]["enabled"] is True
    stages = {item["name"]: item["stage"] for item in await member_client.get("/pipelines/shop/apps")}
    assert stages == {"shop-pr-42": "review", "shop-staging": "staging", "shop": "production"}


async def test_sparse_responses_contain_only_documented_fields(member_client: MemberClient) -> None:
    member_client.buildio.response_options.sparse = True
    shop = await member_client.get("/apps/shop")
    assert shop["deployment_status"] == "succeeded"
    assert "deployment" not in shop
    assert await member_client.get("/apps/shop/dynos/list") == [
        {"name": name, "status": "up"} for name in ("web.1", "web.2", "worker.1")
    ]
    assert (await member_client.ask("POST", "/apps/shop/builds", {})).body == {"status": "pending"}
    assert (await member_client.get("/apps/shop"))["deployment_status"] == "pending"
    response = await member_client.ask("PATCH", "/apps/shop/config-vars", {"A": "x"})
    assert (response.status, response.body) == (204, None)
    done = await member_client.ask("POST", "/apps/shop-staging/dynos/web.1/exec", {"command": ["echo", "hi"]})
    assert done.body == {"output": "hi\n"}


async def test_the_request_log_contains_no_tokens_config_values_or_credentials(
    member_client: MemberClient,
) -> None:
    await member_client.ask("PATCH", "/apps/shop/config-vars", {"API_KEY": "very-secret"})
    await member_client.get("/apps/shop/config-vars")
    await member_client.get(f"/environments/{member_client.buildio.pipeline.environments[0].id}")
    await member_client.ask("POST", "/apps/shop/domains", {"hostname": "a.acme.example", "cert": PEM})
    credential = (await member_client.get("/oidc-login?region=eu"))["status"]["token"]
    request_log = [entry.to_json() for entry in member_client.buildio.request_log.entries]
    written = repr(request_log) + repr(member_client.buildio.requests) + repr(member_client.buildio.members)
    for secret in ("very-secret", "pk_sandbox", "postgres://", "MIIB", credential, ANNA_TOKEN):
        assert secret not in written
    assert [entry["request"]["as"] for entry in request_log] == ["anna-berg"] * 5
    assert "API_KEY" in written
