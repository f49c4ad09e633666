"""What every part of the simulated API works with, and how it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, TypeVar

from aiohttp import web

from sandbox.buildio.members import WRITE, Access, Member, Role, Team, holder
from sandbox.buildio.serializers import Serializer, SparseSerializer
from sandbox.buildio.state import REGIONS, App, BuildioState, Namespace, Pipeline
from sandbox.middleware import Handler, RequestMiddleware, as_json

BODIES = "application/json"
Thing = TypeVar("Thing", App, Namespace, Pipeline)
_NAME = re.compile(r"[a-z][a-z0-9-]{1,28}[a-z0-9]")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ApiError(Exception):
    """An answer of status 400 or higher. `broken`: the request is one that the reference does not know."""

    def __init__(self, status: int, words: str, *, code: str = "", broken: bool = False) -> None:
        super().__init__(words)
        self.status, self.words, self.broken = status, words, broken
        self.body = error_of(status, words) | ({"code": code} if code else {})


def error_of(status: int, words: str) -> dict[str, Any]:
    """The body of an error (reference, 12.5): a code for machines, and a message for people."""
    code = {422: "invalid_params", 429: "rate_limited"}.get(status)
    return {"code": code or HTTPStatus(status).phrase.lower().replace(" ", "_"), "message": words}


def not_found() -> ApiError:
    """In the reference's own words."""
    return ApiError(404, "The requested resource was not found")


def invalid(words: str, *, broken: bool = False) -> ApiError:
    """A request that is understood, and asks for what can't be."""
    return ApiError(422, words, broken=broken)


@dataclass
class ResponseOptions:
    """How this Build.io answers. `sparse`: with what the reference names and little more."""

    sparse: bool = False
    # How long a command in a dyno may run, in seconds of whoever waits for its answer.
    exec_seconds: float = 60.0


@dataclass
class BaseEndpoints:
    """The platform, and who may ask: `members` by their usernames."""

    platform: BuildioState
    wire: RequestMiddleware
    now: Callable[[], datetime]
    members: Mapping[str, Member]
    manner: ResponseOptions

    @property
    def answers(self) -> Serializer:
        """Those of this manner."""
        return SparseSerializer() if self.manner.sparse else Serializer()

    def _asking(self, request: web.Request) -> tuple[Member, Access] | None:
        """Who sends it, by their Bearer token (reference, 12.3); no other form of the header is taken."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return holder(self.members, token, self.now()) if scheme == "Bearer" else None

    def _member(self, request: web.Request) -> Member:
        """The same. Raises ApiError where it is nobody."""
        asking = self._asking(request)
        if asking is None:
            scheme = request.headers.get("Authorization", "").partition(" ")[0]
            raise ApiError(401, "The credentials are missing or invalid", broken=scheme not in ("", "Bearer"))
        return asking[0]

    def _checked(self, handler: Handler, query: Collection[str]) -> Handler:
        """The same handler, for those who may, and for requests of a form that the reference knows."""

        async def answer(request: web.Request) -> web.StreamResponse:
            self._member(request)
            asking = self._asking(request)
            if request.method != "GET" and asking is not None and WRITE not in asking[1].scopes:
                raise ApiError(403, "This token may only read")
            if unknown := sorted(set(request.query) - set(query)):
                raise invalid(f"unknown query parameter: {', '.join(unknown)}", broken=True)
            if request.method in ("GET", "DELETE") and await request.text():
                raise ApiError(400, f"{request.method} takes no body", broken=True)
            return await handler(request)

        return answer

    def _may(self, request: web.Request, team: Team | None, owner: Member | None) -> None:
        """Whether the member may do this with what belongs to the team or owner. Raises ApiError.

        What one may not see is as if it were not there; a viewer changes nothing.
        """
        role = self._member(request).role_in(team, owner)
        if role is None:
            raise not_found()
        if request.method != "GET" and role < Role.DEVELOPER:
            raise ApiError(403, "You may look at this, and not change it")

    def _find_app(self, request: web.Request) -> App:
        """The path's app, by its id or name. Raises ApiError."""
        app = _find(self.platform.apps, request.match_info["app"])
        self._may(request, app.team, app.owner)
        return app

    def _find_namespace(self, request: web.Request) -> Namespace:
        namespace = _find(self.platform.namespaces, request.match_info["namespace"])
        self._may(request, namespace.team, namespace.owner)
        return namespace

    def _find_pipeline(self, request: web.Request) -> Pipeline:
        pipeline = _find(self.platform.pipelines, request.match_info["pipeline"])
        self._may(request, pipeline.team, pipeline.owner)
        return pipeline

    def _team(self, request: web.Request, given: object) -> Team | None:
        """The team that something new is to belong to; None for none. Raises ApiError."""
        if given is None:
            return None
        found = next((one for one in self.platform.teams if one.id == given), None)
        if found is None or self._member(request).roles.get(found.name) is None:
            raise invalid("team_id: there is no such team")
        self._may(request, found, None)
        return found

    def _sees(self, request: web.Request, thing: App | Namespace | Pipeline) -> bool:
        return self._member(request).role_in(thing.team, thing.owner) is not None


