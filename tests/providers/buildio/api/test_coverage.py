"""The table of endpoints in docs/buildio-api.md against the reference and against the client."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path

from aiohttp import web
from pydantic import SecretStr

from domain.credentials import FixedToken
from providers.buildio.api.client import BuildioClient
from providers.buildio.spec import SPEC
from providers.http.transport import HttpTransport
from sandbox.clock import Clock
from tests.providers.buildio.endpoints import ENDPOINTS
from tests.support.stub_server import ReceivedRequest, stub_server

TESTS = Path(__file__).parents[3]
REFERENCE = (TESTS / "fixtures" / "buildio" / "reference.txt").read_text()
GIVEN: Mapping[str, object] = {"command": ["ls"], "values": {"A": "1"}}


def test_each_endpoint_of_the_reference_is_in_the_contract_in_its_order() -> None:
    named = re.findall(r"^((?:GET|POST|PUT|PATCH|DELETE) /\S*) — ", REFERENCE, re.MULTILINE)
    assert [endpoint.asks for endpoint in ENDPOINTS] == named
    assert len(named) == 31


def test_the_clients_methods_are_exactly_those_of_the_contract() -> None:
    public = {
        name for name, _ in inspect.getmembers(BuildioClient, inspect.isfunction) if not name.startswith("_")
    }
    assert public == {endpoint.method for endpoint in ENDPOINTS} | {"probe"}
    assert len({endpoint.method for endpoint in ENDPOINTS}) == len(ENDPOINTS)


async def test_each_method_requests_the_endpoint_of_the_contract() -> None:
    def answer(request: ReceivedRequest) -> web.Response:
        lists = ("/apps", "/domains", "/list", "/namespaces", "/pipelines", "/teams")
        if request.method == "GET" and request.path.endswith(lists):
            return web.json_response([])
        return web.json_response({"email": "a@b.example", "status": {"token": "t"}})

    async with HttpTransport() as http, stub_server(answer) as server:
        buildio = BuildioClient(
            http,
            credentials=FixedToken(SecretStr("t0p")),
            base_url=f"{server.url}/api/v1",
            clock=Clock(),
        )
        for endpoint in ENDPOINTS:
            method = getattr(buildio, endpoint.method)
            needed = [
                name
                for name, parameter in inspect.signature(method).parameters.items()
                if parameter.default is inspect.Parameter.empty
            ]
            await method(*(GIVEN.get(name, f"the-{name}") for name in needed))
    requested = [f"{request.method} {request.path.removeprefix('/api/v1')}" for request in server.requests]
    assert [with_placeholders(path) for path in requested] == [
        with_placeholders(endpoint.asks) for endpoint in ENDPOINTS
    ]


def with_placeholders(asks: str) -> str:
    """Return an endpoint with its names replaced by placeholders."""
    return re.sub(r"\{\w+\}|the-\w+", "*", asks)


def test_each_endpoint_has_a_guard_with_a_permission_of_build_io() -> None:
    known = {str(permission) for permission in SPEC.permissions}
    for endpoint in ENDPOINTS:
        named = re.findall(r"`(\w+)`", endpoint.guard)
        assert set(named) <= known, endpoint.asks
        assert bool(named) or endpoint.asks.startswith("GET"), f"{endpoint.asks} changes something"
        assert endpoint.guard


def test_the_test_of_each_endpoint_exists() -> None:
    for endpoint in ENDPOINTS:
        file, _, name = endpoint.test.partition("::")
        content = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        functions = ast.AsyncFunctionDef | ast.FunctionDef
        assert name in {statement.name for statement in content.body if isinstance(statement, functions)}, (
            endpoint.asks
        )


def test_the_table_has_no_empty_cell() -> None:
    assert all(all(cell) for cell in map(astuple, ENDPOINTS))
