"""The simulated Bitrise answers everybody as their role allows, and acts in their name."""

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
from sandbox.bitrise.workspaces import workspaces_of
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

# Every route: the body that it wants, and the least role that is allowed. Free: no token is needed; None: any token.
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
    """A simulated Bitrise with one of everything in Sample Android, and requests of anybody to it."""

    def __init__(self, bitrise: BitriseSimulator, clock: Clock, session: aiohttp.ClientSession) -> None:
        self.bitrise, self.clock = bitrise, clock
        self.android, self.ios, self.web = bitrise.android, bitrise.ios, bitrise.web
        self._session = session
        self.android.sums_up = self.android.explains = True

    async def ask(
        self, token: str | None, method: str, path: str, body: Any = None, *, form: str = "token "
    ) -> tuple[int, Any]:
        headers = {"Authorization": f"{form}{token}"} if token is not None else {}
        url = self.bitrise.url + path
        async with self._session.request(method, url, headers=headers, json=body) as response:
            text = await response.text()
            return response.status, json.loads(text) if response.content_type == "application/json" else text

    async def use(self, token: str | None, route: tuple[str, str]) -> tuple[int, Any]:
        """Go where the route leads, to things that are ready for what it does."""
        return await self.ask(token, route[0], self.path_of(route), ROUTES[route][0])

    def path_of(self, route: tuple[str, str]) -> str:
        _, path = route
        bitrise, made = self.bitrise, {"app": self.android.slug, "role": "manager"}
        made["workspace"] = workspaces_of(bitrise.farm.apps)[0].slug
        hooks = bitrise.farm.webhooks.setdefault(self.android.slug, [])
        if "{webhook}" in path and not hooks:
            hooks.append(OutgoingWebhook("h-1", "https://hooks.example.com/y", ["build"]))
        made["webhook"] = hooks[0].slug if hooks else ""
        caches = bitrise.farm.caches.setdefault(self.android.slug, [])
        if "{item}" in path and not caches:
            caches.append(CacheItem("c-1", "gradle-main", b"cache", "", "", ""))
        made["item"] = caches[0].id if caches else ""
        if "{request}" in path:
            made["request"] = (bitrise.farm.requests or [bitrise.hold(self.android, 7)])[0].slug
        if "{pipeline}" in path:
            pipeline = (bitrise.farm.pipelines or [bitrise.start_pipeline(self.android)])[0]
            if path.endswith("rebuild"):
                for build in pipeline.builds.values():
                    bitrise.finish(build, "error")
            made["pipeline"] = pipeline.slug
        if "{build}" in path:
            build = (bitrise.farm.builds or [bitrise.start_build(self.android)])[0]
            made["build"], made["step"] = build.slug, f"{build.slug}-0"
            bitrise.run(build)
            if "artifact" in path:
                bitrise.finish(build)
                made["artifact"] = build.artifacts[0].slug
            elif "log" in path or "summary" in path:
                bitrise.finish(build, "error")
        return path.format(**made)

    def state(self) -> object:
        """What a request could have changed."""
        farm = self.bitrise.farm
        return (
            [(one.slug, one.result, [file.public for file in one.planned_artifacts]) for one in farm.builds],
            [(one.slug, one.abort_reason, len(one.attempts)) for one in farm.pipelines],
            [one.slug for one in farm.requests],
            [(one.slug, one.url) for found in farm.webhooks.values() for one in found],
            [one.id for found in farm.caches.values() for one in found],
        )


@pytest.fixture
async def office() -> AsyncIterator[MemberRequests]:
    clock = Clock()
    bitrise = await BitriseSimulator(now=clock).start()
    async with aiohttp.ClientSession() as session:
        yield MemberRequests(bitrise, clock, session)
    await bitrise.close()