async def parse_body(
    request: web.Request, known: Collection[str] | None, *, required: Collection[str] = ()
) -> dict[str, Any]:
    """The body's fields, none but these; `known` None for any. Raises ApiError.

    The Content-Type is to be application/json wherever there is a body (reference, 12.4).
    """
    text = await request.text()
    if not text and not required and known is not None:
        return {}
    if request.content_type != BODIES:
        raise ApiError(415, f"The Content-Type must be {BODIES}", broken=True)
    body = as_json(text)
    if body is None:
        raise ApiError(400, "The body is no JSON", broken=True)
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object", broken=True)
    if known is not None and (unknown := sorted(set(body) - set(known))):
        raise invalid(f"unknown parameter: {', '.join(unknown)}", broken=True)
    if missing := [name for name in required if name not in body]:
        raise invalid(f"{missing[0]} is required", broken=True)
    return body


def parse_text(body: Mapping[str, Any], name: str, *, most: int = 255) -> str | None:
    """A field that is text or not there. Raises ApiError."""
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(f"{name} must be a string", broken=True)
    if value is not None and not 0 < len(value) <= most:
        raise invalid(f"{name} must have 1 to {most} characters")
    return value


def parse_name(body: Mapping[str, Any], taken: Collection[str]) -> str:
    """The name of something new. Raises ApiError."""
    name = parse_text(body, "name")
    if name is None or not _NAME.fullmatch(name):
        raise invalid("name must have 3 to 30 lower-case letters, digits and dashes, and begin with a letter")
    if name in taken:
        raise invalid(f"name {name} is already taken")
    return name


def region_in(given: str | None) -> str:
    """A region; the usual one where none is given. Raises ApiError."""
    if given is not None and given not in REGIONS:
        raise invalid(f"region must be one of {', '.join(REGIONS)}")
    return given or REGIONS[0]


def config_in(body: Mapping[str, Any], *, nulls: bool) -> dict[str, str | None]:
    """Config vars to be set; null takes one away where the reference says so ("Environments"). Raises ApiError."""
    if not body:
        raise invalid("there are no config vars in the body", broken=True)
    for key, value in body.items():
        if not _KEY.fullmatch(key):
            raise invalid(f"{key} is no name of a config var")
        if value is None and not nulls:
            raise invalid(f"{key} must be a string; DELETE takes a config var away", broken=True)
        if value is not None and not isinstance(value, str):
            raise invalid(f"{key} must be a string", broken=True)
    return dict(body)


def _find(things: list[Thing], identity: str) -> Thing:
    found = next((one for one in things if identity in (one.id, one.name)), None)
    if found is None:
        raise not_found()
    return found


def answered(body: Any, status: int = 200) -> web.Response:
    """JSON with this status, or no body at all for None."""
    return web.Response(status=204) if body is None else web.json_response(body, status=status)
