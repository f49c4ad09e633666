"""Base class of the endpoint groups, and their errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web

from sandbox.bitrise.file_store import FileStore
from sandbox.bitrise.members import Member, Role, find_token_owner
from sandbox.bitrise.serializers import serialize_page
from sandbox.bitrise.state import App, BitriseState, Build
from sandbox.middleware import RequestMiddleware


class ApiError(Exception):
    """A response with status 400 or higher."""

    def __init__(
        self, status: int, message: str, *, key: str = "message", trigger_app: App | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {key: message}
        if trigger_app is not None:
            self.body |= {"status": "error", "slug": trigger_app.slug, "service": "bitrise"}


@dataclass
class BaseEndpoints:
    """The state, the stored files and the members by username, shared by all endpoint groups."""

    state: BitriseState
    file_store: FileStore
    middleware: RequestMiddleware
    now: Callable[[], datetime]
    members: Mapping[str, Member]

    def _find_member(self, request: web.Request) -> Member | None:
        """Return the member whose token the request carries; both forms of the header are accepted."""
        token = request.headers.get("Authorization", "").removeprefix("token ").strip()
        return find_token_owner(self.members, token)

    def _member(self, request: web.Request) -> Member:
        """Return the member of the request. Raises ApiError without a valid token."""
        member = self._find_member(request)
        if member is None:
            raise ApiError(401, "Unauthorized")
        return member

    def _find_app(self, request: web.Request, minimum_role: Role = Role.TESTER) -> App:
        """Return the app of the path. Raises ApiError if the member cannot see it or has less than the role `least`.

        Listing needs Tester/QA; logs and all changes need Developer (Bitrise's documents, "Roles").
        """
        app = self._find_visible_app(request, request.match_info["app"])
        if (self._member(request).role_in(app) or 0) < minimum_role:
            raise ApiError(403, "Forbidden")
        return app

    def _find_visible_app(self, request: web.Request, slug: str) -> App:
        """Return the app with this slug. Raises ApiError; an invisible app looks like a missing one."""
        member = self._member(request)
        found = next((app for app in self.state.apps if app.slug == slug and member.can_see(app)), None)
        if found is None:
            raise ApiError(404, "Not Found")
        return found

    def _find_build(self, request: web.Request, minimum_role: Role = Role.TESTER) -> Build:
        app, slug = self._find_app(request, minimum_role), request.match_info["build"]
        found = next((build for build in self.state.builds if build.slug == slug and build.app is app), None)
        if found is None:
            raise ApiError(404, "Not Found")
        return found


def trigger_response(app: App, **started: Any) -> web.Response:
    """Return the response to a triggered build or pipeline."""
    body = {
        "status": "ok",
        "message": "webhook processed",
        "slug": app.slug,
        "service": "bitrise",
        **started,
    }
    return web.json_response(body | {"results": [{**started, "status": "ok", "message": ""}]}, status=201)


def error_body(_status: int, message: str) -> dict[str, Any]:
    """Return the body of an error."""
    return {"message": message}


def matches_filter(query: Any, name: str, value: object) -> bool:
    """Return whether the value matches the filter of this name, or the query has no such filter."""
    return name not in query or query[name] == str(value)


def paginated_response(
    items: Any, slugs: list[str], convert: Any, request: web.Request, *, total: int | None = None
) -> web.Response:
    """Return a page of a list. Raises ApiError for an invalid page."""
    try:
        return web.json_response(serialize_page(items, slugs, convert, request.query, total=total))
    except ValueError:
        raise ApiError(400, "Invalid next or limit parameter") from None
