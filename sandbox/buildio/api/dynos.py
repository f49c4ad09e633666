"""Dynos: what runs, restarting it, and commands inside it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.buildio.api.base import ApiError, BaseEndpoints, answered, invalid, not_found, parse_body
from sandbox.buildio.dyno_shell import run_command
from sandbox.buildio.dynos import Dyno
from sandbox.buildio.state import App

MOST_PARTS = 64
LONGEST_COMMAND = 8 * 1024


@dataclass
class DynoEndpoints(BaseEndpoints):
    """Answers what is asked about them."""

    async def _dynos(self, request: web.Request) -> web.Response:
        app = self._find_app(request)
        return answered([self.answers.dyno(app, one) for one in app.dynos])

    async def _restart_all(self, request: web.Request) -> web.Response:
        self.platform.restart(self._find_app(request).dynos, self.now())
        return answered(self.answers.changed(), 202)

    async def _restart(self, request: web.Request) -> web.Response:
        app = self._find_app(request)
        self.platform.restart([self._find_dyno(app, request)], self.now())
        return answered(self.answers.changed(), 202)

    async def _execute(self, request: web.Request) -> web.Response:
        app = self._find_app(request)
        dyno = self._find_dyno(app, request)
        body = await parse_body(request, ("command",), required=("command",))
        command = _command_in(body)
        if dyno.state != "up":
            raise invalid(f"{dyno.name} is not running: it is {dyno.state}")
        done = run_command(app, dyno, command)
        if done is None:
            await asyncio.sleep(self.manner.exec_seconds)
            words = f"The command did not end within {self.manner.exec_seconds:g} seconds"
            raise ApiError(504, words, code="timeout")
        output, exit_code = done
        return answered(
            {"output": output} if self.manner.sparse else {"output": output, "exit_code": exit_code}
        )

    def _find_dyno(self, app: App, request: web.Request) -> Dyno:
        found = next((one for one in app.dynos if one.name == request.match_info["dyno"]), None)
        if found is None:
            raise not_found()
        return found


def _command_in(body: dict[str, Any]) -> list[str]:
    """The command ("must be provided as an array of strings"). Raises ApiError."""
    command = body["command"]
    if not isinstance(command, list) or not all(isinstance(part, str) for part in command):
        raise invalid('command must be an array of strings, such as ["/bin/sh", "-c", "ls"]', broken=True)
    if not 0 < len(command) <= MOST_PARTS or not command[0]:
        raise invalid(f"command must have 1 to {MOST_PARTS} parts, and begin with a program", broken=True)
    if sum(map(len, command)) > LONGEST_COMMAND:
        raise invalid(f"command must have no more than {LONGEST_COMMAND} characters")
    return command
