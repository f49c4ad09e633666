"""A script drives the simulated Build.io over the control API, and the page is told what happens there."""

from __future__ import annotations

import io
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bot.manifest import manifest
from sandbox.buildio.control import FAILURE
from sandbox.buildio.members import BEN_TOKEN, CARLA_TOKEN
from sandbox.console import Console
from sandbox.control_api import ControlApi
from sandbox.environment import BUILDIO_TOKENS, SandboxEnvironment
from sandbox.page.change_feed import ChangeFeed


class ControlClient:
    def __init__(self, stage: SandboxEnvironment, session: aiohttp.ClientSession) -> None:
        self.stage, self._session = stage, session

    async def do(self, order: str, **given: Any) -> tuple[int, Any]:
        url = f"{self.stage.slack.url}/control/{order}"
        async with self._session.post(url, json=given) as response:
            return response.status, await response.json()

    async def done(self, order: str, **given: Any) -> Any:
        status, answer = await self.do(order, **given)
        assert status == 200, answer
        return answer

    async def read(self, what: str) -> dict[str, Any]:
        async with self._session.get(f"{self.stage.slack.url}/control/{what}") as response:
            assert response.status == 200
            return {one.get("name") or one["username"]: one for one in await response.json()}


@pytest.fixture
async def control_client() -> AsyncIterator[ControlClient]:
    stage = SandboxEnvironment(manifest())
    async with stage, aiohttp.ClientSession() as session:
        await stage.open(also=ControlApi(stage).add_routes)
        yield ControlClient(stage, session)


async def test_a_script_deploys_well_and_badly(control_client: ControlClient) -> None:
    assert (await control_client.done("buildio-deploy", app="shop-st", branch="develop"))["deployment"] == {
        "version": 2,
        "status": "pending",
        "branch": "develop",
        "error": None,
    }
    await control_client.done("skip", seconds=180)
    assert (await control_client.read("buildio"))["shop-staging"]["deployment"]["status"] == "succeeded"
    await control_client.done("buildio-deploy", app="shop", fails=True)
    await control_client.done("skip", seconds=180)
    failed = (await control_client.read("buildio"))["shop"]["deployment"]
    assert (failed["status"], failed["error"].startswith("Build failed")) == ("failed", True)
    await control_client.done("buildio-deploy", app="shop", fails="no disk")
    assert (await control_client.done("buildio-end", app="shop"))["deployment"]["error"] == "no disk"
    await control_client.done("buildio-deploy", app="shop", loops=True)
    ended = await control_client.done("buildio-end", app="shop")
    assert all(one["loops"] for one in ended["dynos"])


async def test_a_script_lets_dynos_crash_loop_rest_and_sleep(control_client: ControlClient) -> None:
    def web(app: Any, name: str = "web.1") -> Any:
        return next(one for one in app["dynos"] if one["name"] == name)

    assert web(await control_client.done("buildio-crash", app="shop"))["state"] == "crashed"
    await control_client.done("buildio-loop", app="shop", dyno="web.2")
    await control_client.done("skip", seconds=180)
    shop = (await control_client.read("buildio"))["shop"]
    assert (web(shop)["restarts"], web(shop, "web.2")["restarts"]) == (1, 4)
    assert (
        web(await control_client.done("buildio-steady", app="shop", dyno="web.2"), "web.2")["loops"] is False
    )
    assert web(await control_client.done("buildio-idle", app="shop"))["state"] == "idle"


async def test_a_script_adds_domains_and_says_what_becomes_of_them(control_client: ControlClient) -> None:
    for status, given in (
        ("pending", {}),
        ("issued", {"status": "issued"}),
        ("failed", {"status": "failed"}),
    ):
        app = await control_client.done("buildio-domain", app="shop", hostname="a.acme.example", **given)
        assert app["domains"][1:] == [{"hostname": "a.acme.example", "status": status}]


