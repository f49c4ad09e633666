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
    visitor: MemberClient, kind: str, name: Any
) -> None:
    assert assert_refused(await visitor.ask("POST", kind, {"name": name}), "name")


async def test_a_name_is_taken_also_by_what_one_does_not_see(visitor: MemberClient) -> None:
    assert assert_refused(
        await visitor.ask("POST", "/apps", {"name": "ledger"}, token=BEN_TOKEN), "already taken"
    )
    assert assert_refused(
        await visitor.ask("POST", "/namespaces", {"name": "acme-internal"}), "already taken"
    )
    assert assert_refused(await visitor.ask("POST", "/apps", {}), "name is required")


@pytest.mark.parametrize("kind", ["/apps", "/namespaces"])
async def test_what_is_new_belongs_to_the_team_that_is_named_or_to_its_maker_alone(
    visitor: MemberClient, kind: str
) -> None:
    acme, labs = visitor.buildio.acme, visitor.buildio.labs
    body = {"name": "till", "team_id": acme.id, "region": "us"}
    made = (await visitor.ask("POST", kind, body, token=BEN_TOKEN)).body
    assert (made["team"], made["region"]["name"]) == ({"id": acme.id, "name": "acme"}, "us")
    assert (await visitor.get(f"{kind}/till", token=ANNA_TOKEN))["id"] == made["id"]
    await visitor.ask("POST", kind, {"name": "private"}, token=BEN_TOKEN)
    assert (await visitor.get(f"{kind}/private", token=BEN_TOKEN))["team"] is None
    assert (await visitor.ask("GET", f"{kind}/private", token=ANNA_TOKEN)).status == 404
    for team in (labs.id, "acme", "nothing", ""):
        assert assert_refused(
            await visitor.ask("POST", kind, {"name": "other", "team_id": team}, token=BEN_TOKEN), "team_id"
        )
    assert assert_refused(await visitor.ask("POST", kind, {"name": "other", "region": "mars"}), "region")


async def test_apps_are_filtered_by_a_team_that_one_is_in(visitor: MemberClient) -> None:
    buildio = visitor.buildio
    listed = await visitor.get(f"/apps?team_id={buildio.acme.id}")
    assert [one["name"] for one in listed] == ["shop", "shop-staging", "shop-pr-42"]
    assert [one["name"] for one in await visitor.get(f"/apps?team_id={buildio.labs.id}")] == ["ledger"]
    assert (await visitor.ask("GET", f"/apps?team_id={buildio.labs.id}", token=BEN_TOKEN)).status == 404


async def test_lists_are_bare_arrays_and_an_apps_list_does_not_tell_of_deployments(
    visitor: MemberClient,
) -> None:
    for path in (
        "/apps",
        "/teams",
        "/namespaces",
        "/pipelines",
        "/pipelines/shop/apps",
        "/apps/shop/domains",
    ):
        assert isinstance(await visitor.get(path), list)
    assert not {"deployment", "deployment_status", "formation"} & set((await visitor.get("/apps"))[0])
    shop = await visitor.get("/apps/shop")
    assert {"formation", "buildpacks", "region", "deployment"} <= set(shop)
    assert await visitor.get(f"/apps/{shop['id']}") == shop


async def test_config_vars_are_text_under_the_names_of_environment_variables(visitor: MemberClient) -> None:
    path = "/apps/shop/config-vars"
    for body in ({}, {"A": None}, {"A": 1}, {"A": ["x"]}, {"A-B": "x"}, {"1A": "x"}, {"": "x"}, {"A B": "x"}):
        assert assert_refused(await visitor.ask("PATCH", path, body), "")
    before = await visitor.get(path)
    assert (await visitor.ask("PATCH", path, {"NEW": "", "LOG_LEVEL": "warn"})).status == 200
    assert await visitor.get(path) == before | {"NEW": "", "LOG_LEVEL": "warn"}
    assert (await visitor.ask("DELETE", f"{path}/NEW")).status == 200
    assert (await visitor.ask("DELETE", f"{path}/NEW")).status == 404


async def test_null_takes_a_config_var_from_an_environment(visitor: MemberClient) -> None:
    path = f"/environments/{visitor.buildio.pipeline.environments[0].id}"
    answer = await visitor.ask("PATCH", path, {"LOG_LEVEL": None, "NEVER_THERE": None, "TRACE": "1"})
    assert answer.status == 200
    assert set(await visitor.get(path)) == {"PAYMENTS_KEY", "TRACE"}
    assert assert_refused(await visitor.ask("PATCH", path, {"A": 1}), "A must be a string")
    assert (await visitor.ask("DELETE", f"{path}/TRACE")).status == 200
    assert (await visitor.ask("DELETE", f"{path}/TRACE")).status == 404


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
async def test_a_domain_is_a_host_name_of_ones_own(visitor: MemberClient, hostname: Any) -> None:
    assert assert_refused(await visitor.ask("POST", "/apps/shop/domains", {"hostname": hostname}), "hostname")


async def test_a_host_name_belongs_to_one_app(visitor: MemberClient) -> None:
    assert (await visitor.ask("POST", "/apps/ledger/domains", {"hostname": "a.acme.example"})).status == 201
    answer = await visitor.ask("POST", "/apps/shop/domains", {"hostname": "a.acme.example"}, token=BEN_TOKEN)
    assert assert_refused(answer, "already taken")
    assert (await visitor.ask("POST", "/apps/shop/domains", {"hostname": "*.b.acme.example"})).status == 201


