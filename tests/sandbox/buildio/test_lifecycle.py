"""Lifecycles in the Build.io simulator: deployments, dynos and certificates."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sandbox.buildio.state import App
from tests.sandbox.buildio.conftest import PEM, MemberClient


async def dynos(member_client: MemberClient, app: App) -> dict[str, Any]:
    return {item["name"]: item for item in await member_client.get(f"/apps/{app.name}/dynos/list")}


async def test_a_deployment_passes_through_its_states_and_replaces_the_dynos(
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
    assert [item["status"] for item in seen] == ["pending", "building", "releasing", "succeeded"]
    assert {item["id"] for item in seen} == {started["id"]}
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
    assert {dyno["state"] for dyno in (await dynos(member_client, shop)).values()} == {"up"}


async def test_an_app_whose_code_needs_a_config_var_fails_until_it_is_set(
    member_client: MemberClient,
) -> None:
    domain = (await member_client.ask("POST", "/apps", {"name": "till"})).body
    assert (domain["deployment"], await member_client.get("/apps/till/dynos/list")) == (None, [])
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
    assert [item["state"] for item in await member_client.get("/apps/till/dynos/list")] == ["up"]


async def test_an_unknown_branch_fails_while_building(member_client: MemberClient) -> None:
    shop = member_client.buildio.shop
    assert (await member_client.ask("POST", "/apps/shop/builds", {"branch": "nope"})).status == 201
    member_client.wait(minutes=5)
    ended = await member_client.deployment(shop)
    assert (ended["status"], ended["error"]) == ("failed", "Build failed: couldn't find remote ref nope")
    assert {dyno["state"] for dyno in (await dynos(member_client, shop)).values()} == {"up"}


async def test_deployments_of_an_app_queue_and_the_newest_is_current(
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


async def test_a_deployment_can_be_ended_by_hand_and_still_fails_for_its_own_reason(
    member_client: MemberClient,
) -> None:
    buildio = member_client.buildio
    buildio.deploy(buildio.shop)
    assert buildio.finish(buildio.shop, error="boom").error == "boom"
    buildio.deploy(buildio.shop, fails="no")
    assert buildio.finish(buildio.shop).status == "failed"
    buildio.deploy(buildio.shop)
    assert buildio.finish(buildio.shop).status == "succeeded"
    with pytest.raises(ValueError, match="shop has no running deployment"):
        buildio.finish(buildio.shop)


async def test_a_crashed_dyno_restarts_and_counts_the_restart(member_client: MemberClient) -> None:
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


async def test_a_crash_loop_lasts_until_it_is_stopped(
    member_client: MemberClient,
) -> None:
    buildio, shop = member_client.buildio, member_client.buildio.shop
    dyno = buildio.dyno(shop, "worker.1")
    buildio.start_crash_loop(dyno)
    member_client.wait(minutes=2, seconds=50)
    assert (await dynos(member_client, shop))["worker.1"]["restarts"] == 4
    assert len(dyno.crashed_at) == 4
    assert dyno.crashed_at == sorted(set(dyno.crashed_at))
    buildio.stop_crash_loop(dyno)
    member_client.wait(minutes=3)
    assert (await dynos(member_client, shop))["worker.1"]["state"] == "up"
    assert dyno.restarts == 4


async def test_a_successful_deployment_can_crash_loop_until_the_next(
    member_client: MemberClient,
) -> None:
    buildio, shop = member_client.buildio, member_client.buildio.shop
    buildio.deploy(shop, loops=True)
    buildio.finish(shop)
    member_client.wait(minutes=5)
    assert (await member_client.deployment(shop))["status"] == "succeeded"
    assert all(dyno["restarts"] for dyno in (await dynos(member_client, shop)).values())
    buildio.deploy(shop)
    buildio.finish(shop)
    member_client.wait(minutes=5)
    assert {(dyno["state"], dyno["restarts"]) for dyno in (await dynos(member_client, shop)).values()} == {
        ("up", 0)
    }


async def test_a_restart_creates_new_dynos_and_resets_the_counter(member_client: MemberClient) -> None:
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
    assert {dyno["state"] for dyno in (await dynos(member_client, shop)).values()} == {"up"}


async def test_changing_config_vars_restarts_the_dynos(member_client: MemberClient) -> None:
    before = await dynos(member_client, member_client.buildio.shop)
    await member_client.ask("PATCH", "/apps/shop/config-vars", {"LOG_LEVEL": "debug"})
    after = await dynos(member_client, member_client.buildio.shop)
    assert all(after[name]["id"] != before[name]["id"] for name in before)


async def test_an_idle_dyno_sleeps_until_it_is_restarted(member_client: MemberClient) -> None:
    buildio, shop = member_client.buildio, member_client.buildio.shop
    buildio.idle(buildio.dyno(shop))
    member_client.wait(minutes=30)
    assert (await dynos(member_client, shop))["web.1"]["state"] == "idle"
    response = await member_client.ask("POST", "/apps/shop/dynos/web.1/exec", {"command": ["ls"]})
    assert (response.status, response.body["message"]) == (422, "web.1 is not running: it is idle")
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
async def test_a_domain_gets_its_certificate_after_a_while_or_fails(
    member_client: MemberClient, hostname: str, ends: str, error: str | None
) -> None:
    added = (await member_client.ask("POST", "/apps/shop/domains", {"hostname": hostname})).body
    path, seen = f"/apps/shop/domains/{added['id']}", [added["ssl"]]
    for seconds in (20, 40):
        member_client.wait(seconds=seconds)
        seen.append((await member_client.get(path))["ssl"])
    assert [item["status"] for item in seen] == ["pending", "verifying", ends]
    assert seen[-1]["error"] == error
    assert (seen[-1]["expires_at"] is not None) is (ends == "issued")
    assert "ssl" not in (await member_client.get("/apps/shop/domains"))[-1]


async def test_an_uploaded_certificate_is_active_at_once(member_client: MemberClient) -> None:
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


async def test_new_resources_run_at_the_speed_of_the_simulator(member_client: MemberClient) -> None:
    member_client.buildio.state.speed = 60
    member_client.buildio.deploy(member_client.buildio.shop)
    member_client.wait(seconds=2.1)
    assert (await member_client.deployment(member_client.buildio.shop))["status"] == "succeeded"


async def test_advance_reports_whether_anything_changed(member_client: MemberClient) -> None:
    buildio = member_client.buildio
    buildio.deploy(buildio.shop)
    assert buildio.advance() is False
    member_client.clock.skip(timedelta(seconds=11))
    assert buildio.advance() is True
    assert buildio.advance() is False
