"""Base class of the endpoint groups, and their errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, TypeVar

from aiohttp import web

from sandbox.buildio.members import WRITE, Access, Member, Role, Team, find_token_owner
from sandbox.buildio.serializers import Serializer, SparseSerializer
from sandbox.buildio.state import REGIONS, App, BuildioState, Namespace, Pipeline
from sandbox.middleware import Handler, RequestMiddleware, as_json

JSON_TYPE = "application/json"
Resource = TypeVar("Resource", App, Namespace, Pipeline)
_NAME = re.compile(r"[a-z][a-z0-9-]{1,28}[a-z0-9]")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ApiError(Exception):
    """A response with status 400 or higher. `is_violation`: the request itself breaks the reference."""

    def __init__(self, status: int, message: str, *, code: str = "", is_violation: bool = False) -> None:
        super().__init__(message)
        self.status, self.message, self.is_violation = status, message, is_violation
        self.body = error_body(status, message) | ({"code": code} if code else {})


def error_body(status: int, message: str) -> dict[str, Any]:
    """Return the body of an error (reference, 12.5): a code for machines and a message for people."""
    code = {422: "invalid_params", 429: "rate_limited"}.get(status)
    return {"code": code or HTTPStatus(status).phrase.lower().replace(" ", "_"), "message": message}


def not_found() -> ApiError:
    """Return the reference's error for a missing resource."""
    return ApiError(404, "The requested resource was not found")


def invalid(message: str, *, is_violation: bool = False) -> ApiError:
    """Return the error for a well-formed request that cannot be fulfilled."""
    return ApiError(422, message, is_violation=is_violation)


@dataclass
class ResponseOptions:
    """Options of the responses. `sparse`: only with the fields that the reference names.

    `exec_seconds`: how long a command may run.
    """

    sparse: bool = False
    # In seconds of the caller.
    exec_seconds: float = 60.0


