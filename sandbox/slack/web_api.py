"""The Web API's outside: tokens, scopes, rates, faults, forms and JSON, and the response addresses."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from sandbox.faults import Fault, Faults
from sandbox.journal import Journal
from sandbox.slack.checks import SlackError, check_blocks
from sandbox.slack.handles import Handles, ResponseHandle
from sandbox.slack.methods import METHODS, Methods
from sandbox.slack.rates import Rates
from sandbox.slack.workspace import BOT_USER, Post

MOST_RESPONSE_TEXT = 40_000
_UNESCAPED = re.compile(r"&(?!amp;|lt;|gt;)|<(?![@#!]|https?:|mailto:|tel:)|<(?=[^>]*$)")
# Errors that come from a careful app, too: the world changed between its looking and its asking.
HAPPEN_TO_ANYBODY = frozenset(
    {
        "channel_not_found",
        "is_archived",
        "not_in_channel",
        "not_found",
        "message_not_found",
        "thread_not_found",
        "internal_error",
        "expired_url",
        "ratelimited",
        "account_inactive",
        "token_revoked",
    }
)


@dataclass
class WebApi:
    """Answers `/api/…` and `/response/…`; what breaks one of Slack's rules is noted in the journal."""

    methods: Methods
    handles: Handles
    scopes: frozenset[str]
    bot_token: str
    app_token: str
    journal: Journal
    faults: Faults = field(default_factory=Faults)
    rates: Rates = field(default_factory=Rates)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """A method call."""
        method = request.match_info["method"]
        arguments = await _arguments(request)
        entry = self.journal.note("app → Slack", method, _shown(arguments))
        fault = self.faults.take(method)
        if (faulty := await _before(fault, request)) is not None:
            self.journal.close(entry, f"(fault: {fault.kind if fault else ''})", status=faulty.status)
            return faulty
        status, answer, headers, broken = self._answer(method, arguments, request, fault)
        self.journal.close(entry, answer, status=status, broken=broken)
        if fault is not None and fault.kind == "answer_lost":
            _break(request)
        return web.json_response(answer, status=status, headers=headers)

    def _answer(
        self, method: str, arguments: dict[str, Any], request: web.Request, fault: Fault | None
    ) -> tuple[int, dict[str, Any], dict[str, str], list[str]]:
        headers = {"X-OAuth-Scopes": ",".join(sorted(self.scopes))}
        wait = self.rates.wait(method, str(arguments.get("channel")))
        if fault is not None and fault.kind == "ratelimited":
            wait = max(int(fault.seconds), 1)
        if wait:
            return 429, {"ok": False, "error": "ratelimited"}, headers | {"Retry-After": str(wait)}, []
        try:
            if fault is not None and fault.kind == "error":
                raise SlackError(fault.words)
            answer = {"ok": True, **self._call(method, arguments, request)}
            return 200, answer, headers, unescaped(arguments)
        except SlackError as error:
            expected = error.error in HAPPEN_TO_ANYBODY or fault is not None
            return 200, error.body, headers, [] if expected else [str(error)]

    def _call(self, method: str, arguments: Mapping[str, Any], request: web.Request) -> dict[str, Any]:
        if method not in METHODS:
            raise SlackError("unknown_method", req_method=method)
        name, scope = METHODS[method]
        authorization = request.headers.get("Authorization", "")
        token = authorization.removeprefix("Bearer ").strip() or str(arguments.get("token") or "")
        if not token:
            raise SlackError("not_authed")
        wanted = self.app_token if method == "apps.connections.open" else self.bot_token
        if token != wanted:
            raise SlackError(
                "not_allowed_token_type" if token in (self.app_token, self.bot_token) else "invalid_auth"
            )
        if scope is not None and scope not in self.scopes:
            raise SlackError("missing_scope", needed=scope, provided=",".join(sorted(self.scopes)))
        answer: dict[str, Any] = getattr(self.methods, name)(arguments)
        return answer

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """A message to a response_url."""
        text = await request.text()
        entry = self.journal.note("app → Slack", "response_url", _loaded(text))
        fault = self.faults.take("response_url")
        if (faulty := await _before(fault, request)) is not None:
            self.journal.close(entry, "(fault)", status=faulty.status)
            return faulty
        status, broken = 200, []
        try:
            content = json.loads(text)
            answer = self.take_response(self.handles.use_response(request.match_info["name"]), content)
            broken = unescaped(content)
        except SlackError as error:
            status, answer = 404 if error.error == "expired_url" else 400, error.body
            broken = [] if error.error in HAPPEN_TO_ANYBODY else [str(error)]
        except ValueError:
            status, answer = 400, {"ok": False, "error": "invalid_payload"}
            broken = ["the body is no JSON"]
        self.journal.close(entry, answer, status=status, broken=broken)
        return web.json_response(answer, status=status)

    def take_response(self, handle: ResponseHandle, content: Mapping[str, Any]) -> dict[str, Any]:
        """Put an answer where its handle leads: a new message, or in the place of the one that was pressed."""
        workspace = self.methods.workspace
        channel = workspace.channels[handle.channel]
        blocks = check_blocks(content["blocks"]) if content.get("blocks") else []
        text = str(content.get("text") or "")
        pressed = channel.find(handle.post_ts) if handle.post_ts else None
        if content.get("delete_original") and pressed is not None:
            workspace.remove(channel, pressed)
            return {"ok": True}
        if not text and not blocks:
            raise SlackError("no_text")
        if len(text) > MOST_RESPONSE_TEXT:
            raise SlackError("msg_too_long")
        if content.get("replace_original") and pressed is not None:
            pressed.text, pressed.blocks, pressed.edited = text, blocks, True
            workspace.touch(pressed)
            return {"ok": True}
        only_for = None if content.get("response_type") == "in_channel" else handle.person
        workspace.post(
            channel, Post(workspace.new_ts(), BOT_USER, text, blocks, only_for=only_for, by_bot=True)
        )
        return {"ok": True}


