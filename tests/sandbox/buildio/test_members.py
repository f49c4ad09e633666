"""People at the simulated Build.io: their tokens, their teams, and what changes of both while it runs."""

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
async def test_each_token_tells_whose_it_is_and_lists_what_they_see(
    member_client: MemberClient, token: str, email: str, apps: list[str], teams: list[str]
) -> None:
    assert await member_client.get("/me", token=token) == {"email": email}
    assert [one["name"] for one in await member_client.get("/apps", token=token)] == apps
    listed = await member_client.get("/teams", token=token)
    assert [one["name"] for one in listed] == teams
    details = await member_client.get(f"/teams/{listed[0]['id']}", token=token)
    assert {"email": "carla-ruiz@acme.example", "role": "viewer"} in details["members"]


async def test_what_is_done_is_done_in_the_members_name(member_client: MemberClient) -> None:
    for token, email in ((BEN_TOKEN, "ben-okafor@acme.example"), (TOKEN, "build-service@acme.example")):
        await member_client.ask("POST", "/apps/shop/builds", {}, token=token)
        assert (await member_client.deployment(member_client.buildio.shop))["user"] == {"email": email}


async def test_a_revoked_token_ends_at_once_and_a_new_one_begins(member_client: MemberClient) -> None:
    buildio = member_client.buildio
    new = buildio.give_token("ben-okafor")
    assert new not in (BEN_TOKEN, buildio.give_token("ben-okafor"))
    buildio.revoke(BEN_TOKEN)
    assert (await member_client.ask("GET", "/me", token=BEN_TOKEN)).status == 401
    assert (await member_client.ask("GET", "/me", token=new)).status == 200
    with pytest.raises(KeyError):
        buildio.revoke(BEN_TOKEN)
    with pytest.raises(KeyError):
        buildio.give_token("nobody")


async def test_a_role_changes_while_build_io_runs(member_client: MemberClient) -> None:
    buildio = member_client.buildio
    for role, status in ((Role.DEVELOPER, 202), (Role.VIEWER, 403), (None, 404)):
        buildio.let("carla-ruiz", buildio.labs, role)
        buildio.let("carla-ruiz", buildio.acme, role)
        assert (await member_client.ask("DELETE", "/apps/shop/dynos", token=CARLA_TOKEN)).status == status
        assert (await member_client.ask("GET", "/apps/ledger", token=CARLA_TOKEN)).status == (
            404 if role is None else 200
        )


async def test_a_pipeline_shows_those_of_its_apps_that_one_sees(member_client: MemberClient) -> None:
    buildio = member_client.buildio
    buildio.pipeline.apps[buildio.ledger] = "production"
    names = [one["name"] for one in await member_client.get("/pipelines/shop/apps", token=BEN_TOKEN)]
    assert names == ["shop-pr-42", "shop-staging", "shop"]
    assert len(await member_client.get("/pipelines/shop/apps", token=ANNA_TOKEN)) == 4


async def test_the_notes_say_who_sent_each_request(member_client: MemberClient) -> None:
    await member_client.ask("GET", "/me", token=BEN_TOKEN)
    await member_client.ask("GET", "/me", token="bld_nobody")
    assert [(one.member, one.status) for one in member_client.buildio.requests] == [
        ("ben-okafor", 200),
        ("", 401),
    ]
