"""Apps at the simulated Build.io live: deployments come out or fail, dynos crash, domains get their certificates."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sandbox.buildio.state import App
from tests.sandbox.buildio.conftest import PEM, MemberClient


async def dynos(member_client: MemberClient, app: App) -> dict[str, Any]:
    return {one["name"]: one for one in await member_client.get(f"/apps/{app.name}/dynos/list")}


async def test_a_deployment_goes_through_its_states_and_its_dynos_take_the_places_of_the_old(
    member_client: MemberClient,
) -> None:
    shop = member_client.buildio.shop
    before = await dynos(member_client, shop)
    body = {"branch": "main", "commitish": "b1709b1", "description": "Stricter login"}
    started = (await member_client.ask("POST", "/apps/shop/builds", body)).body
    seen = [await member_client.deployment(shop)]
    for seconds in (11, 90, 20):
        assert (await dynos(member_client, shop))["web.1"]["id"] == before["web.1"]["id"]
        member_client.wait(seconds=seconds)
        seen.append(await member_client.deployment(shop))
    assert [one["status"] for one in seen] == ["pending", "building", "releasing", "succeeded"]
    assert {one["id"] for one in seen} == {started["id"]}
    assert {
        key: seen[-1][key] for key in ("version", "branch", "commit", "description", "error", "user")
    } == {
        "version": 2,
        "branch": "main",
        "commit": "b1709b1",
        "description": "Stricter login",
        "error": None,
        "user": {"email": "anna-berg@acme.example"},
    }
    assert seen[0]["finished_at"] is None
    assert seen[-1]["created_at"] < seen[-1]["finished_at"]
    after = await dynos(member_client, shop)
    assert list(after) == ["web.1", "web.2", "worker.1"]
    assert after["web.1"]["id"] != before["web.1"]["id"]
    assert after["web.1"]["state"] == "starting"
    member_client.wait(seconds=10)
    assert {one["state"] for one in (await dynos(member_client, shop)).values()} == {"up"}


async def test_an_app_whose_code_needs_a_config_var_fails_until_it_is_set(
    member_client: MemberClient,
) -> None:
    made = (await member_client.ask("POST", "/apps", {"name": "till"})).body
    assert (made["deployment"], await member_client.get("/apps/till/dynos/list")) == (None, [])
    await member_client.ask("POST", "/apps/till/builds", {})
    member_client.wait(minutes=5)
    first = (await member_client.get("/apps/till"))["deployment"]
    assert (first["status"], first["error"]) == (
        "failed",
        "Release failed: config var DATABASE_URL is not set",
    )
    assert await member_client.get("/apps/till/dynos/list") == []
    await member_client.ask("PATCH", "/apps/till/config-vars", {"DATABASE_URL": "postgres://till"})
    await member_client.ask("POST", "/apps/till/builds", {})
    member_client.wait(minutes=5)
    second = (await member_client.get("/apps/till"))["deployment"]
    assert (second["status"], second["version"]) == ("succeeded", 2)
    assert [one["state"] for one in await member_client.get("/apps/till/dynos/list")] == ["up"]


async def test_a_branch_that_is_not_there_fails_while_it_is_built(member_client: MemberClient) -> None:
    shop = member_client.buildio.shop
    assert (await member_client.ask("POST", "/apps/shop/builds", {"branch": "nope"})).status == 201
    member_client.wait(minutes=5)
    ended = await member_client.deployment(shop)
    assert (ended["status"], ended["error"]) == ("failed", "Build failed: couldn't find remote ref nope")
    assert {one["state"] for one in (await dynos(member_client, shop)).values()} == {"up"}


async def test_deployments_of_an_app_wait_for_each_other_and_the_newest_is_the_current_one(
    member_client: MemberClient,
) -> None:
    shop = member_client.buildio.shop
    first, second = member_client.buildio.deploy(shop, fails="no"), member_client.buildio.deploy(shop)
    member_client.wait(seconds=60)
    assert (first.status, second.status) == ("building", "pending")
    assert (await member_client.deployment(shop))["version"] == second.version
    member_client.wait(seconds=60)
    assert (first.status, second.status) == ("failed", "building")
    member_client.wait(minutes=2)
    assert second.status == "succeeded"
    assert first.finished_at is not None
    assert second.finished_at is not None
    assert first.finished_at < second.finished_at


async def test_a_deployment_is_ended_by_hand_and_fails_where_it_would(member_client: MemberClient) -> None:
    buildio = member_client.buildio
    buildio.deploy(buildio.shop)
    assert buildio.finish(buildio.shop, error="boom").error == "boom"
    buildio.deploy(buildio.shop, fails="no")
    assert buildio.finish(buildio.shop).status == "failed"
    buildio.deploy(buildio.shop)
    assert buildio.finish(buildio.shop).status == "succeeded"
    with pytest.raises(ValueError, match="nothing of shop"):
        buildio.finish(buildio.shop)


async def test_a_dyno_that_crashes_once_comes_up_again_and_counts_it(member_client: MemberClient) -> None:
    buildio, shop = member_client.buildio, member_client.buildio.shop
    before = (await dynos(member_client, shop))["web.1"]
    buildio.crash(buildio.dyno(shop, "web.1"))
    assert (await dynos(member_client, shop))["web.1"]["state"] == "crashed"
    member_client.wait(seconds=20)
    again = (await dynos(member_client, shop))["web.1"]
    assert (again["state"], again["restarts"]) == ("starting", 1)
    member_client.wait(minutes=5)
    after = (await dynos(member_client, shop))["web.1"]
    assert (after["state"], after["restarts"], after["id"]) == ("up", 1, before["id"])
    assert after["created_at"] > before["created_at"]
    assert (await dynos(member_client, shop))["web.2"]["restarts"] == 0


async def test_a_dyno_that_loops_crashes_again_and_again_until_it_is_steady(
    member_client: MemberClient,
) -> None:
    buildio, shop = member_client.buildio, member_client.buildio.shop
    dyno = buildio.dyno(shop, "worker.1")
    buildio.loop(dyno)
    member_client.wait(minutes=2, seconds=50)
    assert (await dynos(member_client, shop))["worker.1"]["restarts"] == 4
    assert len(dyno.crashed_at) == 4
    assert dyno.crashed_at == sorted(set(dyno.crashed_at))
    buildio.steady(dyno)
    member_client.wait(minutes=3)
    assert (await dynos(member_client, shop))["worker.1"]["state"] == "up"
    assert dyno.restarts == 4


async def test_a_deployment_may_come_out_and_its_dynos_loop_until_the_next(
    member_client: MemberClient,
) -> None:
    buildio, shop = member_client.buildio, member_client.buildio.shop
    buildio.deploy(shop, loops=True)
    buildio.finish(shop)
    member_client.wait(minutes=5)
    assert (await member_client.deployment(shop))["status"] == "succeeded"
    assert all(one["restarts"] for one in (await dynos(member_client, shop)).values())
    buildio.deploy(shop)
    buildio.finish(shop)
    member_client.wait(minutes=5)
    assert {(one["state"], one["restarts"]) for one in (await dynos(member_client, shop)).values()} == {
        ("up", 0)
    }


async def test_restarting_gives_new_dynos_and_counts_from_nothing(member_client: MemberClient) -> None:
    buildio, shop = member_client.buildio, member_client.buildio.shop
    buildio.crash(buildio.dyno(shop, "web.1"))
    member_client.wait(minutes=1)
    before = await dynos(member_client, shop)
    assert (await member_client.ask("DELETE", "/apps/shop/dynos/web.1")).status == 202
    one = await dynos(member_client, shop)
    assert (one["web.1"]["state"], one["web.1"]["restarts"]) == ("restarting", 0)
    assert one["web.1"]["id"] != before["web.1"]["id"]
    assert one["web.2"] == before["web.2"]
    assert (await member_client.ask("DELETE", "/apps/shop/dynos/web.7")).status == 404
    member_client.wait(minutes=1)
    assert (await member_client.ask("DELETE", "/apps/shop/dynos")).status == 202
    everything = await dynos(member_client, shop)
    assert all(everything[name]["created_at"] > before[name]["created_at"] for name in before)
    member_client.wait(minutes=1)
    assert {one["state"] for one in (await dynos(member_client, shop)).values()} == {"up"}


async def test_config_that_changes_restarts_the_dynos(member_client: MemberClient) -> None:
    before = await dynos(member_client, member_client.buildio.shop)
    await member_client.ask("PATCH", "/apps/shop/config-vars", {"LOG_LEVEL": "debug"})
    after = await dynos(member_client, member_client.buildio.shop)
    assert all(after[name]["id"] != before[name]["id"] for name in before)


async def test_a_dyno_sleeps_until_it_is_restarted(member_client: MemberClient) -> None:
    buildio, shop = member_client.buildio, member_client.buildio.shop
    buildio.idle(buildio.dyno(shop))
    member_client.wait(minutes=30)
    assert (await dynos(member_client, shop))["web.1"]["state"] == "idle"
    answer = await member_client.ask("POST", "/apps/shop/dynos/web.1/exec", {"command": ["ls"]})
    assert (answer.status, answer.body["message"]) == (422, "web.1 is not running: it is idle")
    await member_client.ask("DELETE", "/apps/shop/dynos/web.1")
    member_client.wait(minutes=1)
    assert (await dynos(member_client, shop))["web.1"]["state"] == "up"


@pytest.mark.parametrize(
    ("hostname", "ends", "error"),
    [
        ("shop.acme.example", "issued", None),
        ("shop.acme.invalid", "failed", "shop.acme.invalid does not resolve to shop.eu.buildapps.example"),
    ],
)
async def test_a_domain_gets_its_certificate_over_time_or_not(
    member_client: MemberClient, hostname: str, ends: str, error: str | None
) -> None:
    added = (await member_client.ask("POST", "/apps/shop/domains", {"hostname": hostname})).body
    path, seen = f"/apps/shop/domains/{added['id']}", [added["ssl"]]
    for seconds in (20, 40):
        member_client.wait(seconds=seconds)
        seen.append((await member_client.get(path))["ssl"])
    assert [one["status"] for one in seen] == ["pending", "verifying", ends]
    assert seen[-1]["error"] == error
    assert (seen[-1]["expires_at"] is not None) is (ends == "issued")
    assert "ssl" not in (await member_client.get("/apps/shop/domains"))[-1]


async def test_a_certificate_that_is_given_is_there_at_once(member_client: MemberClient) -> None:
    body = {"hostname": "a.acme.invalid", "cert": PEM}
    given = (await member_client.ask("POST", "/apps/shop/domains", body)).body
    assert given["ssl"] == {"status": "issued", "error": None, "source": "uploaded", "expires_at": None}
    other = (await member_client.ask("POST", "/apps/shop/domains", {"hostname": "b.acme.invalid"})).body
    member_client.wait(minutes=2)
    path = f"/apps/shop/domains/{other['id']}"
    assert (await member_client.get(path))["ssl"]["status"] == "failed"
    assert (await member_client.ask("PATCH", path, {"cert": PEM})).body["ssl"]["status"] == "issued"
    assert (await member_client.ask("DELETE", path)).status == 200
    assert (await member_client.ask("GET", path)).status == 404


async def test_what_is_new_lives_at_the_platforms_pace(member_client: MemberClient) -> None:
    member_client.buildio.platform.pace = 60
    member_client.buildio.deploy(member_client.buildio.shop)
    member_client.wait(seconds=2.1)
    assert (await member_client.deployment(member_client.buildio.shop))["status"] == "succeeded"


async def test_somebody_hears_that_something_came_further(member_client: MemberClient) -> None:
    buildio = member_client.buildio
    buildio.deploy(buildio.shop)
    assert buildio.advance() is False
    member_client.clock.skip(timedelta(seconds=11))
    assert buildio.advance() is True
    assert buildio.advance() is False
