"""Driving the sandbox over HTTP, as a script in any language would."""

from __future__ import annotations

from typing import Any

import aiohttp

from bot.manifest import manifest
from sandbox.control import Control
from sandbox.stage import Stage


async def test_a_script_subscribes_lets_a_build_fail_aborts_another_and_reads_the_channel() -> None:
    stage = Stage(manifest())
    async with stage, aiohttp.ClientSession() as session:
        await stage.start(also=Control(stage).add_routes)

        async def do(order: str, **given: Any) -> Any:
            async with session.post(f"{stage.slack.url}/control/{order}", json=given) as response:
                assert response.status == 200, await response.text()
                return await response.json()

        async def read(what: str) -> str:
            async with session.get(f"{stage.slack.url}/control/{what}") as response:
                assert response.status == 200
                return await response.text()

        done = await do("command", person="anna", channel="builds", text="/bitrise subscribe android")
        assert done["acknowledged_in_seconds"] < 3
        await stage.slack.wait_for_post("builds", "subscribed")
        await do("build", app="android", params={"branch": "develop"})
        await do("end", app="android", number=1, result="error")
        await stage.slack.wait_for_post("builds", "#1 failed")
        await do("build", app="android")
        await do("command", person="ben", channel="builds", text="/bitrise build android #2")
        await stage.slack.wait_for_post("builds", "Sample Android #2", viewer="ben")
        await do("click", person="ben", channel="builds", button="Abort")
        await stage.slack.wait_for_modal("ben")
        assert "stops at once" in await read("modal?person=ben")
        await do("submit", person="ben", values={"reason": "by script"})
        await stage.slack.wait_for_post("builds", "ben aborted Sample Android #2: by script")
        assert "by script" in await read("transcript?channel=builds&person=anna")
        assert await read("violations") == "[]"
        assert '"status": "aborted"' in await read("builds")
        async with session.post(
            f"{stage.slack.url}/control/end", json={"app": "nope", "number": 1}
        ) as response:
            assert response.status == 400
        # A web page that somebody has open can send a form, but no JSON, without asking first.
        async with session.post(f"{stage.slack.url}/control/end", data={"app": "android"}) as response:
            assert response.status == 403
