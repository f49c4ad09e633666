"""Every endpoint of Build.io's reference exists, checks roles, and refuses undocumented input."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.buildio.members import ANNA_TOKEN, BEN_TOKEN, CARLA_TOKEN, READ_TOKEN, TOKEN, Role
from tests.sandbox.buildio.conftest import PEM, MemberClient

ANY = None

# Every endpoint with its body and minimum role in the team; ANY: any token is enough.
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
    domain = next((domain for domain in buildio.shop.domains if not domain.is_platform_domain), None)
    if domain is None:
        domain = buildio.state.add_domain(buildio.shop, "shop.acme.example", buildio.now())
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
    """Return everything that a request could have changed."""
    state = member_client.buildio.state
    return (
        [
            (
                app.name,
                dict(app.config),
                [dyno.id for dyno in app.dynos],
                [(domain.hostname, domain.has_custom_certificate) for domain in app.domains],
                len(app.deployments),
            )
            for app in state.apps
        ],
        [namespace.name for namespace in state.namespaces],
        [dict(environment.config) for pipeline in state.pipelines for environment in pipeline.environments],
    )


async def test_the_table_lists_every_route(member_client: MemberClient) -> None:
    routes = member_client.buildio.api().application().router.routes()
    named = {(route.method, route.resource.canonical) for route in routes if route.resource is not None}
    named = {(method, path) for method, path in named if method != "HEAD"}
    assert named == {(method, f"/api/v1{path}") for method, path in ROUTES} | OAUTH


@every
async def test_an_endpoint_answers_a_developer(member_client: MemberClient, route: Route) -> None:
    response = await use(member_client, route)
    assert response.status in (200, 201, 202), response.body
    assert member_client.buildio.violations == []


@every
async def test_an_endpoint_requires_a_valid_bearer_token(member_client: MemberClient, route: Route) -> None:
    member_client.buildio.revoke(BEN_TOKEN)
    before = state(member_client) if path_of(member_client, route) else None
    for token in (None, "", "bld_sandbox-anna", BEN_TOKEN):
        response = await use(member_client, route, token)
        assert (response.status, response.code) == (401, "unauthorized")
    assert member_client.buildio.violations == []
    for scheme in ("token", "Basic", "bearer"):
        response = await use(member_client, route, scheme=scheme)
        assert (response.status, response.code) == (401, "unauthorized")
    assert len(member_client.buildio.violations) == 3
    assert state(member_client) == before


@pytest.mark.parametrize("route", OF_A_TEAM, ids=" ".join)
async def test_invisible_resources_return_not_found(member_client: MemberClient, route: Route) -> None:
    member_client.buildio.set_role("ben-okafor", member_client.buildio.acme, None)
    path_of(member_client, route)
    before = state(member_client)
    response = await use(member_client, route, BEN_TOKEN)
    assert response.status == 404
    assert response.body == {"code": "not_found", "message": "The requested resource was not found"}
    assert state(member_client) == before


@pytest.mark.parametrize("route", OF_A_TEAM, ids=" ".join)
async def test_a_viewer_can_read_but_not_change(member_client: MemberClient, route: Route) -> None:
    path_of(member_client, route)
    before = state(member_client)
    response = await use(member_client, route, CARLA_TOKEN)
    if ROUTES[route][1] is Role.VIEWER:
        assert response.status == 200
    else:
        assert (response.status, response.code) == (403, "forbidden")
    assert state(member_client) == before


@pytest.mark.parametrize("route", CHANGES, ids=" ".join)
async def test_a_read_only_token_cannot_change_anything(member_client: MemberClient, route: Route) -> None:
    path_of(member_client, route)
    before = state(member_client)
    response = await use(member_client, route, READ_TOKEN)
    assert (response.status, response.code) == (403, "forbidden")
    assert state(member_client) == before
    assert (await member_client.get("/me", token=READ_TOKEN)) == await member_client.get("/me", token=TOKEN)


@pytest.mark.parametrize("route", WITH_BODY, ids=" ".join)
async def test_a_body_must_be_a_json_object_with_its_content_type(
    member_client: MemberClient, route: Route
) -> None:
    path = path_of(member_client, route)
    before = state(member_client)
    for raw, kind, status in (
        ('{"name": "till"}', "text/plain", 415),
        ("name=till", "application/x-www-form-urlencoded", 415),
        ("{", "application/json", 400),
        ('"till"', "application/json", 422),
        ("[]", "application/json", 422),
    ):
        response = await member_client.ask(route[0], path, raw=raw, kind=kind)
        assert (response.status, set(response.body)) == (status, {"code", "message"})
    assert len(member_client.buildio.violations) == 5
    assert state(member_client) == before


@pytest.mark.parametrize(
    "route", [item for item in WITH_BODY if item[0] == "POST" or "domains" in item[1]], ids=" ".join
)
async def test_an_undocumented_field_is_refused(member_client: MemberClient, route: Route) -> None:
    path = path_of(member_client, route)
    before = state(member_client)
    body = ROUTES[route][0] | {"colour": "red"}
    response = await member_client.ask(route[0], path, body)
    assert (response.status, response.code) == (422, "invalid_params")
    assert "colour" in response.body["message"]
    assert state(member_client) == before
    assert len(member_client.buildio.violations) == 1


@pytest.mark.parametrize("route", WITHOUT_BODY, ids=" ".join)
async def test_a_body_is_refused_where_none_is_expected(member_client: MemberClient, route: Route) -> None:
    assert (await member_client.ask(route[0], path_of(member_client, route), {"a": 1})).status == 400
    assert len(member_client.buildio.violations) == 1


@every
async def test_an_undocumented_query_parameter_is_refused(member_client: MemberClient, route: Route) -> None:
    path = path_of(member_client, route)
    request = f"{path}{'&' if '?' in path else '?'}page=2"
    assert (await member_client.ask(route[0], request, ROUTES[route][0])).status == 422
    assert len(member_client.buildio.violations) == 1


async def test_an_undocumented_endpoint_returns_not_found(member_client: MemberClient) -> None:
    for method, path, status in (
        ("GET", "/apps/shop/builds", 405),
        ("GET", "/users", 404),
        ("GET", "/apps/shop/dynos", 405),
    ):
        assert (await member_client.ask(method, path)).status == status
    assert len(member_client.buildio.violations) == 3
    assert (await member_client.ask("GET", "/users", token=None)).status == 401
