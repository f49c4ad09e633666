"""Workspaces, stacks, webhooks and caches of the simulated Bitrise: the fields and types of its published description."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bot.manifest import manifest
from sandbox.bitrise.members import ANNA_TOKEN, CARLA_TOKEN, TOKEN
from sandbox.bitrise.server import BitriseSimulator
from sandbox.environment import SandboxEnvironment
from sandbox.main import sum_up_logs

Json = Any
PERSON = {"slug": str, "username": str, "email": str}
WORKSPACE = {"slug": str, "name": str, "avatar_icon_url": str, "concurrency_count": int, "owners": [PERSON]}
STACK = {
    "id": str,
    "title": str,
    "description": str,
    "os": str,
    "os_version": int,
    "status": str,
    "stack-report": str,
}
PAGING = {"page_item_limit": int, "total_item_count": int}
WEBHOOK = {
    "slug": str,
    "url": str,
    "events": [str],
    "headers": dict,
    "registered_by_addon": bool,
    "created_at": str,
    "updated_at": str,
}
CACHE = {
    "id": str,
    "app_id": str,
    "cache_key": str,
    "archive_filename": str,
    "archive_size": int,
    "storage_provider": str,
    "created_at": str,
    "last_used_at": str,
    "expires_at": str,
}


def assert_shape(value: Json, shape: Json) -> None:
    """Exactly these fields, of these types."""
    if isinstance(shape, dict):
        assert set(value) == set(shape)
        for name, inner in shape.items():
            assert_shape(value[name], inner)
    elif isinstance(shape, list):
        assert value, "an empty list shows nothing"
        for one in value:
            assert_shape(one, shape[0])
    else:
        assert type(value) is shape


class Asking:
    def __init__(self, bitrise: BitriseSimulator, session: aiohttp.ClientSession) -> None:
        self.bitrise, self._session = bitrise, session

    async def __call__(
        self, path: str, *, method: str = "GET", token: str = ANNA_TOKEN, json: Json = None
    ) -> tuple[int, Json]:
        headers = {"Authorization": f"token {token}"}
        url = self.bitrise.api_url + path
        async with self._session.request(method, url, headers=headers, json=json) as answer:
            return answer.status, await answer.json()


@pytest.fixture
async def ask() -> AsyncIterator[Asking]:
    bitrise = await BitriseSimulator().start()
    async with aiohttp.ClientSession() as session:
        yield Asking(bitrise, session)
    await bitrise.close()


async def test_workspaces_say_how_many_builds_run_at_once(ask: Asking) -> None:
    status, listed = await ask("/organizations")
    assert status == 200
    assert_shape(listed, {"data": [WORKSPACE]})
    assert [one["name"] for one in listed["data"]] == ["bitrise-samples", "acme"]
    first = listed["data"][0]
    path = f"/organizations/{first['slug']}"
    assert await ask(path) == (200, {"data": first})
    assert_shape((await ask(f"{path}/members"))[1], [PERSON])
    assert_shape((await ask(f"{path}/groups"))[1], [{"slug": str, "name": str}])
    assert [one["title"] for one in (await ask(f"{path}/apps"))[1]["data"]] == [
        "Sample Android",
        "Sample iOS",
    ]
    for where in ("/available-stacks", f"{path}/available-stacks"):
        _, stacks = await ask(where)
        for name, one in stacks.items():
            assert_shape(one, STACK)
            assert one["id"] == name
    assert len((await ask("/organizations", token=CARLA_TOKEN))[1]["data"]) == 1
    assert (await ask(f"/organizations/{listed['data'][1]['slug']}", token=CARLA_TOKEN))[0] == 404
    assert (await ask(f"{path}/groups", token=CARLA_TOKEN))[0] == 403


async def test_webhooks_are_made_changed_and_deleted(ask: Asking) -> None:
    path = f"/apps/{ask.bitrise.android.slug}/outgoing-webhooks"
    assert (await ask(path))[1] == {"data": [], "paging": {"page_item_limit": 50, "total_item_count": 0}}
    hook = {"url": "https://hooks.example.com/1", "events": ["build"], "secret": "s", "headers": {}}
    for missing in ("url", "events", "secret"):
        without = {name: value for name, value in hook.items() if name != missing}
        assert (await ask(path, method="POST", json=without))[0] == 400
    _, made = await ask(path, method="POST", json=hook)
    assert_shape(made, {"data": WEBHOOK})
    one = f"{path}/{made['data']['slug']}"
    _, changed = await ask(one, method="PUT", json=hook | {"url": "https://hooks.example.com/2"})
    assert changed["data"]["url"] == "https://hooks.example.com/2"
    assert_shape((await ask(path))[1], {"data": [WEBHOOK], "paging": PAGING})
    assert (await ask(f"{one}/delivery-items"))[1]["data"] == []
    assert (await ask(one, method="DELETE"))[0] == 200
    assert (await ask(one, method="DELETE"))[0] == 404
    assert (await ask(f"{path}?next=nothing"))[0] == 400


async def test_a_build_that_succeeded_leaves_a_cache(ask: Asking) -> None:
    path = f"/apps/{ask.bitrise.android.slug}/cache-items"
    assert (await ask(path))[1]["data"] == []
    ask.bitrise.finish(ask.bitrise.start_build(ask.bitrise.android, params={"branch": "release/2.1"}))
    _, listed = await ask(path)
    assert_shape(listed, {"data": [CACHE], "paging": PAGING})
    [item] = listed["data"]
    assert item["cache_key"] == "gradle-release-2.1"
    _, link = await ask(f"{path}/{item['id']}/download")
    async with aiohttp.ClientSession() as session, session.get(link["data"]["download_url"]) as answer:
        assert (answer.status, len(await answer.read())) == (200, item["archive_size"])
    assert (await ask(f"{path}/{item['id']}", method="DELETE"))[0] == 200
    assert (await ask(path))[1]["data"] == []


async def test_a_role_names_its_groups(ask: Asking) -> None:
    path = f"/apps/{ask.bitrise.android.slug}/roles"
    assert_shape((await ask(f"{path}/manager"))[1], {"groups": [str]})
    assert (await ask(f"{path}/king"))[0] == 404
    assert (await ask(f"{path}/manager", token=TOKEN))[0] == 200


async def test_the_sandbox_knows_the_steps_of_a_log() -> None:
    async with SandboxEnvironment(manifest()) as stage:
        await stage.bitrise.start()
        sum_up_logs(stage)
        build = stage.bitrise.start_build(stage.bitrise.android)
        stage.bitrise.finish(build, "error")
        async with aiohttp.ClientSession() as session:
            path = f"/apps/{build.app.slug}/builds/{build.slug}/log/summary"
            status, summary = await Asking(stage.bitrise, session)(path)
        assert status == 200
        assert summary["execution"]["workflows"][0]["steps"]
