"""Every endpoint of Build.io's reference is there, for those who may, and refuses what the reference does not know."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.buildio.members import ANNA_TOKEN, BEN_TOKEN, CARLA_TOKEN, READ_TOKEN, TOKEN, Role
from tests.sandbox.buildio.conftest import PEM, MemberClient

ANY = None

# Every endpoint: the body that it wants, and the least role in the team that is allowed; ANY: a token is enough.
ROUTES: dict[tuple[str, str], tuple[Any, Role | None]] = {
    ("GET", "/me"): (None, ANY),
    ("GET", "/oidc-login"): (None, ANY),
    ("GET", "/teams"): (None, ANY),
    ("GET", "/teams/{team}"): (None, Role.VIEWER),
    ("GET", "/apps"): (None, ANY),
    ("POST", "/apps"): ({"name": "till"}, ANY),
    ("GET", "/apps/{app}"): (None, Role.VIEWER),
    ("POST", "/apps/{app}/builds"): ({"branch": "main"}, Role.DEVELOPER),
    ("GET", "/apps/{app}/config-vars"): (None, Role.VIEWER),
    ("PATCH", "/apps/{app}/config-vars"): ({"LOG_LEVEL": "debug"}, Role.DEVELOPER),
    ("DELETE", "/apps/{app}/config-vars/{key}"): (None, Role.DEVELOPER),
    ("GET", "/apps/{app}/domains"): (None, Role.VIEWER),
    ("POST", "/apps/{app}/domains"): ({"hostname": "new.acme.example"}, Role.DEVELOPER),
    ("DELETE", "/apps/{app}/domains"): (None, Role.DEVELOPER),
    ("GET", "/apps/{app}/domains/{domain}"): (None, Role.VIEWER),
    ("PATCH", "/apps/{app}/domains/{domain}"): ({"cert": PEM}, Role.DEVELOPER),
    ("DELETE", "/apps/{app}/domains/{domain}"): (None, Role.DEVELOPER),
    ("GET", "/apps/{app}/dynos/list"): (None, Role.VIEWER),
    ("DELETE", "/apps/{app}/dynos"): (None, Role.DEVELOPER),
    ("DELETE", "/apps/{app}/dynos/{dyno}"): (None, Role.DEVELOPER),
    ("POST", "/apps/{app}/dynos/{dyno}/exec"): ({"command": ["ls"]}, Role.DEVELOPER),
    ("GET", "/namespaces"): (None, ANY),
    ("POST", "/namespaces"): ({"name": "till-tests"}, ANY),
    ("GET", "/namespaces/{namespace}"): (None, Role.VIEWER),
    ("DELETE", "/namespaces/{namespace}"): (None, Role.DEVELOPER),
    ("GET", "/pipelines"): (None, ANY),
    ("GET", "/pipelines/{pipeline}"): (None, Role.VIEWER),
    ("GET", "/pipelines/{pipeline}/apps"): (None, Role.VIEWER),
    ("GET", "/environments/{environment}"): (None, Role.VIEWER),
    ("PATCH", "/environments/{environment}"): ({"LOG_LEVEL": None}, Role.DEVELOPER),
    ("DELETE", "/environments/{environment}/{key}"): (None, Role.DEVELOPER),
}
Route = tuple[str, str]
OF_A_TEAM = [route for route, (_, least) in ROUTES.items() if least is not ANY]
CHANGES = [route for route in ROUTES if route[0] != "GET"]
WITH_BODY = [route for route, (body, _) in ROUTES.items() if body is not None]
WITHOUT_BODY = [route for route, (body, _) in ROUTES.items() if body is None]
OAUTH = {("GET", "/oauth/authorize"), ("POST", "/oauth/authorize"), ("POST", "/oauth/token")}
every = pytest.mark.parametrize("route", ROUTES, ids=" ".join)


def path_of(member_client: MemberClient, route: Route) -> str:
    buildio = member_client.buildio
    domain = next((one for one in buildio.shop.domains if not one.platform), None)
    if domain is None:
        domain = buildio.platform.add_domain(buildio.shop, "shop.acme.example", buildio.now())
    path = route[1].format(
        team=buildio.acme.id,
        app=buildio.shop.name,
        key="LOG_LEVEL",
        domain=domain.id,
        dyno="web.1",
        namespace=buildio.namespace.name,
        pipeline=buildio.pipeline.name,
        environment=buildio.pipeline.environments[0].id,
    )
    return f"{path}?region=eu" if path == "/oidc-login" else path


async def use(member_client: MemberClient, route: Route, token: str | None = ANNA_TOKEN, **more: Any) -> Any:
    return await member_client.ask(
        route[0], path_of(member_client, route), ROUTES[route][0], token=token, **more
    )


def state(member_client: MemberClient) -> object:
    """What a request could have changed."""
    platform = member_client.buildio.platform
    return (
        [
            (
                app.name,
                dict(app.config),
                [one.id for one in app.dynos],
                [(one.hostname, one.given) for one in app.domains],
                len(app.deployments),
            )
            for app in platform.apps
        ],
        [one.name for one in platform.namespaces],
        [dict(one.config) for pipeline in platform.pipelines for one in pipeline.environments],
    )


async def test_the_table_names_every_route(member_client: MemberClient) -> None:
    routes = member_client.buildio.api().application().router.routes()
    named = {(one.method, one.resource.canonical) for one in routes if one.resource is not None}
    named = {(method, path) for method, path in named if method != "HEAD"}
    assert named == {(method, f"/api/v1{path}") for method, path in ROUTES} | OAUTH


@every
async def test_an_endpoint_answers_a_developer(member_client: MemberClient, route: Route) -> None:
    answer = await use(member_client, route)
    assert answer.status in (200, 201, 202), answer.body
    assert member_client.buildio.violations == []


@every
async def test_an_endpoint_wants_a_bearer_token_that_was_given_and_not_revoked(
    member_client: MemberClient, route: Route
) -> None:
    member_client.buildio.revoke(BEN_TOKEN)
    before = state(member_client) if path_of(member_client, route) else None
    for token in (None, "", "bld_sandbox-anna", BEN_TOKEN):
        answer = await use(member_client, route, token)
        assert (answer.status, answer.code) == (401, "unauthorized")
    assert member_client.buildio.violations == []
    for scheme in ("token", "Basic", "bearer"):
        answer = await use(member_client, route, scheme=scheme)
        assert (answer.status, answer.code) == (401, "unauthorized")
    assert len(member_client.buildio.violations) == 3
    assert state(member_client) == before


@pytest.mark.parametrize("route", OF_A_TEAM, ids=" ".join)
async def test_what_one_does_not_see_is_as_if_it_were_not_there(
    member_client: MemberClient, route: Route
) -> None:
    member_client.buildio.let("ben-okafor", member_client.buildio.acme, None)
    path_of(member_client, route)
    before = state(member_client)
    answer = await use(member_client, route, BEN_TOKEN)
    assert answer.status == 404
    assert answer.body == {"code": "not_found", "message": "The requested resource was not found"}
    assert state(member_client) == before


@pytest.mark.parametrize("route", OF_A_TEAM, ids=" ".join)
async def test_a_viewer_sees_and_changes_nothing(member_client: MemberClient, route: Route) -> None:
    path_of(member_client, route)
    before = state(member_client)
    answer = await use(member_client, route, CARLA_TOKEN)
    if ROUTES[route][1] is Role.VIEWER:
        assert answer.status == 200
    else:
        assert (answer.status, answer.code) == (403, "forbidden")
    assert state(member_client) == before


@pytest.mark.parametrize("route", CHANGES, ids=" ".join)
async def test_a_token_that_may_read_changes_nothing(member_client: MemberClient, route: Route) -> None:
    path_of(member_client, route)
    before = state(member_client)
    answer = await use(member_client, route, READ_TOKEN)
    assert (answer.status, answer.code) == (403, "forbidden")
    assert state(member_client) == before
    assert (await member_client.get("/me", token=READ_TOKEN)) == await member_client.get("/me", token=TOKEN)


@pytest.mark.parametrize("route", WITH_BODY, ids=" ".join)
async def test_a_body_is_a_json_object_and_says_so(member_client: MemberClient, route: Route) -> None:
    path = path_of(member_client, route)
    before = state(member_client)
    for raw, kind, status in (
        ('{"name": "till"}', "text/plain", 415),
        ("name=till", "application/x-www-form-urlencoded", 415),
        ("{", "application/json", 400),
        ('"till"', "application/json", 422),
        ("[]", "application/json", 422),
    ):
        answer = await member_client.ask(route[0], path, raw=raw, kind=kind)
        assert (answer.status, set(answer.body)) == (status, {"code", "message"})
    assert len(member_client.buildio.violations) == 5
    assert state(member_client) == before


@pytest.mark.parametrize(
    "route", [one for one in WITH_BODY if one[0] == "POST" or "domains" in one[1]], ids=" ".join
)
async def test_a_field_that_the_reference_does_not_know_is_refused(
    member_client: MemberClient, route: Route
) -> None:
    path = path_of(member_client, route)
    before = state(member_client)
    body = ROUTES[route][0] | {"colour": "red"}
    answer = await member_client.ask(route[0], path, body)
    assert (answer.status, answer.code) == (422, "invalid_params")
    assert "colour" in answer.body["message"]
    assert state(member_client) == before
    assert len(member_client.buildio.violations) == 1


@pytest.mark.parametrize("route", WITHOUT_BODY, ids=" ".join)
async def test_what_takes_no_body_refuses_one(member_client: MemberClient, route: Route) -> None:
    assert (await member_client.ask(route[0], path_of(member_client, route), {"a": 1})).status == 400
    assert len(member_client.buildio.violations) == 1


@every
async def test_a_query_that_the_reference_does_not_know_is_refused(
    member_client: MemberClient, route: Route
) -> None:
    path = path_of(member_client, route)
    asked = f"{path}{'&' if '?' in path else '?'}page=2"
    assert (await member_client.ask(route[0], asked, ROUTES[route][0])).status == 422
    assert len(member_client.buildio.violations) == 1


async def test_an_endpoint_that_is_not_in_the_reference_is_not_there(member_client: MemberClient) -> None:
    for method, path, status in (
        ("GET", "/apps/shop/builds", 405),
        ("GET", "/users", 404),
        ("GET", "/apps/shop/dynos", 405),
    ):
        assert (await member_client.ask(method, path)).status == status
    assert len(member_client.buildio.violations) == 3
    assert (await member_client.ask("GET", "/users", token=None)).status == 401
