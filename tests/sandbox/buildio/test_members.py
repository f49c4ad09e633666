"""Members of the Build.io simulator: tokens and teams, and changes of both at runtime."""

from __future__ import annotations

import pytest

from sandbox.buildio.members import ANNA_TOKEN, BEN_TOKEN, CARLA_TOKEN, READ_TOKEN, TOKEN, Role
from tests.sandbox.buildio.conftest import MemberClient

ACME, ALL = ["shop", "shop-staging", "shop-pr-42"], ["shop", "shop-staging", "shop-pr-42", "ledger"]


@pytest.mark.parametrize(
    ("token", "email", "apps", "teams"),
    [
        (TOKEN, "build-service@acme.example", ALL, ["acme", "labs"]),
        (READ_TOKEN, "build-service@acme.example", ALL, ["acme", "labs"]),
        (ANNA_TOKEN, "anna-berg@acme.example", ALL, ["acme", "labs"]),
        (BEN_TOKEN, "ben-okafor@acme.example", ACME, ["acme"]),
        (CARLA_TOKEN, "carla-ruiz@acme.example", ACME, ["acme"]),
    ],
)
async def test_each_token_identifies_its_owner_and_lists_their_visible_apps(
    member_client: MemberClient, token: str, email: str, apps: list[str], teams: list[str]
) -> None:
    assert await member_client.get("/me", token=token) == {"email": email}
    assert [item["name"] for item in await member_client.get("/apps", token=token)] == apps
    listed = await member_client.get("/teams", token=token)
    assert [item["name"] for item in listed] == teams
    details = await member_client.get(f"/teams/{listed[0]['id']}", token=token)
    assert {"email": "carla-ruiz@acme.example", "role": "viewer"} in details["members"]


async def test_changes_are_made_in_the_name_of_the_member(member_client: MemberClient) -> None:
    for token, email in ((BEN_TOKEN, "ben-okafor@acme.example"), (TOKEN, "build-service@acme.example")):
        await member_client.ask("POST", "/apps/shop/builds", {}, token=token)
        assert (await member_client.deployment(member_client.buildio.shop))["user"] == {"email": email}


async def test_a_revoked_token_stops_working_at_once_and_a_new_one_works(member_client: MemberClient) -> None:
    buildio = member_client.buildio
    new = buildio.create_token("ben-okafor")
    assert new not in (BEN_TOKEN, buildio.create_token("ben-okafor"))
    buildio.revoke(BEN_TOKEN)
    assert (await member_client.ask("GET", "/me", token=BEN_TOKEN)).status == 401
    assert (await member_client.ask("GET", "/me", token=new)).status == 200
    with pytest.raises(KeyError):
        buildio.revoke(BEN_TOKEN)
    with pytest.raises(KeyError):
        buildio.create_token("nobody")


async def test_a_role_can_be_changed_at_runtime(member_client: MemberClient) -> None:
    buildio = member_client.buildio
    for role, status in ((Role.DEVELOPER, 202), (Role.VIEWER, 403), (None, 404)):
        buildio.set_role("carla-ruiz", buildio.labs, role)
        buildio.set_role("carla-ruiz", buildio.acme, role)
        assert (await member_client.ask("DELETE", "/apps/shop/dynos", token=CARLA_TOKEN)).status == status
        assert (await member_client.ask("GET", "/apps/ledger", token=CARLA_TOKEN)).status == (
            404 if role is None else 200
        )


async def test_a_pipeline_lists_only_visible_apps(member_client: MemberClient) -> None:
    buildio = member_client.buildio
    buildio.pipeline.apps[buildio.ledger] = "production"
    names = [app["name"] for app in await member_client.get("/pipelines/shop/apps", token=BEN_TOKEN)]
    assert names == ["shop-pr-42", "shop-staging", "shop"]
    assert len(await member_client.get("/pipelines/shop/apps", token=ANNA_TOKEN)) == 4


async def test_the_request_log_names_the_member_of_each_request(member_client: MemberClient) -> None:
    await member_client.ask("GET", "/me", token=BEN_TOKEN)
    await member_client.ask("GET", "/me", token="bld_nobody")
    assert [(request.member, request.status) for request in member_client.buildio.requests] == [
        ("ben-okafor", 200),
        ("", 401),
    ]
