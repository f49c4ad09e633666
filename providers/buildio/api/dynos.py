"""API endpoints for dynos, and the parsing of dynos and of command output."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from domain.control_characters import plain_text
from domain.provider_errors import InvalidRequest
from domain.redaction.redactor import drop_first_word, redact
from providers.buildio.api.connection import Connection, path_of
from providers.buildio.api.field_parsing import Fields
from providers.buildio.api.models import CommandResult, Dyno
from providers.buildio.provider import BUILDIO

# The reference mentions a status but lists no values; these are Heroku's ("Dyno", `state`) and Kubernetes'.
_UP = frozenset({"up", "running", "ready", "active", "healthy", "live"})
_DOWN = frozenset(
    {"down", "stopped", "terminated", "terminating", "completed", "succeeded", "stopping", "exited"}
)
_CRASHED = frozenset(
    {
        "crashed",
        "crashing",
        "crashloopbackoff",
        "error",
        "errored",
        "failed",
        "oomkilled",
        "evicted",
        "imagepullbackoff",
        "errimagepull",
        "containercannotrun",
        "unhealthy",
    }
)
UNKNOWN_STATUS = "unknown"
# 3,000 characters are shown; twice this size is searched for secrets in-process.
MAX_OUTPUT = 8 * 1024
_WITHIN = ("result", "data", "exec")
_OUTPUT = ("output", "stdout", "lines", "result", "data", "stderr")


def parse_dyno(fields: Fields) -> Dyno | None:
    """Parse a dyno; None if it has no name."""
    name = fields.name("name", "dyno", "id")
    if name is None:
        return None
    state = (
        fields.name("state", "status", "phase")
        or fields.inner("state", "status").name("name", "state")
        or UNKNOWN_STATUS
    )
    word = "".join(letter for letter in state.lower() if letter.isalnum())
    return Dyno(
        name=name,
        type=fields.name("type", "process_type", "process") or name.partition(".")[0] or name,
        state=state,
        up=True if word in _UP else False if word in _DOWN | _CRASHED else None,
        crashed=word in _CRASHED,
        size=fields.related_name("size", "dyno_size"),
        command=fields.text("command"),
        restarts=fields.number("restarts", "restart_count", "restartCount"),
        since=fields.time("since", "state_changed_at", "started_at", "updated_at", "created_at"),
    )


def parse_command_result(body: bytes) -> CommandResult:
    """Parse a command's result. The command has run, so an unknown body counts as its output."""
    text = body.decode("utf-8", "replace")
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError):
        return _make_result(text, None)
    if not isinstance(content, dict):
        return _make_result(_parse_output(content) or "", None)
    result = next((content[key] for key in _WITHIN if isinstance(content.get(key), dict)), content)
    code = Fields(result).number("exit_code", "exit_status", "exitCode", "code")
    outputs = [read for key in _OUTPUT if (read := _parse_output(result.get(key))) is not None]
    if not outputs and code is None:
        return _make_result(text, None)
    return _make_result("\n".join(output.removesuffix("\n") for output in outputs if output), code)


def _parse_output(value: Any) -> str | None:
    """Parse output: a text or a list of lines; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "\n".join(line.removesuffix("\n") for line in value)
    return None


def _make_result(output: str, code: int | None) -> CommandResult:
    # The end shows how the command went. Cut at a line break, so that the text before a secret, by which it is found,
    # stays.
    readable = plain_text(_keep_end(output.encode("utf-8", "replace").decode(), 2 * MAX_OUTPUT))
    shown = _keep_end(redact(readable), MAX_OUTPUT)
    return CommandResult(
        output=shown, exit_code=code, cut=len(output) > 2 * MAX_OUTPUT or len(readable) > MAX_OUTPUT
    )


def _keep_end(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    end = text[-most:]
    # Half a secret can't be recognized. Secrets have no spaces, so drop the first word.
    return end.partition("\n")[2] or drop_first_word(end)


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
            raise InvalidRequest("the command must begin with a program", provider=BUILDIO)
        path = path_of("apps", app, "dynos", dyno, "exec")
        reply = await self._api.change("POST", path, {"command": list(command)}, seconds=seconds)
        return parse_command_result(reply.body)
