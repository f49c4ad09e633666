"""What every part of the simulated API works with, and how it refuses."""

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
    """An answer of status 400 or higher."""

    def __init__(
        self, status: int, words: str, *, key: str = "message", of_trigger_for: App | None = None
    ) -> None:
        super().__init__(words)
        self.status = status
        self.body = {key: words}
        if of_trigger_for is not None:
            self.body |= {"status": "error", "slug": of_trigger_for.slug, "service": "bitrise"}


@dataclass
class BaseEndpoints:
    """The farm, its files, and who may ask: `members` by their usernames."""

    farm: BitriseState
    store: FileStore
    wire: RequestMiddleware
    now: Callable[[], datetime]
    members: Mapping[str, Member]

    def _asking(self, request: web.Request) -> Member | None:
        """Who sends it, by their token; both forms of the header are taken."""
        token = request.headers.get("Authorization", "").removeprefix("token ").strip()
        return find_token_owner(self.members, token)

    def _member(self, request: web.Request) -> Member:
        """The same. Raises ApiError where it is nobody."""
        member = self._asking(request)
        if member is None:
            raise ApiError(401, "Unauthorized")
        return member

    def _find_app(self, request: web.Request, least: Role = Role.TESTER) -> App:
        """The path's app. Raises ApiError where the member does not see it, or is less than `least` on its team.

        Listing needs Tester/QA, logs and all that changes something need Developer (Bitrise's documents, "Roles").
        """
        app = self._seen_app(request, request.match_info["app"])
        if (self._member(request).role_in(app) or 0) < least:
            raise ApiError(403, "Forbidden")
        return app

    def _seen_app(self, request: web.Request, slug: str) -> App:
        """The app of that slug. Raises ApiError: what one may not see is as if it were not there."""
        member = self._member(request)
        found = next((app for app in self.farm.apps if app.slug == slug and member.sees(app)), None)
        if found is None:
            raise ApiError(404, "Not Found")
        return found

    def _find_build(self, request: web.Request, least: Role = Role.TESTER) -> Build:
        app, slug = self._find_app(request, least), request.match_info["build"]
        found = next((build for build in self.farm.builds if build.slug == slug and build.app is app), None)
        if found is None:
            raise ApiError(404, "Not Found")
        return found


def trigger_response(app: App, **started: Any) -> web.Response:
    """What is answered where a build or a pipeline was started."""
    answer = {
        "status": "ok",
        "message": "webhook processed",
        "slug": app.slug,
        "service": "bitrise",
        **started,
    }
    return web.json_response(answer | {"results": [{**started, "status": "ok", "message": ""}]}, status=201)


def error_of(_status: int, words: str) -> dict[str, Any]:
    """The body of an error."""
    return {"message": words}


def matches_filter(query: Any, name: str, value: object) -> bool:
    """Whether the value passes the query's filter of that name, or there is none."""
    return name not in query or query[name] == str(value)


def paged(
    items: Any, slugs: list[str], convert: Any, request: web.Request, *, total: int | None = None
) -> web.Response:
    """A page of a list. Raises ApiError for a page that is not there."""
    try:
        return web.json_response(serialize_page(items, slugs, convert, request.query, total=total))
    except ValueError:
        raise ApiError(400, "Invalid next or limit parameter") from None
