"""What the bot let out: its log, what it told Slack, what it answered, what it keeps; and what must not be in it."""

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

# Markup that Slack would act on. The bot itself mentions people, channels and groups, but never these, nor everybody.
LIVE = re.compile(
    rf"<(?:!(?:channel|here|everyone)\b|@{EVIL_PERSON}|!subteam\^{EVIL_GROUP}|#{EVIL_CHANNEL}"
    rf"|(?:https?|mailto):[^>]*{re.escape(EVIL_HOST)}[^>|]*\|Approve)"
)
# What Slack gives to the bot and gets back from it: no words, and shown to nobody.
_HANDLES = frozenset(
    {"trigger_id", "view_id", "hash", "ts", "thread_ts", "response_url", "block_id", "external_id"}
)
# Of what somebody typed into a form the form must still hold it when it is drawn anew.
_TYPED = frozenset({"initial_value"})
# What Slack refuses where a handle was used up, or a payload's handles, people or places were changed.
_OF_HANDLES = re.compile(
    r": (?:invalid_trigger_id|exchanged_trigger_id|expired_trigger_id|user_not_found|no_such_response_url"
    r"|function_execution_not_found|execution_not_in_running_state|cannot_find_message|cannot_unfurl_url"
    r"|push_limit_reached|hash_conflict)"
)


@dataclass
class LogCapture:
    """The bot's log as it is written; `take` gives what is new."""

    stream: io.StringIO = field(default_factory=io.StringIO)
    _taken: int = 0

    def take(self) -> list[str]:
        """The lines since the last time."""
        text = self.stream.getvalue()[self._taken :]
        self._taken += len(text)
        if self._taken > 1_000_000:
            self.stream.seek(0)
            self.stream.truncate()
            self._taken = 0
        return text.splitlines()


@contextlib.contextmanager
def capture_logs() -> Iterator[LogCapture]:
    """Hear everything that the bot writes to standard error, which it is set up to write as in production."""
    ear, root, before = LogCapture(), logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    with contextlib.redirect_stderr(ear.stream):
        configure("debug", terminal=False)
        # Loggers that remember this setting would take it into the tests that follow.
        structlog.configure(**{**structlog.get_config(), "cache_logger_on_first_use": False})
        try:
            yield ear
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
            structlog.configure(**before)


def broken_lines(lines: Sequence[str]) -> list[str]:
    """Those that tell of something broken: an error, a traceback, or no line of ours at all."""
    return [line for line in lines if _is_broken(line)]


def _is_broken(line: str) -> bool:
    try:
        said = json.loads(line)
    except ValueError:
        return True
    return (
        said.get("level") in ("error", "critical")
        or "exception" in said
        or ".broken" in said.get("event", "")
    )


@dataclass
class LeakDetector:
    """Gathers what a town's bot lets out, piece by piece."""

    town: BotHarness
    ear: LogCapture
    secrets: SecretTracker

    def __post_init__(self) -> None:
        # All of it, not the newest alone.
        self.town.slack.journal.entries = deque()
        self.town.bitrise.journal.entries = deque()
        self.town.buildio.journal.entries = deque()

    def forget(self) -> None:
        """What was let out so far was looked at, or is of no concern."""
        self.ear.take()
        self.calls()
        self.broken_rules()
        self.files()

    def calls(self) -> list[LoggedRequest]:
        """What the bot asked of Slack since the last time."""
        entries = self.town.slack.journal.entries
        found = [one for one in entries if one.between == "app → Slack"]
        entries.clear()
        return found

    def broken_rules(self) -> list[str]:
        """The rules of Slack and of Build.io's reference that the bot broke since the last time by what it sent."""
        town = self.town
        found = [rule for rule in town.slack.violations if not _OF_HANDLES.search(rule)]
        found += town.buildio.violations
        town.slack.violations.clear()
        town.buildio.violations.clear()
        return found

    async def kept(self) -> list[str]:
        """The secrets that lie in the bot's folder, and where in its database they stand."""
        content = self.town.stored_bytes()
        pieces = self.secrets.pieces()
        found = [content.find(piece) for piece in pieces]
        if max(found) < 0:
            return []
        at = min(place for place in found if place >= 0)
        around = content[max(at - 500, 0) : at + 200].decode("latin-1").replace("\0", "")
        text = content.decode("latin-1")
        return [*self.secrets.seen_in(text), around, *[place async for place in self._places(pieces)]]

    async def _places(self, pieces: Sequence[bytes]) -> AsyncIterator[str]:
        for (table,) in await self.town.rows("SELECT name FROM sqlite_master WHERE type = 'table'"):
            rows = await self.town.rows(f"SELECT * FROM {table}")  # noqa: S608 - one of our own names
            for row in rows:
                text = repr(row)
                if any(piece.decode() in text for piece in pieces):
                    yield f"{table}: {text[:2000]}"

    def files(self) -> list[str]:
        """The files that were uploaded since the last time, but for the one that is a credential."""
        files, uploads = self.town.slack.workspace.files, self.town.slack.workspace.uploads
        found = [
            content.decode("utf-8", "replace")
            for name, content in files.items()
            if uploads[name].name != CREDENTIAL_FILE
        ]
        for name in list(files):
            files[name] = b""
        return found

    def leaks(self, calls: Sequence[LoggedRequest], *texts: str) -> list[str]:
        """What came out that must not: in these calls of Slack's, or in lines of the log, answers and files."""
        found: list[str] = []
        if self.secrets.seen_in("\n".join(texts)):
            found += [f"{kind} in {text}" for text in texts for kind in self.secrets.seen_in(text)]
        for call in calls:
            found += [f"{kind} in {call}" for kind in self.secrets.leaked_kinds(call, shown(call))]
            found += [f"{text} in {call}" for text in live_markup(call)]
        return found


def shown(call: LoggedRequest, *, links: bool = False) -> str:
    """The words of a call: what it shows to people, or leaves with Slack.

    Without Slack's own handles. With `links` also the addresses that buttons lead to, which are secret themselves
    where they lead to a file: they are for the one who asked for them.
    """
    return "\n".join(_strings(call.request, links=links))


def live_markup(call: LoggedRequest) -> list[str]:
    """Texts of a call with markup in them that came from outside."""
    return [text for text in _markup_in(call.request) if LIVE.search(text)]


def _strings(value: Any, name: str = "", *, links: bool) -> Iterator[str]:
    if name in _HANDLES or name in _TYPED or (name == "url" and not links):
        return
    if isinstance(value, str):
        inner = _loaded(value) if name in ("private_metadata", "value") else None
        if isinstance(inner, dict):
            yield from _strings(inner, links=links)
        else:
            yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            if name != "unfurls":  # the address that is unfurled is part of somebody's own message
                yield str(key)
            yield from _strings(one, str(key), links=links)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one, name, links=links)


def _markup_in(value: Any, name: str = "") -> Iterator[str]:
    """Texts that Slack reads as markup: mrkdwn objects, markdown blocks, and what stands beside blocks."""
    if isinstance(value, dict):
        markup = value.get("type") in ("mrkdwn", "markdown")
        if markup:
            yield str(value.get("text"))
        for key, one in value.items():
            if key != "text" or (not markup and value.get("type") != "plain_text"):
                yield from _markup_in(one, str(key))
    elif isinstance(value, list):
        for one in value:
            yield from _markup_in(one)
    elif isinstance(value, str) and name in ("text", "initial_comment", "fallback"):
        yield value


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