async def test_the_platforms_own_domain_can_not_be_changed_or_removed(visitor: MemberClient) -> None:
    [own] = await visitor.get("/apps/shop/domains")
    assert own["kind"] == "platform"
    path = f"/apps/shop/domains/{own['id']}"
    assert assert_refused(await visitor.ask("DELETE", path), "platform's own")
    assert assert_refused(await visitor.ask("PATCH", path, {"cert": PEM}), "platform's own")
    await visitor.ask("POST", "/apps/shop/domains", {"hostname": "a.acme.example"})
    await visitor.ask("POST", "/apps/shop/domains", {"hostname": "b.acme.example"})
    assert (await visitor.ask("DELETE", "/apps/shop/domains")).status == 200
    assert await visitor.get("/apps/shop/domains") == [own]


@pytest.mark.parametrize(
    "cert",
    ["", "a certificate", PEM.replace("MII", "!!!"), PEM.replace("MII", "AAA"), PEM.replace("END", "end"), 7],
)
async def test_a_certificate_looks_like_one(visitor: MemberClient, cert: Any) -> None:
    domain = (await visitor.ask("POST", "/apps/shop/domains", {"hostname": "a.acme.example"})).body
    assert assert_refused(
        await visitor.ask("PATCH", f"/apps/shop/domains/{domain['id']}", {"cert": cert}), "cert"
    )
    body = {"hostname": "b.acme.example", "cert": cert}
    assert assert_refused(await visitor.ask("POST", "/apps/shop/domains", body), "cert")
    assert len(visitor.buildio.shop.domains) == 2


@pytest.mark.parametrize(
    "command",
    ["ls", None, {}, [], [""], [1], ["ls", None], ["ls"] * (MOST_PARTS + 1), ["x" * (LONGEST_COMMAND + 1)]],
)
async def test_a_command_is_an_array_of_strings_of_some_size(visitor: MemberClient, command: Any) -> None:
    answer = await visitor.ask("POST", "/apps/shop/dynos/web.1/exec", {"command": command})
    assert assert_refused(answer, "command")


async def test_a_login_is_a_kubernetes_credential_for_a_region_that_there_is(visitor: MemberClient) -> None:
    login = await visitor.get("/oidc-login?region=us")
    assert (login["apiVersion"], login["kind"]) == ("client.authentication.k8s.io/v1", "ExecCredential")
    assert login["status"]["expirationTimestamp"].endswith("Z")
    assert login["status"]["token"] != (await visitor.get("/oidc-login?region=us"))["status"]["token"]
    for path in ("/oidc-login", "/oidc-login?region=", "/oidc-login?region=mars"):
        assert assert_refused(await visitor.ask("GET", path), "region")


async def test_a_namespace_that_holds_apps_is_not_deleted(visitor: MemberClient) -> None:
    visitor.buildio.shop.namespace = visitor.buildio.namespace
    assert assert_refused(await visitor.ask("DELETE", "/namespaces/acme-internal"), "not empty: shop")
    visitor.buildio.shop.namespace = None
    assert (await visitor.ask("DELETE", "/namespaces/acme-internal")).status == 200
    assert await visitor.get("/namespaces") == []


async def test_a_pipeline_tells_its_environments_its_review_apps_and_the_stages_of_its_apps(
    visitor: MemberClient,
) -> None:
    pipeline = await visitor.get("/pipelines/shop")
    assert [one["name"] for one in pipeline["environments"]] == ["review", "staging"]
    assert pipeline["review_apps"]["enabled"] is True
    stages = {one["name"]: one["stage"] for one in await visitor.get("/pipelines/shop/apps")}
    assert stages == {"shop-pr-42": "review", "shop-staging": "staging", "shop": "production"}


async def test_sparse_answers_hold_what_the_reference_names_and_no_more(visitor: MemberClient) -> None:
    visitor.buildio.manner.sparse = True
    shop = await visitor.get("/apps/shop")
    assert shop["deployment_status"] == "succeeded"
    assert "deployment" not in shop
    assert await visitor.get("/apps/shop/dynos/list") == [
        {"name": name, "status": "up"} for name in ("web.1", "web.2", "worker.1")
    ]
    assert (await visitor.ask("POST", "/apps/shop/builds", {})).body == {"status": "pending"}
    assert (await visitor.get("/apps/shop"))["deployment_status"] == "pending"
    answer = await visitor.ask("PATCH", "/apps/shop/config-vars", {"A": "x"})
    assert (answer.status, answer.body) == (204, None)
    done = await visitor.ask("POST", "/apps/shop-staging/dynos/web.1/exec", {"command": ["echo", "hi"]})
    assert done.body == {"output": "hi\n"}


async def test_the_notes_hold_no_token_no_config_value_and_no_credential(visitor: MemberClient) -> None:
    await visitor.ask("PATCH", "/apps/shop/config-vars", {"API_KEY": "very-secret"})
    await visitor.get("/apps/shop/config-vars")
    await visitor.get(f"/environments/{visitor.buildio.pipeline.environments[0].id}")
    await visitor.ask("POST", "/apps/shop/domains", {"hostname": "a.acme.example", "cert": PEM})
    credential = (await visitor.get("/oidc-login?region=eu"))["status"]["token"]
    journal = [entry.as_json() for entry in visitor.buildio.journal.entries]
    written = repr(journal) + repr(visitor.buildio.requests) + repr(visitor.buildio.members)
    for secret in ("very-secret", "pk_sandbox", "postgres://", "MIIB", credential, ANNA_TOKEN):
        assert secret not in written
    assert [entry["request"]["as"] for entry in journal] == ["anna-berg"] * 5
    assert "API_KEY" in written
