"""What every part of the simulated API works with, and how it refuses."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiohttp import web

from sandbox.bitrise.farm import App, Build, Farm
from sandbox.bitrise.storage import FileStore
from sandbox.faults import Faults
from sandbox.journal import Journal


class Refusal(Exception):
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
class Request:
    """A request that came in; never its token."""

    method: str
    path: str
    query: dict[str, str]
    body: Any = None
    status: int = 0


@dataclass
class Desk:
    """The farm, its files, and who may ask. `tokens` says of each whether it is a mere tester's."""

    farm: Farm
    store: FileStore
    faults: Faults
    requests: deque[Request]
    now: Callable[[], datetime]
    tokens: dict[str, bool]
    journal: Journal = field(default_factory=Journal)

    def _check_token(self, request: web.Request) -> bool:
        """Whether the token is a mere tester's; both forms of the header are taken. Raises Refusal."""
        token = request.headers.get("Authorization", "").removeprefix("token ").strip()
        if token not in self.tokens:
            raise Refusal(401, "Unauthorized")
        return self.tokens[token]

    def _only_developers(self, request: web.Request) -> None:
        # Listing needs Tester/QA, logs and abort need Developer (Bitrise's documents, "Roles").
        if self._check_token(request):
            raise Refusal(403, "Forbidden")

    def _find_app(self, request: web.Request) -> App:
        found = next((app for app in self.farm.apps if app.slug == request.match_info["app"]), None)
        if found is None:
            raise Refusal(404, "Not Found")
        return found

    def _find_build(self, request: web.Request) -> Build:
        app, slug = self._find_app(request), request.match_info["build"]
        found = next((build for build in self.farm.builds if build.slug == slug and build.app is app), None)
        if found is None:
            raise Refusal(404, "Not Found")
        return found


def started_answer(app: App, **started: Any) -> web.Response:
    """What is answered where a build or a pipeline was started."""
    answer = {
        "status": "ok",
        "message": "webhook processed",
        "slug": app.slug,
        "service": "bitrise",
        **started,
    }
    return web.json_response(answer | {"results": [{**started, "status": "ok", "message": ""}]}, status=201)


def as_json(text: str) -> Any:
    """A request's body; None where it is no JSON."""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def is_asked(query: Any, name: str, value: object) -> bool:
    """Whether the value passes the query's filter of that name, or there is none."""
    return name not in query or query[name] == str(value)
