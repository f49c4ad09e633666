"""API endpoints for dynos."""

from __future__ import annotations

from collections.abc import Sequence

from domain.provider_errors import InvalidRequest
from providers.buildio.api.connection import Connection, path_of
from providers.buildio.api.dyno_models import parse_command_result, parse_dyno
from providers.buildio.api.models import CommandResult, Dyno
from providers.buildio.provider import BUILDIO

EXECUTE_SECONDS = 30.0


class DynosApi(Connection):
    """Endpoints of "Dynos" in the reference. Every method raises ProviderError."""

    async def dynos(self, app: str) -> list[Dyno]:
        """List the app's dynos with their states."""
        return await self._list(path_of("apps", app, "dynos", "list"), parse_dyno, "dynos")

    async def restart_all(self, app: str) -> None:
        """Restart all dynos of the app; never retried."""
        await self._api.change("DELETE", path_of("apps", app, "dynos"), None)

    async def restart(self, app: str, dyno: str) -> None:
        """Restart one dyno; never retried."""
        await self._api.change("DELETE", path_of("apps", app, "dynos", dyno), None)

    async def execute(
        self, app: str, dyno: str, command: Sequence[str], *, seconds: float = EXECUTE_SECONDS
    ) -> CommandResult:
        """Run a command in a dyno and wait up to `seconds` for its end; never retried.

        The command is a list of words, as the API takes it. An empty word is allowed (`["grep", "", "file"]`), but not
        as the program. Raises InvalidRequest, without a request, if the command is invalid, and ResponseLost if it did
        not end in time: it may still be running.
        """
        if (
            isinstance(command, str)
            or not command
            or not all(isinstance(word, str) for word in command)
            or not command[0]
        ):
            raise InvalidRequest("a command is a list of words that begins with a program", provider=BUILDIO)
        path = path_of("apps", app, "dynos", dyno, "exec")
        reply = await self._api.change("POST", path, {"command": list(command)}, seconds=seconds)
        return parse_command_result(reply.body)
