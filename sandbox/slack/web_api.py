"""The Web API's outside: tokens, scopes, rates, faults, forms and JSON, and the response addresses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from sandbox.faults import Fault, Faults
from sandbox.slack.checks import SlackError, check_blocks
from sandbox.slack.handles import Handles, ResponseHandle
from sandbox.slack.methods import METHODS, Methods
from sandbox.slack.rates import Rates
from sandbox.slack.workspace import BOT_USER, Post

MOST_RESPONSE_TEXT = 40_000
# Errors that come from a careful app, too: the world changed between its looking and its asking.
HAPPEN_TO_ANYBODY = frozenset(
    {
        "channel_not_found",
        "is_archived",
        "not_in_channel",
        "not_found",
        "internal_error",
        "expired_url",
        "ratelimited",
        "account_inactive",
        "token_revoked",
    }
)


@dataclass
class Call:
    """One call to the Web API, and its answer."""

    method: str
    arguments: dict[str, Any]
    answer: dict[str, Any]
    status: int = 200


@dataclass
class WebApi:
    """Answers `/api/…` and `/response/…`; `violations` holds one line for each of Slack's rules that was broken."""

    methods: Methods
    handles: Handles
    scopes: frozenset[str]
    bot_token: str
    app_token: str
    faults: Faults = field(default_factory=Faults)
    rates: Rates = field(default_factory=Rates)
    calls: list[Call] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """A method call."""
        method = request.match_info["method"]
        arguments = await _arguments(request)
        shown = {name: value for name, value in arguments.items() if name != "token"}
        fault = self.faults.take(method)
        if (broken := await _before(fault, request)) is not None:
            self.calls.append(Call(method, shown, {"fault": fault.kind if fault else ""}, broken.status))
            return broken
        status, answer, headers = self._answer(method, arguments, request, fault)
        self.calls.append(Call(method, shown, answer, status))
        if fault is not None and fault.kind == "answer_lost":
            _break(request)
        return web.json_response(answer, status=status, headers=headers)

    def _answer(
        self, method: str, arguments: dict[str, Any], request: web.Request, fault: Fault | None
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        headers = {"X-OAuth-Scopes": ",".join(sorted(self.scopes))}
        wait = self.rates.wait(method, str(arguments.get("channel")))
        if fault is not None and fault.kind == "ratelimited":
            wait = max(int(fault.seconds), 1)
        if wait:
            return 429, {"ok": False, "error": "ratelimited"}, headers | {"Retry-After": str(wait)}
        try:
            if fault is not None and fault.kind == "error":
                raise SlackError(fault.words)
            return 200, {"ok": True, **self._call(method, arguments, request)}, headers
        except SlackError as error:
            if error.error not in HAPPEN_TO_ANYBODY and fault is None:
                self.violations.append(f"{method}: {error}")
            return 200, error.body, headers

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
        fault = self.faults.take("response_url")
        if (broken := await _before(fault, request)) is not None:
            return broken
        try:
            content = json.loads(await request.text())
            answer = self.take_response(self.handles.use_response(request.match_info["name"]), content)
        except SlackError as error:
            if error.error not in HAPPEN_TO_ANYBODY:
                self.violations.append(f"response_url: {error}")
            return web.json_response(error.body, status=404 if error.error == "expired_url" else 400)
        except ValueError:
            return web.json_response({"ok": False, "error": "invalid_payload"}, status=400)
        return web.json_response(answer)

    def take_response(self, handle: ResponseHandle, content: Mapping[str, Any]) -> dict[str, Any]:
        """Put an answer where its handle leads: a new message, or in the place of the one that was pressed."""
        workspace = self.methods.workspace
        channel = workspace.channels[handle.channel]
        blocks = check_blocks(content["blocks"]) if content.get("blocks") else []
        text = str(content.get("text") or "")
        pressed = channel.find(handle.post_ts) if handle.post_ts else None
        if content.get("delete_original") and pressed is not None:
            channel.posts.remove(pressed)
            workspace.changed()
            return {"ok": True}
        if not text and not blocks:
            raise SlackError("no_text")
        if len(text) > MOST_RESPONSE_TEXT:
            raise SlackError("msg_too_long")
        if content.get("replace_original") and pressed is not None:
            pressed.text, pressed.blocks, pressed.edited = text, blocks, True
            workspace.changed()
            return {"ok": True}
        only_for = None if content.get("response_type") == "in_channel" else handle.person
        workspace.post(
            channel, Post(workspace.new_ts(), BOT_USER, text, blocks, only_for=only_for, by_bot=True)
        )
        return {"ok": True}


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
