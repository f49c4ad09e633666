"""The control commands of Build.io, and what the page shows of them."""

from __future__ import annotations

import io
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bot.manifest import manifest
from sandbox.buildio.control import DEFAULT_BUILD_ERROR
from sandbox.buildio.members import BEN_TOKEN, CARLA_TOKEN
from sandbox.console import Console
from sandbox.control_api import ControlApi
from sandbox.environment import BUILDIO_TOKENS, SandboxEnvironment
from sandbox.page.change_feed import ChangeFeed


class ControlClient:
    def __init__(self, environment: SandboxEnvironment, session: aiohttp.ClientSession) -> None:
        self.environment, self._session = environment, session

    async def send(self, command: str, **given: Any) -> tuple[int, Any]:
        url = f"{self.environment.slack.url}/control/{command}"
        async with self._session.post(url, json=given) as response:
            return response.status, await response.json()

    async def run(self, command: str, **given: Any) -> Any:
        status, result = await self.send(command, **given)
        assert status == 200, result
        return result

    async def read(self, subject: str) -> dict[str, Any]:
        async with self._session.get(f"{self.environment.slack.url}/control/{subject}") as response:
            assert response.status == 200
            return {item.get("name") or item["username"]: item for item in await response.json()}


@pytest.fixture
async def control_client() -> AsyncIterator[ControlClient]:
    environment = SandboxEnvironment(manifest())
    async with environment, aiohttp.ClientSession() as session:
        await environment.start_simulators(add_routes=ControlApi(environment).add_routes)
        yield ControlClient(environment, session)


async def test_the_control_api_starts_successful_and_failing_deployments(
    control_client: ControlClient,
) -> None:
    assert (await control_client.run("buildio-deploy", app="shop-st", branch="develop"))["deployment"] == {
        "version": 2,
        "status": "pending",
        "branch": "develop",
        "error": None,
    }
    await control_client.run("skip", seconds=180)
    assert (await control_client.read("buildio"))["shop-staging"]["deployment"]["status"] == "succeeded"
    await control_client.run("buildio-deploy", app="shop", fails=True)
    await control_client.run("skip", seconds=180)
    failed = (await control_client.read("buildio"))["shop"]["deployment"]
    assert (failed["status"], failed["error"].startswith("Build failed")) == ("failed", True)
    await control_client.run("buildio-deploy", app="shop", fails="no disk")
    assert (await control_client.run("buildio-end", app="shop"))["deployment"]["error"] == "no disk"
    await control_client.run("buildio-deploy", app="shop", loops=True)
    ended = await control_client.run("buildio-end", app="shop")
    assert all(dyno["loops"] for dyno in ended["dynos"])


async def test_the_control_api_crashes_loops_steadies_and_idles_dynos(control_client: ControlClient) -> None:
    def web(app: Any, name: str = "web.1") -> Any:
        return next(dyno for dyno in app["dynos"] if dyno["name"] == name)

    assert web(await control_client.run("buildio-crash", app="shop"))["state"] == "crashed"
    await control_client.run("buildio-loop", app="shop", dyno="web.2")
    await control_client.run("skip", seconds=180)
    shop = (await control_client.read("buildio"))["shop"]
    assert (web(shop)["restarts"], web(shop, "web.2")["restarts"]) == (1, 4)
    assert (
        web(await control_client.run("buildio-steady", app="shop", dyno="web.2"), "web.2")["loops"] is False
    )
    assert web(await control_client.run("buildio-idle", app="shop"))["state"] == "idle"


async def test_the_control_api_adds_domains_and_sets_their_certificate_status(
    control_client: ControlClient,
) -> None:
    for status, given in (
        ("pending", {}),
        ("issued", {"status": "issued"}),
        ("failed", {"status": "failed"}),
    ):
        app = await control_client.run("buildio-domain", app="shop", hostname="a.acme.example", **given)
        assert app["domains"][1:] == [{"hostname": "a.acme.example", "status": status}]


async def test_the_control_api_changes_members_and_response_options(control_client: ControlClient) -> None:
    buildio = control_client.environment.buildio
    ben = (await control_client.read("buildio-members"))["ben-okafor"]
    assert (ben["roles"], ben["tokens"]) == ({"acme": "developer"}, [BEN_TOKEN])
    changed = await control_client.run("buildio-role", member="ben", team="labs", role="viewer")
    assert changed["roles"] == {"acme": "developer", "labs": "viewer"}
    assert await control_client.run("buildio-revoke", member="ben") == {"revoked": 1}
    new = (await control_client.run("buildio-token", member="ben"))["token"]
    assert (await control_client.read("buildio-members"))["ben-okafor"]["tokens"] == [new]
    assert await control_client.run("buildio-manner", sparse=True) == {"sparse": True, "exec_seconds": 60.0}
    await control_client.run("buildio-redirect", uri="https://bot.example/back")
    assert buildio.redirect_uris == ["https://bot.example/back"]
    await control_client.run("buildio-expire", member="carla")
    assert (await control_client.read("buildio-members"))["carla-ruiz"]["tokens"] == [CARLA_TOKEN]
    await control_client.run("pace", pace=60)
    assert buildio.state.speed == 60
    await control_client.run("buildio-fault", match="GET /api/v1/apps", kind="status", status=503, times=3)
    assert [fault.times for fault in buildio.faults.active] == [3]
    await control_client.run("heal")
    assert buildio.faults.active == []


@pytest.mark.parametrize(
    ("command", "parameters"),
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
async def test_an_invalid_control_command_returns_the_reason(
    control_client: ControlClient, command: str, parameters: Any
) -> None:
    status, result = await control_client.send(command, **parameters)
    assert (status, bool(result["error"])) == (400, True)


async def test_the_page_receives_deployments_dynos_and_faults(control_client: ControlClient) -> None:
    feed, buildio = ChangeFeed(control_client.environment), control_client.environment.buildio
    first = feed.next() or {}
    assert [app["name"] for app in first["buildio_apps"]] == ["shop", "shop-staging", "shop-pr-42", "ledger"]
    buildio.deploy(buildio.shop)
    buildio.fault("*", "slow")
    changes = feed.next() or {}
    assert changes["buildio_apps"][0]["deployment"]["status"] == "pending"
    assert [fault["at"] for fault in changes["faults"]] == ["Build.io"]
    assert feed.next() is None


async def test_the_bot_gets_the_service_token_and_users_have_their_own(
    control_client: ControlClient,
) -> None:
    members = await control_client.read("buildio-members")
    assert {
        name: members[f"{name}-{rest}"]["tokens"][0]
        for name, rest in (("anna", "berg"), ("ben", "okafor"), ("carla", "ruiz"))
    } == BUILDIO_TOKENS


async def test_the_console_deploys_and_crashes_dynos(monkeypatch: pytest.MonkeyPatch) -> None:
    environment, lines = SandboxEnvironment(manifest()), list[str]()
    typed = "deploy shop badly\ndeploy shop-st\ncrash shop web.2\nloop shop worker.1\nsteady shop\nloop shop web.7\nquit\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    async with environment:
        await environment.start_simulators()
        assert await Console(environment, lines.append).run()
    shop, staging = environment.buildio.shop, environment.buildio.staging
    assert shop.deployments[-1].fails == DEFAULT_BUILD_ERROR
    assert len(staging.deployments) == 2
    assert [(dyno.state, dyno.loops) for dyno in shop.dynos] == [
        ("up", False),
        ("crashed", False),
        ("crashed", True),
    ]
    assert "  shop has no dyno web.7; it has web.1, web.2, worker.1" in lines
