"""Leak detection: the bot's log, Slack calls, responses and stored data, and what must not be in them."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from bot.logging_setup import configure
from sandbox.request_log import LoggedRequest
from tests.fuzz.mutations import EVIL_CHANNEL, EVIL_GROUP, EVIL_HOST, EVIL_PERSON
from tests.fuzz.secret_tracker import CREDENTIAL_FILE, SecretTracker
from tests.support.bot_harness import BotHarness

# Markup that Slack would act on. The bot itself mentions users, channels and groups, but never these, nor everybody.
LIVE_MARKUP = re.compile(
    rf"<(?:!(?:channel|here|everyone)\b|@{EVIL_PERSON}|!subteam\^{EVIL_GROUP}|#{EVIL_CHANNEL}"
    rf"|(?:https?|mailto):[^>]*{re.escape(EVIL_HOST)}[^>|]*\|Approve)"
)
# Opaque values between Slack and the bot, which nobody sees.
_HANDLES = frozenset(
    {"trigger_id", "view_id", "hash", "ts", "thread_ts", "response_url", "block_id", "external_id"}
)
# A form that is rendered again must still contain the user's input.
_INPUT_FIELDS = frozenset({"initial_value"})
# Slack's errors for used handles, or for payloads with changed handles, users or channels.
_HANDLE_ERRORS = re.compile(
    r": (?:invalid_trigger_id|exchanged_trigger_id|expired_trigger_id|user_not_found|no_such_response_url"
    r"|function_execution_not_found|execution_not_in_running_state|cannot_find_message|cannot_unfurl_url"
    r"|push_limit_reached|hash_conflict)"
)


@dataclass
class LogCapture:
    """The bot's log; `take` returns new lines."""

    stream: io.StringIO = field(default_factory=io.StringIO)
    _taken: int = 0

    def take(self) -> list[str]:
        """Return the lines since the last call."""
        text = self.stream.getvalue()[self._taken :]
        self._taken += len(text)
        if self._taken > 1_000_000:
            self.stream.seek(0)
            self.stream.truncate()
            self._taken = 0
        return text.splitlines()


@contextlib.contextmanager
def capture_logs() -> Iterator[LogCapture]:
    """Capture everything that the bot writes to standard error, with the production logging setup."""
    log_capture, root, before = LogCapture(), logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    with contextlib.redirect_stderr(log_capture.stream):
        configure("debug", terminal=False)
        # Cached loggers would carry this setting into later tests.
        structlog.configure(**{**structlog.get_config(), "cache_logger_on_first_use": False})
        try:
            yield log_capture
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
            structlog.configure(**before)


def error_lines(lines: Sequence[str]) -> list[str]:
    """Return lines that report a failure: an error, a traceback, or a line that is not from the bot's logging."""
    return [line for line in lines if _reports_failure(line)]


def _reports_failure(line: str) -> bool:
    try:
        record = json.loads(line)
    except ValueError:
        return True
    return (
        record.get("level") in ("error", "critical")
        or "exception" in record
        or ".broken" in record.get("event", "")
    )


