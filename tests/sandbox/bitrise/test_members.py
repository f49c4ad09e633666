"""The Bitrise simulator checks roles and acts in the member's name."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from bot.manifest import manifest
from sandbox.bitrise.app_resources import CacheItem, OutgoingWebhook
from sandbox.bitrise.members import ANNA_TOKEN, BEN_TOKEN, CARLA_TOKEN, TESTER_TOKEN, TOKEN, Role
from sandbox.bitrise.server import BitriseSimulator
from sandbox.bitrise.workspaces import list_workspaces
from sandbox.clock import Clock
from sandbox.console import Console
from sandbox.control_api import ControlApi
from sandbox.environment import SandboxEnvironment

UNAUTHORIZED = (401, {"message": "Unauthorized"})
FORBIDDEN = (403, {"message": "Forbidden"})
NOT_FOUND = (404, {"message": "Not Found"})
NO_SUMMARY = (404, {"error_msg": "AI summary is not available"})

APP = "/v0.1/apps/{app}"
BUILD = f"{APP}/builds/{{build}}"
START = {"hook_info": {"type": "bitrise"}, "build_params": {"branch": "main"}}
START_PIPELINE = {"hook_info": {"type": "bitrise"}, "build_params": {"pipeline_id": "release-train"}}

# Every route with its body and minimum role. Free: no token is needed; None: any token.
FREE = 0
HOOK = {"url": "https://hooks.example.com/x", "events": ["build"], "secret": "s", "headers": {"X-A": "b"}}
ROUTES: dict[tuple[str, str], tuple[Any, Role | int | None]] = {
    ("GET", "/"): (None, FREE),
    ("GET", "/v0.1"): (None, FREE),
    ("GET", "/v0.1/me"): (None, None),
    ("GET", "/v0.1/me/apps"): (None, None),
    ("GET", "/v0.1/apps"): (None, None),
    ("GET", "/v0.1/builds"): (None, None),
    ("POST", "/v0.1/validate-bitrise-yml"): ({"bitrise_yml": "workflows:"}, None),
    ("GET", APP): (None, Role.TESTER),
    ("GET", f"{APP}/branches"): (None, Role.TESTER),
    ("GET", f"{APP}/build-workflows"): (None, Role.TESTER),
    ("GET", f"{APP}/bitrise.yml"): (None, Role.DEVELOPER),
    ("GET", f"{APP}/build-requests"): (None, Role.DEVELOPER),
    ("PATCH", f"{APP}/build-requests/{{request}}"): ({"is_approved": True}, Role.DEVELOPER),
    ("GET", f"{APP}/pipelines"): (None, Role.TESTER),
    ("GET", f"{APP}/pipelines/{{pipeline}}"): (None, Role.TESTER),
    ("POST", f"{APP}/pipelines/{{pipeline}}/abort"): ({}, Role.DEVELOPER),
    ("POST", f"{APP}/pipelines/{{pipeline}}/rebuild"): ({}, Role.DEVELOPER),
    ("GET", f"{APP}/builds"): (None, Role.TESTER),
    ("POST", f"{APP}/builds"): (START, Role.DEVELOPER),
    ("GET", BUILD): (None, Role.TESTER),
    ("POST", f"{BUILD}/abort"): ({}, Role.DEVELOPER),
    ("GET", f"{BUILD}/bitrise.yml"): (None, Role.DEVELOPER),
    ("GET", f"{BUILD}/log"): (None, Role.DEVELOPER),
    ("GET", f"{BUILD}/log/summary"): (None, Role.DEVELOPER),
    ("GET", f"{BUILD}/log/steps/{{step}}"): (None, Role.DEVELOPER),
    ("GET", "/v0.1/builds/{build}/ai-summary"): (None, Role.TESTER),
    ("GET", f"{BUILD}/artifacts"): (None, Role.TESTER),
    ("GET", f"{BUILD}/artifacts/{{artifact}}"): (None, Role.TESTER),
    ("PATCH", f"{BUILD}/artifacts/{{artifact}}"): ({"is_public_page_enabled": False}, Role.DEVELOPER),
    ("GET", "/v0.1/organizations"): (None, None),
    ("GET", "/v0.1/organizations/{workspace}"): (None, None),
    ("GET", "/v0.1/organizations/{workspace}/apps"): (None, None),
    ("GET", "/v0.1/organizations/{workspace}/members"): (None, None),
    ("GET", "/v0.1/organizations/{workspace}/groups"): (None, None),
    ("GET", "/v0.1/organizations/{workspace}/available-stacks"): (None, None),
    ("GET", "/v0.1/available-stacks"): (None, None),
    ("GET", f"{APP}/roles/{{role}}"): (None, Role.ADMIN),
    ("GET", f"{APP}/outgoing-webhooks"): (None, Role.ADMIN),
    ("POST", f"{APP}/outgoing-webhooks"): (HOOK, Role.ADMIN),
    ("PUT", f"{APP}/outgoing-webhooks/{{webhook}}"): (HOOK, Role.ADMIN),
    ("DELETE", f"{APP}/outgoing-webhooks/{{webhook}}"): (None, Role.ADMIN),
    ("GET", f"{APP}/outgoing-webhooks/{{webhook}}/delivery-items"): (None, Role.ADMIN),
    ("GET", f"{APP}/cache-items"): (None, Role.DEVELOPER),
    ("DELETE", f"{APP}/cache-items"): (None, Role.DEVELOPER),
    ("GET", f"{APP}/cache-items/{{item}}/download"): (None, Role.DEVELOPER),
    ("DELETE", f"{APP}/cache-items/{{item}}"): (None, Role.DEVELOPER),
}
BELOW_AN_APP = [route for route, (_, least) in ROUTES.items() if isinstance(least, Role)]
FOR_DEVELOPERS = [route for route, (_, least) in ROUTES.items() if least is Role.DEVELOPER]


class MemberRequests:
    """A simulated Bitrise with one resource of each kind in Sample Android, and requests by any member."""

    def __init__(self, bitrise: BitriseSimulator, clock: Clock, session: aiohttp.ClientSession) -> None:
        self.bitrise, self.clock = bitrise, clock
        self.android, self.ios, self.web = bitrise.android, bitrise.ios, bitrise.web
        self._session = session
        self.android.has_log_summary = self.android.has_ai_summary = True

    async def ask(
        self, token: str | None, method: str, path: str, body: Any = None, *, form: str = "token "
    ) -> tuple[int, Any]:
        headers = {"Authorization": f"{form}{token}"} if token is not None else {}
        url = self.bitrise.url + path
        async with self._session.request(method, url, headers=headers, json=body) as response:
            text = await response.text()
            return response.status, json.loads(text) if response.content_type == "application/json" else text

    async def call_route(self, token: str | None, route: tuple[str, str]) -> tuple[int, Any]:
        """Call a route, with resources prepared for it."""
        return await self.ask(token, route[0], self.path_of(route), ROUTES[route][0])

    def path_of(self, route: tuple[str, str]) -> str:
        _, path = route
        bitrise, created = self.bitrise, {"app": self.android.slug, "role": "manager"}
        created["workspace"] = list_workspaces(bitrise.state.apps)[0].slug
        hooks = bitrise.state.webhooks.setdefault(self.android.slug, [])
        if "{webhook}" in path and not hooks:
            hooks.append(OutgoingWebhook("h-1", "https://hooks.example.com/y", ["build"]))
        created["webhook"] = hooks[0].slug if hooks else ""
        caches = bitrise.state.caches.setdefault(self.android.slug, [])
        if "{item}" in path and not caches:
            caches.append(CacheItem("c-1", "gradle-main", b"cache", "", "", ""))
        created["item"] = caches[0].id if caches else ""
        if "{request}" in path:
            created["request"] = (bitrise.state.requests or [bitrise.add_build_request(self.android, 7)])[
                0
            ].slug
        if "{pipeline}" in path:
            pipeline = (bitrise.state.pipelines or [bitrise.start_pipeline(self.android)])[0]
            if path.endswith("rebuild"):
                for build in pipeline.builds.values():
                    bitrise.finish(build, "error")
            created["pipeline"] = pipeline.slug
        if "{build}" in path:
            build = (bitrise.state.builds or [bitrise.start_build(self.android)])[0]
            created["build"], created["step"] = build.slug, f"{build.slug}-0"
            bitrise.start_running(build)
            if "artifact" in path:
                bitrise.finish(build)
                created["artifact"] = build.artifacts[0].slug
            elif "log" in path or "summary" in path:
                bitrise.finish(build, "error")
        return path.format(**created)

    def state(self) -> object:
        """Return everything that a request could have changed."""
        state = self.bitrise.state
        return (
            [
                (build.slug, build.result, [file.public for file in build.planned_artifacts])
                for build in state.builds
            ],
            [(pipeline.slug, pipeline.abort_reason, len(pipeline.attempts)) for pipeline in state.pipelines],
            [request.slug for request in state.requests],
            [(item.slug, item.url) for found in state.webhooks.values() for item in found],
            [item.id for found in state.caches.values() for item in found],
        )


@pytest.fixture
async def requests() -> AsyncIterator[MemberRequests]:
    clock = Clock()
    bitrise = await BitriseSimulator(now=clock).start()
    async with aiohttp.ClientSession() as session:
        yield MemberRequests(bitrise, clock, session)
    await bitrise.close()


async def test_the_table_lists_every_route(requests: MemberRequests) -> None:
    routes = requests.bitrise.api().application().router.routes()
    named = {(route.method, route.resource.canonical) for route in routes if route.resource is not None}
    assert named == set(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
async def test_a_route_requires_a_valid_token(requests: MemberRequests, route: tuple[str, str]) -> None:
    requests.bitrise.revoke(ANNA_TOKEN)
    for token in (None, "", "bitpat_sandbox-anna", ANNA_TOKEN):
        if ROUTES[route][1] == FREE:
            assert (await requests.call_route(token, route))[0] == 200
        else:
            assert await requests.call_route(token, route) == UNAUTHORIZED
    assert {request.member for request in requests.bitrise.requests} == {""}


@pytest.mark.parametrize("route", BELOW_AN_APP, ids=" ".join)
async def test_invisible_resources_return_not_found(requests: MemberRequests, route: tuple[str, str]) -> None:
    requests.bitrise.set_role("ben-okafor", requests.android, None)
    path, body = requests.path_of(route), ROUTES[route][0]
    before = requests.state()
    refused = await requests.ask(BEN_TOKEN, route[0], path, body)
    nowhere = path.replace(requests.android.slug, "0" * 16)
    if route[1].endswith("ai-summary"):
        nowhere = f"/v0.1/builds/{'0' * 16}/ai-summary"
    assert refused == (NO_SUMMARY if route[1].endswith("ai-summary") else NOT_FOUND)
    assert await requests.ask(TOKEN, route[0], nowhere, body) == refused
    assert requests.state() == before


@pytest.mark.parametrize("route", BELOW_AN_APP, ids=" ".join)
async def test_each_route_requires_its_minimum_role(requests: MemberRequests, route: tuple[str, str]) -> None:
    minimum_role = ROUTES[route][1]
    assert isinstance(minimum_role, Role)
    if minimum_role > Role.TESTER:
        requests.bitrise.set_role("ben-okafor", requests.android, Role(minimum_role - 1))
        requests.path_of(route)
        before = requests.state()
        assert await requests.call_route(BEN_TOKEN, route) == FORBIDDEN
        assert requests.state() == before
    requests.bitrise.set_role("ben-okafor", requests.android, minimum_role)
    status, response = await requests.call_route(BEN_TOKEN, route)
    assert status in (200, 201), response


@pytest.mark.parametrize("role", [Role.ADMIN, Role.OWNER])
@pytest.mark.parametrize("route", FOR_DEVELOPERS, ids=" ".join)
async def test_admins_and_owners_have_the_permissions_of_developers(
    requests: MemberRequests, route: tuple[str, str], role: Role
) -> None:
    requests.bitrise.set_role("carla-ruiz", requests.android, role)
    assert (await requests.call_route(CARLA_TOKEN, route))[0] in (200, 201)


async def test_the_role_is_checked_before_the_request_is_validated(
    requests: MemberRequests,
) -> None:
    path = f"/v0.1/apps/{requests.android.slug}"
    assert await requests.ask(CARLA_TOKEN, "GET", f"{path}/builds/nothing/log") == FORBIDDEN
    assert await requests.ask(BEN_TOKEN, "GET", f"{path}/builds/nothing/log") == NOT_FOUND
    assert await requests.ask(CARLA_TOKEN, "POST", f"{path}/builds", "no object") == FORBIDDEN


@pytest.mark.parametrize(
    ("token", "username", "apps"),
    [
        (TOKEN, "api-demo", ["Sample Android", "Sample iOS", "Web Shop"]),
        (TESTER_TOKEN, "api-tester", ["Sample Android", "Sample iOS", "Web Shop"]),
        (ANNA_TOKEN, "anna-berg", ["Sample Android", "Sample iOS", "Web Shop"]),
        (BEN_TOKEN, "ben-okafor", ["Sample Android", "Sample iOS"]),
        (CARLA_TOKEN, "carla-ruiz", ["Sample Android"]),
    ],
)
async def test_each_token_identifies_its_owner_and_lists_their_visible_apps(
    requests: MemberRequests, token: str, username: str, apps: list[str]
) -> None:
    for app in requests.bitrise.state.apps:
        requests.bitrise.start_build(app)
    _, me = await requests.ask(token, "GET", "/v0.1/me")
    assert me["data"]["username"] == username
    assert me["data"]["slug"] == requests.bitrise.members[username].slug
    for path in ("/v0.1/me/apps", "/v0.1/apps"):
        _, listed = await requests.ask(token, "GET", path)
        assert [item["title"] for item in listed["data"]] == apps
        assert listed["paging"]["total_item_count"] == len(apps)
    _, builds = await requests.ask(token, "GET", "/v0.1/builds")
    assert sorted(item["repository"]["title"] for item in builds["data"]) == apps
    assert builds["paging"]["total_item_count"] == len(apps)


async def test_pagination_covers_only_visible_items(requests: MemberRequests) -> None:
    hidden = requests.bitrise.start_build(requests.web)
    visible = [requests.bitrise.start_build(app) for app in (requests.ios, requests.android)]
    status, first = await requests.ask(BEN_TOKEN, "GET", "/v0.1/builds?limit=1")
    assert (status, first["paging"]["next"]) == (200, visible[0].slug)
    _, last = await requests.ask(BEN_TOKEN, "GET", f"/v0.1/builds?limit=1&next={visible[0].slug}")
    assert "next" not in last["paging"]
    assert (await requests.ask(BEN_TOKEN, "GET", f"/v0.1/builds?next={hidden.slug}"))[0] == 400


async def test_a_yml_is_validated_only_against_a_visible_app(requests: MemberRequests) -> None:
    body = {"bitrise_yml": "workflows:"}
    path = f"/v0.1/validate-bitrise-yml?app_slug={requests.ios.slug}"
    assert (await requests.ask(BEN_TOKEN, "POST", path, body))[0] == 200
    assert await requests.ask(CARLA_TOKEN, "POST", path, body) == NOT_FOUND


async def test_both_forms_of_the_header_are_accepted(requests: MemberRequests) -> None:
    assert (await requests.ask(BEN_TOKEN, "GET", "/v0.1/me", form=""))[0] == 200
    assert await requests.ask(BEN_TOKEN, "GET", "/v0.1/me", form="Bearer ") == UNAUTHORIZED


async def test_a_revoked_token_stops_working_at_once_and_a_new_one_works(requests: MemberRequests) -> None:
    new = requests.bitrise.create_token("ben-okafor")
    assert new not in (BEN_TOKEN, requests.bitrise.create_token("ben-okafor"))
    assert new.startswith("bitpat_")
    requests.bitrise.revoke(BEN_TOKEN)
    assert await requests.ask(BEN_TOKEN, "GET", "/v0.1/me") == UNAUTHORIZED
    assert (await requests.ask(new, "GET", "/v0.1/me"))[1]["data"]["username"] == "ben-okafor"
    assert (await requests.ask(TOKEN, "GET", "/v0.1/me"))[0] == 200
    with pytest.raises(KeyError):
        requests.bitrise.revoke(BEN_TOKEN)
    with pytest.raises(KeyError):
        requests.bitrise.create_token("nobody")


async def test_a_role_can_be_changed_at_runtime_even_with_a_default_role(
    requests: MemberRequests,
) -> None:
    path = f"/v0.1/apps/{requests.web.slug}"
    for token, username in ((BEN_TOKEN, "ben-okafor"), (TESTER_TOKEN, "api-tester")):
        requests.bitrise.set_role(username, requests.web, Role.DEVELOPER)
        assert (await requests.ask(token, "GET", f"{path}/bitrise.yml"))[0] == 200
        requests.bitrise.set_role(username, requests.web, None)
        assert await requests.ask(token, "GET", path) == NOT_FOUND
        assert (await requests.ask(token, "GET", f"/v0.1/apps/{requests.android.slug}"))[0] == 200


@pytest.mark.parametrize(
    ("token", "username", "started_by"),
    [(BEN_TOKEN, "ben-okafor", "manual-ben-okafor"), (TOKEN, "api-demo", None)],
)
async def test_builds_and_pipelines_are_started_and_aborted_in_the_name_of_the_member(
    requests: MemberRequests, token: str, username: str, started_by: str | None
) -> None:
    path = f"/v0.1/apps/{requests.android.slug}"
    _, started = await requests.ask(token, "POST", f"{path}/builds", START)
    build = f"{path}/builds/{started['build_slug']}"
    assert (await requests.ask(TOKEN, "GET", build))[1]["data"]["triggered_by"] == started_by
    await requests.ask(token, "POST", f"{build}/abort", {"abort_reason": "too old"})
    visible = (await requests.ask(TOKEN, "GET", build))[1]["data"]
    assert visible["abort_reason"] == f"User {username} requested to abort this build with reason: too old"

    _, started = await requests.ask(token, "POST", f"{path}/builds", START_PIPELINE)
    pipeline = f"{path}/pipelines/{started['build_slug']}"
    assert (await requests.ask(TOKEN, "GET", pipeline))[1]["triggered_by"] == started_by
    [of_it] = requests.bitrise.state.pipelines[0].builds.values()
    assert of_it.triggered_by == started_by
    await requests.ask(token, "POST", f"{pipeline}/abort", {"abort_reason": "not today"})
    visible = (await requests.ask(TOKEN, "GET", pipeline))[1]
    assert (
        visible["abort_reason"] == f"User {username} requested to abort this pipeline with reason: not today"
    )
    assert of_it.abort_reason == f"User {username} requested to abort this build with reason: not today"


async def test_a_rebuild_is_started_by_the_named_user_or_by_the_member(requests: MemberRequests) -> None:
    pipeline = requests.bitrise.start_pipeline(requests.android, plan={"primary": "error"})
    path = f"/v0.1/apps/{requests.android.slug}/pipelines/{pipeline.slug}"
    for token, body, started_by in (
        (TOKEN, {}, "webhook"),
        (BEN_TOKEN, {}, "manual-ben-okafor"),
        (BEN_TOKEN, {"triggered_by": "somebody else"}, "somebody else"),
    ):
        requests.clock.skip(timedelta(minutes=10))
        assert (await requests.ask(token, "POST", f"{path}/rebuild", body))[0] == 201
        assert (await requests.ask(TOKEN, "GET", path))[1]["triggered_by"] == started_by
        assert pipeline.builds["primary"].triggered_by == started_by


async def test_an_approved_build_keeps_its_author_and_records_the_approver(
    requests: MemberRequests,
) -> None:
    build_request = requests.bitrise.add_build_request(requests.ios, 7)
    path = f"/v0.1/apps/{requests.ios.slug}/build-requests/{build_request.slug}"
    assert (await requests.ask(BEN_TOKEN, "PATCH", path, {"is_approved": True}))[0] == 200
    assert build_request.decided_by == "ben-okafor"
    [build] = requests.bitrise.state.builds
    assert build.triggered_by == "webhook"


async def test_the_request_log_names_members_but_never_their_tokens(
    requests: MemberRequests,
) -> None:
    await requests.ask(ANNA_TOKEN, "GET", "/v0.1/me")
    await requests.ask("bitpat_nobody", "GET", "/v0.1/me")
    await requests.ask(CARLA_TOKEN, "GET", f"/v0.1/apps/{requests.web.slug}")
    assert [(request.member, request.status) for request in requests.bitrise.requests] == [
        ("anna-berg", 200),
        ("", 401),
        ("carla-ruiz", 404),
    ]
    request_log = [entry.to_json() for entry in requests.bitrise.request_log.entries]
    assert [entry["request"]["as"] for entry in request_log] == ["anna-berg", "", "carla-ruiz"]
    written = repr(requests.bitrise.requests) + repr(request_log) + repr(requests.bitrise.members)
    assert "bitpat_" not in written


async def test_the_control_api_lists_members_revokes_a_token_and_changes_a_role() -> None:
    environment = SandboxEnvironment(manifest())
    async with environment, aiohttp.ClientSession() as session:
        await environment.start_simulators(add_routes=ControlApi(environment).add_routes)
        control = f"{environment.slack.url}/control"

        async def do(command: str, **given: Any) -> tuple[int, Any]:
            async with session.post(f"{control}/{command}", json=given) as response:
                return response.status, await response.json()

        async def members() -> dict[str, Any]:
            async with session.get(f"{control}/members") as response:
                return {item["username"]: item for item in await response.json()}

        ben = (await members())["ben-okafor"]
        assert ben["tokens"] == [BEN_TOKEN]
        assert ben["roles"] == {"Sample Android": "developer", "Sample iOS": "developer"}
        assert await do("revoke", member="ben") == (200, {"revoked": 1})
        _, given = await do("token", member="ben-okafor")
        assert (await members())["ben-okafor"]["tokens"] == [given["token"]]
        await do("role", member="ben", app="web", role="tester")
        _, changed = await do("role", member="ben", app="ios", role=None)
        assert changed["roles"] == {"Sample Android": "developer", "Web Shop": "tester"}
        assert changed == (await members())["ben-okafor"]
        for order, wrong in (
            ("revoke", {"member": "dora"}),
            ("token", {"member": ""}),
            ("role", {"member": "ben", "app": "web", "role": "king"}),
            ("role", {"member": "ben", "app": "web"}),
        ):
            assert (await do(order, **wrong))[0] == 400
        assert changed == (await members())["ben-okafor"]


async def test_the_console_lists_and_changes_members(monkeypatch: pytest.MonkeyPatch) -> None:
    environment, lines = SandboxEnvironment(manifest()), list[str]()
    typed = (
        "role ben web tester\nrole carla android none\nrevoke anna\nrevoke dora\nmembers\ntoken anna\nquit\n"
    )
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    async with environment:
        await environment.start_simulators()
        assert await Console(environment, lines.append).run()
        [new] = environment.bitrise.members["anna-berg"].tokens
    assert f"  {new}" in lines
    assert (
        f"  ben-okafor, developer of Sample Android, developer of Sample iOS, tester of Web Shop: {BEN_TOKEN}"
        in lines
    )
    assert f"  carla-ruiz, no role: {CARLA_TOKEN}" in lines
    assert [line for line in lines if "no token" in line and "anna-berg" in line]
    assert [line for line in lines if "no member dora; choose from api-demo" in line]