def unescaped(content: Mapping[str, Any]) -> list[str]:
    """Texts of a message in which an ampersand or an angle bracket is neither escaped nor Slack's own markup."""
    texts = [str(content.get("text") or ""), *_mrkdwn(_loaded(content.get("blocks")))]
    return [f"unescaped text: {text[:80]}" for text in texts if _UNESCAPED.search(text)]


def _mrkdwn(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [str(value.get("text"))] if value.get("type") == "mrkdwn" else []
        return own + [text for inner in value.values() for text in _mrkdwn(inner)]
    return [text for inner in value for text in _mrkdwn(inner)] if isinstance(value, list) else []


def _shown(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a call was given, never its token."""
    return {name: _loaded(value) for name, value in arguments.items() if name != "token"}


def _loaded(value: Any) -> Any:
    """JSON text as what it says."""
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


async def _before(fault: Fault | None, request: web.Request) -> web.Response | None:
    """What a fault does before the request is looked at."""
    if fault is None:
        return None
    if fault.kind == "dropped":
        _break(request)
    if fault.kind == "slow":
        await asyncio.sleep(fault.seconds)
    if fault.kind == "status":
        return web.Response(status=fault.status, text="")
    if fault.kind == "html":
        return web.Response(status=500, text="<html>Server Error</html>", content_type="text/html")
    return None


def _break(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
    raise asyncio.CancelledError


async def _arguments(request: web.Request) -> dict[str, Any]:
    """Query, form, multipart and JSON: Slack takes them all."""
    arguments: dict[str, Any] = dict(request.query)
    if request.method == "POST":
        if request.content_type == "application/json":
            content = json.loads(await request.text() or "{}")
            arguments |= content if isinstance(content, dict) else {}
        else:
            arguments |= {
                name: value for name, value in (await request.post()).items() if isinstance(value, str)
            }
    return arguments