async def test_the_table_of_routes_names_every_route_of_the_api(office: MemberRequests) -> None:
    routes = office.bitrise.api().application().router.routes()
    named = {(one.method, one.resource.canonical) for one in routes if one.resource is not None}
    assert named == set(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
async def test_a_route_wants_a_token_that_was_given_and_not_revoked(
    office: MemberRequests, route: tuple[str, str]
) -> None:
    office.bitrise.revoke(ANNA_TOKEN)
    for token in (None, "", "bitpat_sandbox-anna", ANNA_TOKEN):
        if ROUTES[route][1] == FREE:
            assert (await office.use(token, route))[0] == 200
        else:
            assert await office.use(token, route) == UNAUTHORIZED
    assert {one.member for one in office.bitrise.requests} == {""}


@pytest.mark.parametrize("route", BELOW_AN_APP, ids=" ".join)
async def test_what_one_does_not_see_is_as_if_it_were_not_there(
    office: MemberRequests, route: tuple[str, str]
) -> None:
    office.bitrise.let("ben-okafor", office.android, None)
    path, body = office.path_of(route), ROUTES[route][0]
    before = office.state()
    refused = await office.ask(BEN_TOKEN, route[0], path, body)
    nowhere = path.replace(office.android.slug, "0" * 16)
    if route[1].endswith("ai-summary"):
        nowhere = f"/v0.1/builds/{'0' * 16}/ai-summary"
    assert refused == (NO_SUMMARY if route[1].endswith("ai-summary") else NOT_FOUND)
    assert await office.ask(TOKEN, route[0], nowhere, body) == refused
    assert office.state() == before


@pytest.mark.parametrize("route", BELOW_AN_APP, ids=" ".join)
async def test_the_least_role_that_is_allowed_and_the_first_that_is_refused(
    office: MemberRequests, route: tuple[str, str]
) -> None:
    least = ROUTES[route][1]
    assert isinstance(least, Role)
    if least > Role.TESTER:
        office.bitrise.let("ben-okafor", office.android, Role(least - 1))
        office.path_of(route)
        before = office.state()
        assert await office.use(BEN_TOKEN, route) == FORBIDDEN
        assert office.state() == before
    office.bitrise.let("ben-okafor", office.android, least)
    status, answer = await office.use(BEN_TOKEN, route)
    assert status in (200, 201), answer


@pytest.mark.parametrize("role", [Role.ADMIN, Role.OWNER])
@pytest.mark.parametrize("route", FOR_DEVELOPERS, ids=" ".join)
async def test_admins_and_owners_may_what_developers_may(
    office: MemberRequests, route: tuple[str, str], role: Role
) -> None:
    office.bitrise.let("carla-ruiz", office.android, role)
    assert (await office.use(CARLA_TOKEN, route))[0] in (200, 201)


async def test_a_role_is_refused_before_anything_is_said_about_what_is_asked_for(
    office: MemberRequests,
) -> None:
    path = f"/v0.1/apps/{office.android.slug}"
    assert await office.ask(CARLA_TOKEN, "GET", f"{path}/builds/nothing/log") == FORBIDDEN
    assert await office.ask(BEN_TOKEN, "GET", f"{path}/builds/nothing/log") == NOT_FOUND
    assert await office.ask(CARLA_TOKEN, "POST", f"{path}/builds", "no object") == FORBIDDEN


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
async def test_each_token_tells_whose_it_is_and_lists_what_they_see(
    office: MemberRequests, token: str, username: str, apps: list[str]
) -> None:
    for app in office.bitrise.farm.apps:
        office.bitrise.start_build(app)
    _, me = await office.ask(token, "GET", "/v0.1/me")
    assert me["data"]["username"] == username
    assert me["data"]["slug"] == office.bitrise.members[username].slug
    for path in ("/v0.1/me/apps", "/v0.1/apps"):
        _, listed = await office.ask(token, "GET", path)
        assert [one["title"] for one in listed["data"]] == apps
        assert listed["paging"]["total_item_count"] == len(apps)
    _, builds = await office.ask(token, "GET", "/v0.1/builds")
    assert sorted(one["repository"]["title"] for one in builds["data"]) == apps
    assert builds["paging"]["total_item_count"] == len(apps)


async def test_pages_of_a_list_go_over_what_is_seen_alone(office: MemberRequests) -> None:
    hidden = office.bitrise.start_build(office.web)
    seen = [office.bitrise.start_build(app) for app in (office.ios, office.android)]
    status, first = await office.ask(BEN_TOKEN, "GET", "/v0.1/builds?limit=1")
    assert (status, first["paging"]["next"]) == (200, seen[0].slug)
    _, last = await office.ask(BEN_TOKEN, "GET", f"/v0.1/builds?limit=1&next={seen[0].slug}")
    assert "next" not in last["paging"]
    assert (await office.ask(BEN_TOKEN, "GET", f"/v0.1/builds?next={hidden.slug}"))[0] == 400


async def test_a_yml_is_only_checked_against_an_app_that_one_sees(office: MemberRequests) -> None:
    body = {"bitrise_yml": "workflows:"}
    path = f"/v0.1/validate-bitrise-yml?app_slug={office.ios.slug}"
    assert (await office.ask(BEN_TOKEN, "POST", path, body))[0] == 200
    assert await office.ask(CARLA_TOKEN, "POST", path, body) == NOT_FOUND


async def test_both_forms_of_the_header_are_taken(office: MemberRequests) -> None:
    assert (await office.ask(BEN_TOKEN, "GET", "/v0.1/me", form=""))[0] == 200
    assert await office.ask(BEN_TOKEN, "GET", "/v0.1/me", form="Bearer ") == UNAUTHORIZED


async def test_a_revoked_token_ends_at_once_and_a_new_one_begins(office: MemberRequests) -> None:
    new = office.bitrise.give_token("ben-okafor")
    assert new not in (BEN_TOKEN, office.bitrise.give_token("ben-okafor"))
    assert new.startswith("bitpat_")
    office.bitrise.revoke(BEN_TOKEN)
    assert await office.ask(BEN_TOKEN, "GET", "/v0.1/me") == UNAUTHORIZED
    assert (await office.ask(new, "GET", "/v0.1/me"))[1]["data"]["username"] == "ben-okafor"
    assert (await office.ask(TOKEN, "GET", "/v0.1/me"))[0] == 200
    with pytest.raises(KeyError):
        office.bitrise.revoke(BEN_TOKEN)
    with pytest.raises(KeyError):
        office.bitrise.give_token("nobody")


async def test_a_role_changes_while_bitrise_runs_also_for_those_who_have_one_everywhere(
    office: MemberRequests,
) -> None:
    path = f"/v0.1/apps/{office.web.slug}"
    for token, username in ((BEN_TOKEN, "ben-okafor"), (TESTER_TOKEN, "api-tester")):
        office.bitrise.let(username, office.web, Role.DEVELOPER)
        assert (await office.ask(token, "GET", f"{path}/bitrise.yml"))[0] == 200
        office.bitrise.let(username, office.web, None)
        assert await office.ask(token, "GET", path) == NOT_FOUND
        assert (await office.ask(token, "GET", f"/v0.1/apps/{office.android.slug}"))[0] == 200


@pytest.mark.parametrize(
    ("token", "username", "started_by"),
    [(BEN_TOKEN, "ben-okafor", "manual-ben-okafor"), (TOKEN, "api-demo", None)],
)
async def test_builds_and_pipelines_are_started_and_aborted_in_the_members_name(
    office: MemberRequests, token: str, username: str, started_by: str | None
) -> None:
    path = f"/v0.1/apps/{office.android.slug}"
    _, started = await office.ask(token, "POST", f"{path}/builds", START)
    build = f"{path}/builds/{started['build_slug']}"
    assert (await office.ask(TOKEN, "GET", build))[1]["data"]["triggered_by"] == started_by
    await office.ask(token, "POST", f"{build}/abort", {"abort_reason": "too old"})
    seen = (await office.ask(TOKEN, "GET", build))[1]["data"]
    assert seen["abort_reason"] == f"User {username} requested to abort this build with reason: too old"

    _, started = await office.ask(token, "POST", f"{path}/builds", START_PIPELINE)
    pipeline = f"{path}/pipelines/{started['build_slug']}"
    assert (await office.ask(TOKEN, "GET", pipeline))[1]["triggered_by"] == started_by
    [of_it] = office.bitrise.farm.pipelines[0].builds.values()
    assert of_it.triggered_by == started_by
    await office.ask(token, "POST", f"{pipeline}/abort", {"abort_reason": "not today"})
    seen = (await office.ask(TOKEN, "GET", pipeline))[1]
    assert seen["abort_reason"] == f"User {username} requested to abort this pipeline with reason: not today"
    assert of_it.abort_reason == f"User {username} requested to abort this build with reason: not today"


async def test_a_rebuild_is_started_by_whom_it_names_or_else_by_the_member(office: MemberRequests) -> None:
    pipeline = office.bitrise.start_pipeline(office.android, plan={"primary": "error"})
    path = f"/v0.1/apps/{office.android.slug}/pipelines/{pipeline.slug}"
    for token, body, started_by in (
        (TOKEN, {}, "webhook"),
        (BEN_TOKEN, {}, "manual-ben-okafor"),
        (BEN_TOKEN, {"triggered_by": "somebody else"}, "somebody else"),
    ):
        office.clock.skip(timedelta(minutes=10))
        assert (await office.ask(token, "POST", f"{path}/rebuild", body))[0] == 201
        assert (await office.ask(TOKEN, "GET", path))[1]["triggered_by"] == started_by
        assert pipeline.builds["primary"].triggered_by == started_by


async def test_an_approved_build_is_still_the_strangers_and_who_approved_is_known(
    office: MemberRequests,
) -> None:
    held = office.bitrise.hold(office.ios, 7)
    path = f"/v0.1/apps/{office.ios.slug}/build-requests/{held.slug}"
    assert (await office.ask(BEN_TOKEN, "PATCH", path, {"is_approved": True}))[0] == 200
    assert held.decided_by == "ben-okafor"
    [build] = office.bitrise.farm.builds
    assert build.triggered_by == "webhook"


async def test_the_notes_of_requests_say_who_sent_each_and_never_with_which_token(
    office: MemberRequests,
) -> None:
    await office.ask(ANNA_TOKEN, "GET", "/v0.1/me")
    await office.ask("bitpat_nobody", "GET", "/v0.1/me")
    await office.ask(CARLA_TOKEN, "GET", f"/v0.1/apps/{office.web.slug}")
    assert [(one.member, one.status) for one in office.bitrise.requests] == [
        ("anna-berg", 200),
        ("", 401),
        ("carla-ruiz", 404),
    ]
    journal = [entry.as_json() for entry in office.bitrise.journal.entries]
    assert [entry["request"]["as"] for entry in journal] == ["anna-berg", "", "carla-ruiz"]
    written = repr(office.bitrise.requests) + repr(journal) + repr(office.bitrise.members)
    assert "bitpat_" not in written


async def test_a_script_reads_the_members_revokes_a_token_and_changes_a_role() -> None:
    stage = SandboxEnvironment(manifest())
    async with stage, aiohttp.ClientSession() as session:
        await stage.open(also=ControlApi(stage).add_routes)
        control = f"{stage.slack.url}/control"

        async def do(order: str, **given: Any) -> tuple[int, Any]:
            async with session.post(f"{control}/{order}", json=given) as response:
                return response.status, await response.json()

        async def members() -> dict[str, Any]:
            async with session.get(f"{control}/members") as response:
                return {one["username"]: one for one in await response.json()}

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


async def test_the_terminal_shows_the_members_and_changes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, said = SandboxEnvironment(manifest()), list[str]()
    typed = (
        "role ben web tester\nrole carla android none\nrevoke anna\nrevoke dora\nmembers\ntoken anna\nquit\n"
    )
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    async with stage:
        await stage.open()
        assert await Console(stage, said.append).run()
        [new] = stage.bitrise.members["anna-berg"].tokens
    assert f"  {new}" in said
    assert (
        f"  ben-okafor, developer of Sample Android, developer of Sample iOS, tester of Web Shop: {BEN_TOKEN}"
        in said
    )
    assert f"  carla-ruiz, of no app: {CARLA_TOKEN}" in said
    assert [line for line in said if "no token" in line and "anna-berg" in line]
    assert [line for line in said if "there is no member dora; there are api-demo" in line]