@dataclass
class LeakDetector:
    """Collects the output of a harness's bot."""

    harness: BotHarness
    log_capture: LogCapture
    secrets: SecretTracker

    def __post_init__(self) -> None:
        # All of it, not only the newest.
        self.harness.slack.request_log.entries = deque()
        self.harness.bitrise.request_log.entries = deque()
        self.harness.buildio.request_log.entries = deque()

    def forget(self) -> None:
        """Forget all output so far."""
        self.log_capture.take()
        self.calls()
        self.violations()
        self.files()

    def calls(self) -> list[LoggedRequest]:
        """Return the bot's calls to Slack since the last time."""
        entries = self.harness.slack.request_log.entries
        found = [entry for entry in entries if entry.direction == "app → Slack"]
        entries.clear()
        return found

    def violations(self) -> list[str]:
        """Return the bot's violations of Slack's and Build.io's rules since the last time."""
        harness = self.harness
        found = [rule for rule in harness.slack.violations if not _HANDLE_ERRORS.search(rule)]
        found += harness.buildio.violations
        harness.slack.violations.clear()
        harness.buildio.violations.clear()
        return found

    async def stored_secrets(self) -> list[str]:
        """Return the secrets stored in the bot's folder, and the database rows that contain them."""
        content = self.harness.stored_bytes()
        pieces = self.secrets.pieces()
        found = [content.find(piece) for piece in pieces]
        if max(found) < 0:
            return []
        at = min(position for position in found if position >= 0)
        context = content[max(at - 500, 0) : at + 200].decode("latin-1").replace("\0", "")
        text = content.decode("latin-1")
        return [
            *self.secrets.find_kinds(text),
            context,
            *[place async for place in self._find_places(pieces)],
        ]

    async def _find_places(self, pieces: Sequence[bytes]) -> AsyncIterator[str]:
        for (table,) in await self.harness.rows("SELECT name FROM sqlite_master WHERE type = 'table'"):
            rows = await self.harness.rows(f"SELECT * FROM {table}")  # noqa: S608 - one of our own names
            for row in rows:
                text = repr(row)
                if any(piece.decode() in text for piece in pieces):
                    yield f"{table}: {text[:2000]}"

    def files(self) -> list[str]:
        """Return the files uploaded since the last time, except the one that is a credential."""
        files, uploads = self.harness.slack.workspace.files, self.harness.slack.workspace.uploads
        found = [
            content.decode("utf-8", "replace")
            for name, content in files.items()
            if uploads[name].name != CREDENTIAL_FILE
        ]
        for name in list(files):
            files[name] = b""
        return found

    def leaks(self, calls: Sequence[LoggedRequest], *texts: str) -> list[str]:
        """Return leaks in these calls to Slack, or in log lines, responses and files."""
        found: list[str] = []
        if self.secrets.find_kinds("\n".join(texts)):
            found += [f"{kind} in {text}" for text in texts for kind in self.secrets.find_kinds(text)]
        for call in calls:
            found += [f"{kind} in {call}" for kind in self.secrets.leaked_kinds(call, visible_text(call))]
            found += [f"{text} in {call}" for text in live_markup(call)]
        return found


def visible_text(call: LoggedRequest, *, links: bool = False) -> str:
    """Return the visible text of a call.

    Without Slack's own handles. With `links` also the addresses of buttons, which are secret themselves if they lead to
    a file for the requesting user.
    """
    return "\n".join(_iterate_strings(call.request, links=links))


def live_markup(call: LoggedRequest) -> list[str]:
    """Return texts of a call that contain external markup."""
    return [text for text in _iterate_markup(call.request) if LIVE_MARKUP.search(text)]


def _iterate_strings(value: Any, name: str = "", *, links: bool) -> Iterator[str]:
    if name in _HANDLES or name in _INPUT_FIELDS or (name == "url" and not links):
        return
    if isinstance(value, str):
        inner = _parse_json(value) if name in ("private_metadata", "value") else None
        if isinstance(inner, dict):
            yield from _iterate_strings(inner, links=links)
        else:
            yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            if name != "unfurls":  # the unfurled address is part of the user's own message
                yield str(key)
            yield from _iterate_strings(item, str(key), links=links)
    elif isinstance(value, list):
        for item in value:
            yield from _iterate_strings(item, name, links=links)


def _iterate_markup(value: Any, name: str = "") -> Iterator[str]:
    """Yield texts that Slack parses as markup: mrkdwn objects, markdown blocks, and message texts."""
    if isinstance(value, dict):
        markup = value.get("type") in ("mrkdwn", "markdown")
        if markup:
            yield str(value.get("text"))
        for key, item in value.items():
            if key != "text" or (not markup and value.get("type") != "plain_text"):
                yield from _iterate_markup(item, str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _iterate_markup(item)
    elif isinstance(value, str) and name in ("text", "initial_comment", "fallback"):
        yield value


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