@dataclass
class BaseEndpoints:
    """The state, and the members by username, shared by all endpoint groups."""

    state: BuildioState
    middleware: RequestMiddleware
    now: Callable[[], datetime]
    members: Mapping[str, Member]
    response_options: ResponseOptions

    @property
    def serializer(self) -> Serializer:
        """Return the serializer that the response options select."""
        return SparseSerializer() if self.response_options.sparse else Serializer()

    def _find_token(self, request: web.Request) -> tuple[Member, Access] | None:
        """Return the member of the Bearer token (reference, 12.3); no other form of the header is accepted."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return find_token_owner(self.members, token, self.now()) if scheme == "Bearer" else None

    def _member(self, request: web.Request) -> Member:
        """Return the member of the request. Raises ApiError without valid credentials."""
        credentials = self._find_token(request)
        if credentials is None:
            scheme = request.headers.get("Authorization", "").partition(" ")[0]
            raise ApiError(
                401, "The credentials are missing or invalid", is_violation=scheme not in ("", "Bearer")
            )
        return credentials[0]

    def _with_checks(self, handler: Handler, query: Collection[str]) -> Handler:
        """Wrap a handler with the checks of credentials, scope, query parameters and body."""

        async def answer(request: web.Request) -> web.StreamResponse:
            self._member(request)
            credentials = self._find_token(request)
            if request.method != "GET" and credentials is not None and WRITE not in credentials[1].scopes:
                raise ApiError(403, "This token may only read")
            if unknown := sorted(set(request.query) - set(query)):
                raise invalid(f"unknown query parameter: {', '.join(unknown)}", is_violation=True)
            if request.method in ("GET", "DELETE") and await request.text():
                raise ApiError(400, f"{request.method} takes no body", is_violation=True)
            return await handler(request)

        return answer

    def _check_access(self, request: web.Request, team: Team | None, owner: Member | None) -> None:
        """Check that the member may access what belongs to the team or owner. Raises ApiError.

        What a member cannot see looks missing; a viewer cannot change anything.
        """
        role = self._member(request).role_in(team, owner)
        if role is None:
            raise not_found()
        if request.method != "GET" and role < Role.DEVELOPER:
            raise ApiError(403, "You can view this, but not change it")

    def _find_app(self, request: web.Request) -> App:
        """Return the app of the path, by id or name. Raises ApiError."""
        app = _find(self.state.apps, request.match_info["app"])
        self._check_access(request, app.team, app.owner)
        return app

    def _find_namespace(self, request: web.Request) -> Namespace:
        namespace = _find(self.state.namespaces, request.match_info["namespace"])
        self._check_access(request, namespace.team, namespace.owner)
        return namespace

    def _find_pipeline(self, request: web.Request) -> Pipeline:
        pipeline = _find(self.state.pipelines, request.match_info["pipeline"])
        self._check_access(request, pipeline.team, pipeline.owner)
        return pipeline

    def _team(self, request: web.Request, value: object) -> Team | None:
        """Return the team of a new resource; None without one. Raises ApiError."""
        if value is None:
            return None
        found = next((team for team in self.state.teams if team.id == value), None)
        if found is None or self._member(request).roles.get(found.name) is None:
            raise invalid("team_id: unknown team")
        self._check_access(request, found, None)
        return found

    def _can_see(self, request: web.Request, resource: App | Namespace | Pipeline) -> bool:
        return self._member(request).role_in(resource.team, resource.owner) is not None


async def parse_body(
    request: web.Request, known: Collection[str] | None, *, required: Collection[str] = ()
) -> dict[str, Any]:
    """Return the fields of the body; only `known` ones are accepted, None accepts any. Raises ApiError.

    A body needs the Content-Type application/json (reference, 12.4).
    """
    text = await request.text()
    if not text and not required and known is not None:
        return {}
    if request.content_type != JSON_TYPE:
        raise ApiError(415, f"The Content-Type must be {JSON_TYPE}", is_violation=True)
    body = as_json(text)
    if body is None:
        raise ApiError(400, "The body isn't valid JSON", is_violation=True)
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object", is_violation=True)
    if known is not None and (unknown := sorted(set(body) - set(known))):
        raise invalid(f"unknown parameter: {', '.join(unknown)}", is_violation=True)
    if missing := [name for name in required if name not in body]:
        raise invalid(f"{missing[0]} is required", is_violation=True)
    return body


def parse_text(body: Mapping[str, Any], name: str, *, max_length: int = 255) -> str | None:
    """Return an optional text field. Raises ApiError."""
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(f"{name} must be a string", is_violation=True)
    if value is not None and not 0 < len(value) <= max_length:
        raise invalid(f"{name} must have 1 to {max_length} characters")
    return value


def parse_name(body: Mapping[str, Any], taken: Collection[str]) -> str:
    """Return the name of a new resource. Raises ApiError."""
    name = parse_text(body, "name")
    if name is None or not _NAME.fullmatch(name):
        raise invalid("name must have 3 to 30 lower-case letters, digits and dashes, and begin with a letter")
    if name in taken:
        raise invalid(f"name {name} is already taken")
    return name


def parse_region(value: str | None) -> str:
    """Return the region, or the default one. Raises ApiError."""
    if value is not None and value not in REGIONS:
        raise invalid(f"region must be one of {', '.join(REGIONS)}")
    return value or REGIONS[0]


def parse_config(body: Mapping[str, Any], *, nulls: bool) -> dict[str, str | None]:
    """Return the config vars of a body; null removes one where the reference allows it ("Environments").

    Raises ApiError.
    """
    if not body:
        raise invalid("there are no config vars in the body", is_violation=True)
    for key, value in body.items():
        if not _KEY.fullmatch(key):
            raise invalid(f"{key} isn't a valid config var name")
        if value is None and not nulls:
            raise invalid(f"{key} must be a string; use DELETE to remove a config var", is_violation=True)
        if value is not None and not isinstance(value, str):
            raise invalid(f"{key} must be a string", is_violation=True)
    return dict(body)


def _find(resources: list[Resource], identity: str) -> Resource:
    found = next((thing for thing in resources if identity in (thing.id, thing.name)), None)
    if found is None:
        raise not_found()
    return found


def json_response(body: Any, status: int = 200) -> web.Response:
    """Return JSON with this status, or 204 without a body for None."""
    return web.Response(status=204) if body is None else web.json_response(body, status=status)