async def test_a_script_changes_members_and_how_build_io_answers(control_client: ControlClient) -> None:
    buildio = control_client.stage.buildio
    ben = (await control_client.read("buildio-members"))["ben-okafor"]
    assert (ben["roles"], ben["tokens"]) == ({"acme": "developer"}, [BEN_TOKEN])
    changed = await control_client.done("buildio-role", member="ben", team="labs", role="viewer")
    assert changed["roles"] == {"acme": "developer", "labs": "viewer"}
    assert await control_client.done("buildio-revoke", member="ben") == {"revoked": 1}
    new = (await control_client.done("buildio-token", member="ben"))["token"]
    assert (await control_client.read("buildio-members"))["ben-okafor"]["tokens"] == [new]
    assert await control_client.done("buildio-manner", sparse=True) == {"sparse": True, "exec_seconds": 60.0}
    await control_client.done("buildio-redirect", uri="https://bot.example/back")
    assert buildio.redirect_uris == ["https://bot.example/back"]
    await control_client.done("buildio-expire", member="carla")
    assert (await control_client.read("buildio-members"))["carla-ruiz"]["tokens"] == [CARLA_TOKEN]
    await control_client.done("pace", pace=60)
    assert buildio.platform.pace == 60
    await control_client.done("buildio-fault", match="GET /api/v1/apps", kind="status", status=503, times=3)
    assert [one.times for one in buildio.faults.active] == [3]
    await control_client.done("heal")
    assert buildio.faults.active == []


@pytest.mark.parametrize(
    ("order", "given"),
    [
        ("buildio-deploy", {"app": "nope"}),
        ("buildio-deploy", {"app": ""}),
        ("buildio-end", {"app": "shop"}),
        ("buildio-crash", {"app": "shop", "dyno": "web.9"}),
        ("buildio-loop", {"app": "ledger"}),
        ("buildio-domain", {"app": "shop", "hostname": "a.acme.example", "status": "fine"}),
        ("buildio-role", {"member": "ben", "team": "moon", "role": "viewer"}),
        ("buildio-role", {"member": "ben", "team": "labs", "role": "king"}),
        ("buildio-token", {"member": "dora"}),
        ("buildio-fault", {"kind": "status"}),
    ],
)
async def test_an_order_that_can_not_be_followed_says_why(
    control_client: ControlClient, order: str, given: Any
) -> None:
    status, answer = await control_client.do(order, **given)
    assert (status, bool(answer["error"])) == (400, True)


async def test_the_page_hears_of_deployments_dynos_and_faults(control_client: ControlClient) -> None:
    feed, buildio = ChangeFeed(control_client.stage), control_client.stage.buildio
    first = feed.next() or {}
    assert [one["name"] for one in first["platform"]] == ["shop", "shop-staging", "shop-pr-42", "ledger"]
    buildio.deploy(buildio.shop)
    buildio.fault("*", "slow")
    news = feed.next() or {}
    assert news["platform"][0]["deployment"]["status"] == "pending"
    assert [one["at"] for one in news["faults"]] == ["Build.io"]
    assert feed.next() is None


async def test_the_bot_is_given_the_services_token_and_people_have_their_own(
    control_client: ControlClient,
) -> None:
    members = await control_client.read("buildio-members")
    assert {
        name: members[f"{name}-{rest}"]["tokens"][0]
        for name, rest in (("anna", "berg"), ("ben", "okafor"), ("carla", "ruiz"))
    } == BUILDIO_TOKENS


async def test_the_terminal_deploys_and_lets_dynos_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, said = SandboxEnvironment(manifest()), list[str]()
    typed = "deploy shop badly\ndeploy shop-st\ncrash shop web.2\nloop shop worker.1\nsteady shop\nloop shop web.7\nquit\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    async with stage:
        await stage.open()
        assert await Console(stage, said.append).run()
    shop, staging = stage.buildio.shop, stage.buildio.staging
    assert shop.deployments[-1].fails == FAILURE
    assert len(staging.deployments) == 2
    assert [(one.state, one.loops) for one in shop.dynos] == [
        ("up", False),
        ("crashed", False),
        ("crashed", True),
    ]
    assert "  shop has no dyno web.7; it has web.1, web.2, worker.1" in said
