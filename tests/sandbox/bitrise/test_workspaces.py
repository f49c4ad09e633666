"""Workspaces, stacks, webhooks and caches of the Bitrise simulator: the fields and types of the published description."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bot.manifest import manifest
from sandbox.bitrise.members import ANNA_TOKEN, CARLA_TOKEN, TOKEN
from sandbox.bitrise.server import BitriseSimulator
from sandbox.environment import SandboxEnvironment
from sandbox.example_data import enable_log_summaries

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
    """Assert exactly these fields with these types."""
    if isinstance(shape, dict):
        assert set(value) == set(shape)
        for name, inner in shape.items():
            assert_shape(value[name], inner)
    elif isinstance(shape, list):
        assert value, "an empty list shows nothing"
        for item in value:
            assert_shape(item, shape[0])
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
        async with self._session.request(method, url, headers=headers, json=json) as response:
            return response.status, await response.json()


@pytest.fixture
async def send_request() -> AsyncIterator[Asking]:
    bitrise = await BitriseSimulator().start()
    async with aiohttp.ClientSession() as session:
        yield Asking(bitrise, session)
    await bitrise.close()


async def test_workspaces_return_their_concurrency(send_request: Asking) -> None:
    status, listed = await send_request("/organizations")
    assert status == 200
    assert_shape(listed, {"data": [WORKSPACE]})
    assert [item["name"] for item in listed["data"]] == ["bitrise-samples", "acme"]
    first = listed["data"][0]
    path = f"/organizations/{first['slug']}"
    assert await send_request(path) == (200, {"data": first})
    assert_shape((await send_request(f"{path}/members"))[1], [PERSON])
    assert_shape((await send_request(f"{path}/groups"))[1], [{"slug": str, "name": str}])
    assert [item["title"] for item in (await send_request(f"{path}/apps"))[1]["data"]] == [
        "Sample Android",
        "Sample iOS",
    ]
    for where in ("/available-stacks", f"{path}/available-stacks"):
        _, stacks = await send_request(where)
        for name, one in stacks.items():
            assert_shape(one, STACK)
            assert one["id"] == name
    assert len((await send_request("/organizations", token=CARLA_TOKEN))[1]["data"]) == 1
    assert (await send_request(f"/organizations/{listed['data'][1]['slug']}", token=CARLA_TOKEN))[0] == 404
    assert (await send_request(f"{path}/groups", token=CARLA_TOKEN))[0] == 403


async def test_webhooks_are_created_updated_and_deleted(send_request: Asking) -> None:
    path = f"/apps/{send_request.bitrise.android.slug}/outgoing-webhooks"
    assert (await send_request(path))[1] == {
        "data": [],
        "paging": {"page_item_limit": 50, "total_item_count": 0},
    }
    hook = {"url": "https://hooks.example.com/1", "events": ["build"], "secret": "s", "headers": {}}
    for missing in ("url", "events", "secret"):
        without = {name: value for name, value in hook.items() if name != missing}
        assert (await send_request(path, method="POST", json=without))[0] == 400
    _, created = await send_request(path, method="POST", json=hook)
    assert_shape(created, {"data": WEBHOOK})
    one = f"{path}/{created['data']['slug']}"
    _, changed = await send_request(one, method="PUT", json=hook | {"url": "https://hooks.example.com/2"})
    assert changed["data"]["url"] == "https://hooks.example.com/2"
    assert_shape((await send_request(path))[1], {"data": [WEBHOOK], "paging": PAGING})
    assert (await send_request(f"{one}/delivery-items"))[1]["data"] == []
    assert (await send_request(one, method="DELETE"))[0] == 200
    assert (await send_request(one, method="DELETE"))[0] == 404
    assert (await send_request(f"{path}?next=nothing"))[0] == 400


async def test_a_successful_build_leaves_a_cache(send_request: Asking) -> None:
    path = f"/apps/{send_request.bitrise.android.slug}/cache-items"
    assert (await send_request(path))[1]["data"] == []
    send_request.bitrise.finish(
        send_request.bitrise.start_build(send_request.bitrise.android, params={"branch": "release/2.1"})
    )
    _, listed = await send_request(path)
    assert_shape(listed, {"data": [CACHE], "paging": PAGING})
    [item] = listed["data"]
    assert item["cache_key"] == "gradle-release-2.1"
    _, link = await send_request(f"{path}/{item['id']}/download")
    async with aiohttp.ClientSession() as session, session.get(link["data"]["download_url"]) as response:
        assert (response.status, len(await response.read())) == (200, item["archive_size"])
    assert (await send_request(f"{path}/{item['id']}", method="DELETE"))[0] == 200
    assert (await send_request(path))[1]["data"] == []


async def test_a_role_lists_its_groups(send_request: Asking) -> None:
    path = f"/apps/{send_request.bitrise.android.slug}/roles"
    assert_shape((await send_request(f"{path}/manager"))[1], {"groups": [str]})
    assert (await send_request(f"{path}/king"))[0] == 404
    assert (await send_request(f"{path}/manager", token=TOKEN))[0] == 200


async def test_the_log_summary_lists_the_steps() -> None:
    async with SandboxEnvironment(manifest()) as environment:
        await environment.bitrise.start()
        enable_log_summaries(environment)
        build = environment.bitrise.start_build(environment.bitrise.android)
        environment.bitrise.finish(build, "error")
        async with aiohttp.ClientSession() as session:
            path = f"/apps/{build.app.slug}/builds/{build.slug}/log/summary"
            status, summary = await Asking(environment.bitrise, session)(path)
        assert status == 200
        assert summary["execution"]["workflows"][0]["steps"]
