"""The control API over HTTP, as scripts use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp

from bot.manifest import manifest
from sandbox.control_api import ControlApi
from tests.support.forked_bot import forked_environment
from tests.third_party_apps.distributed_app import MANIFEST, run_distributed_app


async def test_the_control_api_selects_a_workspace_by_team(tmp_path: Path) -> None:
    async with forked_environment(MANIFEST) as environment, aiohttp.ClientSession() as session:
        await environment.start_simulators(add_routes=ControlApi(environment).add_routes)

        async def do(command: str, **given: Any) -> Any:
            async with session.post(f"{environment.slack.url}/control/{command}", json=given) as response:
                return await response.json()

        async def read(subject: str) -> Any:
            async with session.get(f"{environment.slack.url}/control/{subject}") as response:
                return await response.json(content_type=None)

        added = await do("workspace", team="T0ACME", name="Acme", enterprise={"id": "E0GRID", "name": "Grid"})
        assert (added["installed"], added["enterprise"]["id"]) == (False, "E0GRID")
        async with run_distributed_app(environment.slack, tmp_path) as visitor:
            done = await do("install", install_url=visitor.install_url, team="T0ACME", person="dana")
            assert done["status"] == 200
            assert [item["installed"] for item in await read("workspaces")] == [True, True]
            await do("invite", team="T0ACME", channel="builds")
            await do("command", team="T0ACME", person="emil", channel="builds", text="/greet")
            await environment.slack.workspaces["T0ACME"].wait_for_post("builds", "Hello @emil")
            assert [item["team"] for item in await read("posts?team=T0ACME")] == ["T0ACME"]
            assert await read("posts") == []
            group = {"team": "T0ACME", "id": "S0X", "handle": "x", "users": ["emil"]}
            assert (await do("group", **group))["users"] == ["U0ACMEEMIL"]
            assert await do("leave", team="T0ACME", person="emil") == {}
            assert (await read("groups?team=T0ACME"))[0]["users"] == []
            assert (await do("group", team="T0ACME", id="S0X", disabled=True))["date_delete"] > 0
            assert [item["deleted"] for item in await read("people?team=T0ACME")] == [False, True, False]
            assert [item["handle"] for item in await read("groups")] == ["release-team"]
            assert "emil has left Acme" in (await do("home", team="T0ACME", person="emil"))["error"]
            assert await do("uninstall", team="T0ACME") == {}
            assert [item["installed"] for item in await read("workspaces")] == [True, False]
        assert "tokens do not rotate" in (await do("expire"))["error"]
        for refused in (await do("say", team="T0X", person="anna"), await read("posts?team=T0X")):
            assert "no workspace T0X" in refused["error"]


async def test_the_control_api_runs_a_subscription_a_failure_and_an_abort() -> None:
    environment = forked_environment(manifest())
    async with environment, aiohttp.ClientSession() as session:
        await environment.start(add_routes=ControlApi(environment).add_routes)
        await environment.connect_accounts("anna", "ben")

        async def do(command: str, **given: Any) -> Any:
            async with session.post(f"{environment.slack.url}/control/{command}", json=given) as response:
                assert response.status == 200, await response.text()
                return await response.json()

        async def read(subject: str) -> str:
            async with session.get(f"{environment.slack.url}/control/{subject}") as response:
                assert response.status == 200
                return await response.text()

        done = await do("command", person="anna", channel="builds", text="/bitrise subscribe android")
        assert done["acknowledged_in_seconds"] < 3
        await environment.slack.wait_for_post("builds", "subscribed")
        await do("build", app="android", params={"branch": "develop"})
        await do("end", app="android", number=1, result="error")
        await environment.slack.wait_for_post("builds", "#1 failed")
        await do("build", app="android")
        await do("command", person="ben", channel="builds", text="/bitrise build android #2")
        await environment.slack.wait_for_post("builds", "Sample Android #2", viewer="ben")
        await do("click", person="ben", channel="builds", button="Abort…")
        await environment.slack.wait_for_modal("ben")
        assert "at once and posts your name" in await read("modal?person=ben")
        await do("submit", person="ben", values={"reason": "by script"})
        await environment.slack.wait_for_post("builds", "ben aborted Sample Android #2: by script")
        assert "by script" in await read("transcript?channel=builds&person=anna")
        assert await read("violations") == "[]"
        assert '"status": "aborted"' in await read("builds")
        async with session.post(
            f"{environment.slack.url}/control/end", json={"app": "nope", "number": 1}
        ) as response:
            assert response.status == 400
        # A web page can send a form without a preflight request, but no JSON.
        async with session.post(f"{environment.slack.url}/control/end", data={"app": "android"}) as response:
            assert response.status == 403


async def test_the_control_api_reacts_edits_deletes_joins_and_leaves() -> None:
    async with forked_environment(MANIFEST) as environment, aiohttp.ClientSession() as session:
        await environment.start_simulators(add_routes=ControlApi(environment).add_routes)

        async def do(command: str, **given: Any) -> Any:
            async with session.post(f"{environment.slack.url}/control/{command}", json=given) as response:
                return await response.json()

        reply = await do("say", person="ben", channel="builds", text="helo")
        message = {"channel": "builds", "ts": reply["ts"]}
        await do("react", person="anna", emoji=":eyes:", **message)
        await do("edit", person="ben", text="hello", **message)
        refused = await do("edit", person="anna", text="mine", **message)
        assert refused == {"error": "this is not anna's message"}
        [post] = environment.slack.posts("builds")
        assert (post.text, post.edited, post.reactions) == ("hello", True, {"eyes": ["U0ANNA"]})
        await do("react", person="anna", emoji="eyes", **message)
        assert post.reactions == {}
        await do("delete", person="ben", **message)
        assert environment.slack.posts("builds") == []
        await do("part", person="ben", channel="builds")
        assert "U0BEN" not in environment.slack.workspace.find_channel("builds").members
        await do("join", person="ben", channel="builds")
        assert "U0BEN" in environment.slack.workspace.find_channel("builds").members
