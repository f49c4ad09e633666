"""Endpoints for dynos: list, restart, and run commands."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.buildio.api.base import ApiError, BaseEndpoints, invalid, json_response, not_found, parse_body
from sandbox.buildio.dyno_shell import run_command
from sandbox.buildio.dynos import Dyno
from sandbox.buildio.state import App

MAX_PARTS = 64
MAX_COMMAND_LENGTH = 8 * 1024


@dataclass
class DynoEndpoints(BaseEndpoints):
    """Endpoints for dynos."""

    async def _dynos(self, request: web.Request) -> web.Response:
        app = self._find_app(request)
        return json_response([self.serializer.dyno(app, dyno) for dyno in app.dynos])

    async def _restart_all(self, request: web.Request) -> web.Response:
        self.state.restart(self._find_app(request).dynos, self.now())
        return json_response(self.serializer.changed(), 202)

    async def _restart(self, request: web.Request) -> web.Response:
        app = self._find_app(request)
        self.state.restart([self._find_dyno(app, request)], self.now())
        return json_response(self.serializer.changed(), 202)

    async def _execute(self, request: web.Request) -> web.Response:
        app = self._find_app(request)
        dyno = self._find_dyno(app, request)
        body = await parse_body(request, ("command",), required=("command",))
        command = _command_in(body)
        if dyno.state != "up":
            raise invalid(f"{dyno.name} is not running: it is {dyno.state}")
        done = run_command(app, dyno, command)
        if done is None:
            await asyncio.sleep(self.response_options.exec_seconds)
            message = f"The command did not end within {self.response_options.exec_seconds:g} seconds"
            raise ApiError(504, message, code="timeout")
        output, exit_code = done
        return json_response(
            {"output": output} if self.response_options.sparse else {"output": output, "exit_code": exit_code}
        )

    def _find_dyno(self, app: App, request: web.Request) -> Dyno:
        found = next((dyno for dyno in app.dynos if dyno.name == request.match_info["dyno"]), None)
        if found is None:
            raise not_found()
        return found


def _command_in(body: dict[str, Any]) -> list[str]:
    """Return the command ("must be provided as an array of strings"). Raises ApiError."""
    command = body["command"]
    if not isinstance(command, list) or not all(isinstance(part, str) for part in command):
        raise invalid(
            'command must be an array of strings, such as ["/bin/sh", "-c", "ls"]', is_violation=True
        )
    if not 0 < len(command) <= MAX_PARTS or not command[0]:
        raise invalid(
            f"command must have 1 to {MAX_PARTS} parts, and begin with a program", is_violation=True
        )
    if sum(map(len, command)) > MAX_COMMAND_LENGTH:
        raise invalid(f"command must have no more than {MAX_COMMAND_LENGTH} characters")
    return command
