"""What Build.io says of dynos, and what commands leave that ran in them. Pure; no I/O."""

from __future__ import annotations

import json
from typing import Any

from domain.ansi import plain_text
from domain.redaction.redactor import drop_first_word, redact
from providers.buildio.api.field_parsing import Fields
from providers.buildio.api.models import CommandResult, Dyno

# The reference names a status and none of its words; these are Heroku's ("Dyno", `state`) and Kubernetes'.
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
UNSAID = "unknown"
# Three thousand letters of it are shown; twice as much as this is looked through for secrets, in place.
MOST_OUTPUT = 8 * 1024
_WITHIN = ("result", "data", "exec")
_OUTPUT = ("output", "stdout", "lines", "result", "data", "stderr")


def parse_dyno(fields: Fields) -> Dyno | None:
    """The dyno; None where it has no name."""
    name = fields.name("name", "dyno", "id")
    if name is None:
        return None
    state = (
        fields.name("state", "status", "phase")
        or fields.inner("state", "status").name("name", "state")
        or UNSAID
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
    """What a command left. It has run, so whatever came is its output where none is named."""
    text = body.decode("utf-8", "replace")
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError):
        return _executed(text, None)
    if not isinstance(content, dict):
        return _executed(_as_output(content) or "", None)
    within = next((content[key] for key in _WITHIN if isinstance(content.get(key), dict)), content)
    code = Fields(within).number("exit_code", "exit_status", "exitCode", "code")
    named = [read for key in _OUTPUT if (read := _as_output(within.get(key))) is not None]
    if not named and code is None:
        return _executed(text, None)
    return _executed("\n".join(one.removesuffix("\n") for one in named if one), code)


def _as_output(value: Any) -> str | None:
    """A text, or lines of it; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "\n".join(one.removesuffix("\n") for one in value)
    return None


def _executed(output: str, code: int | None) -> CommandResult:
    # The end says how it went. What is cut off is cut at a line, so that secrets are known by what stands before them.
    readable = plain_text(_end_of(output.encode("utf-8", "replace").decode(), 2 * MOST_OUTPUT))
    shown = _end_of(redact(readable), MOST_OUTPUT)
    return CommandResult(
        output=shown, exit_code=code, cut=len(output) > 2 * MOST_OUTPUT or len(readable) > MOST_OUTPUT
    )


def _end_of(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    end = text[-most:]
    # Of a secret that is cut in half, nothing tells that it is one; it has no blanks in it.
    return end.partition("\n")[2] or drop_first_word(end)
