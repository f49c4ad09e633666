"""The Web API server: tokens, scopes, rate limits, faults, forms and JSON, and response URLs."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from sandbox.faults import Fault, FaultInjector, client_port
from sandbox.request_log import RequestLog
from sandbox.slack.arguments import parse_json, read_flag
from sandbox.slack.installations import BotToken, Installation, Installations
from sandbox.slack.models import APP, FunctionExecution
from sandbox.slack.rate_limits import RateLimits
from sandbox.slack.response_urls import apply_response
from sandbox.slack.socket_mode import SocketModeServer
from sandbox.slack.validation import SlackError
from sandbox.slack.web_api_methods import FORM_ONLY, METHODS, WebApiMethods
from sandbox.slack.workspace_driver import WorkspaceDriver

_UNESCAPED = re.compile(r"&(?!amp;|lt;|gt;)|<(?![@#!]|https?:|mailto:|tel:)|<(?=[^>]*$)")
# Errors that a correct app gets, too: the state changed between its calls.
EXPECTED_ERRORS = frozenset(
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
        "token_expired",
        "user_disabled",
        "no_such_subteam",
        "invalid_code",
        "code_already_used",
        "already_archived",
        "already_in_channel",
        "already_pinned",
        "already_reacted",
        "execution_not_in_running_state",
        "name_taken",
        "no_pin",
        "no_reaction",
        "not_archived",
        "users_not_found",
    }
)


# Methods that need team_id with an organisation's token (docs.slack.dev, "usergroups.list").
_METHODS_WITH_TEAM_ID = frozenset(
    {
        "conversations.create",
        "conversations.list",
        "usergroups.list",
        "usergroups.users.list",
        "users.conversations",
        "users.list",
    }
)
# Hidden in the inspector.
_SECRETS = frozenset({"token", "client_secret", "code", "access_token", "refresh_token"})


@dataclass
class _AuthorizedCall:
    """An authorized call, and the rate limits that it counts against."""

    answer: Callable[[], dict[str, Any]]
    rates: RateLimits
    scopes: frozenset[str] | None = None
    channel: str = ""


@dataclass
class WebApi:
    """Serves `/api/…` and `/response/…`; violations of Slack's rules go to the request log.

    A call goes to the workspace of its token. `revoked` is called with a revoked token and whether it was its
    installation's last. `methods` and `scopes` are those of the app's initial token.
    """

    workspaces: Mapping[str, WorkspaceDriver]
    installations: Installations
    sockets: SocketModeServer
    manifest: Mapping[str, Any]
    base_url: Callable[[], str]
    bot_token: str
    app_token: str
    request_log: RequestLog
    revoked: Callable[[BotToken, bool], None] = lambda *_: None
    faults: FaultInjector = field(default_factory=FaultInjector)
    rate_limits: RateLimits = field(default_factory=RateLimits)

    @property
    def methods(self) -> WebApiMethods:
        """Return the methods for the initial token."""
        return self._methods(self._initial_token, next(self._workspaces_of(self._initial_token)))

    @property
    def scopes(self) -> frozenset[str]:
        """Return the scopes of the initial token."""
        return self._initial_token.scopes

    @scopes.setter
    def scopes(self, scopes: frozenset[str]) -> None:
        self._initial_token.scopes = scopes

    @property
    def _initial_token(self) -> Installation:
        return self.installations.tokens[self.bot_token].installation

    def _workspaces_of(self, installation: Installation) -> Iterator[WorkspaceDriver]:
        return (driver for driver in self.workspaces.values() if installation.covers(driver.workspace))

    def _methods(
        self, installation: Installation, driver: WorkspaceDriver, run: FunctionExecution | None = None
    ) -> WebApiMethods:
        return WebApiMethods(
            driver.workspace,
            driver.handles,
            installation,
            self.base_url,
            [item.workspace for item in self._workspaces_of(installation)],
            bool(self.manifest["features"].get("app_home", {}).get("home_tab_enabled")),
            self.manifest.get("functions") or {},
            run,
        )

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Handle a method call."""
        method = request.match_info["method"]
        arguments, unreadable = await _arguments(method, request)
        entry = self.request_log.open_entry("app → Slack", method, _without_secrets(arguments))
        fault = self.faults.take(method, client_port=client_port(request))
        if (faulty := await _apply_fault(fault, request)) is not None:
            self.request_log.close_entry(
                entry, f"(fault: {fault.kind if fault else ''})", status=faulty.status
            )
            return faulty
        status, result, headers, violations = self._answer(method, arguments, request, fault, unreadable)
        shown = result if method != "oauth.v2.access" else _without_secrets(result)
        self.request_log.close_entry(entry, shown, status=status, violations=violations)
        if fault is not None and fault.kind == "answer_lost":
            _break(request)
        return web.json_response(result, status=status, headers=headers)

    def _answer(
        self,
        method: str,
        arguments: dict[str, Any],
        request: web.Request,
        fault: Fault | None,
        unreadable: SlackError | None,
    ) -> tuple[int, dict[str, Any], dict[str, str], list[str]]:
        call = self._authorize(method, arguments, request)
        headers = {"X-OAuth-Scopes": ",".join(sorted(call.scopes))} if call.scopes is not None else {}
        wait = call.rates.retry_after(method, call.channel)
        if fault is not None and fault.kind == "ratelimited":
            wait = max(int(fault.seconds), 1)
        if wait:
            return 429, {"ok": False, "error": "ratelimited"}, headers | {"Retry-After": str(wait)}, []
        try:
            if fault is not None and fault.kind == "error":
                raise SlackError(fault.words)
            if unreadable is not None:
                raise unreadable
            return 200, {"ok": True, **call.answer()}, headers, unescaped(arguments)
        except SlackError as error:
            asked_for = method == "api.test"
            expected = error.error in EXPECTED_ERRORS or fault is not None or asked_for
            return 200, error.body, headers, [] if expected else [str(error)]

    def _authorize(self, method: str, arguments: Mapping[str, Any], request: web.Request) -> _AuthorizedCall:
        """Authorize a call and find its method."""
        try:
            if method == "oauth.v2.access":
                given = dict(arguments) | _basic_credentials(request)
                return _AuthorizedCall(lambda: self.installations.exchange(given), self.rate_limits)
            authorization = request.headers.get("Authorization", "")
            text = authorization.removeprefix("Bearer ").strip() or _token_argument(arguments)
            known = method in METHODS or method in ("apps.connections.open", "auth.revoke")
            if not known:
                raise SlackError("unknown_method", req_method=method)
            if method == "api.test":
                return _AuthorizedCall(lambda: self.methods.api_test(arguments), self.rate_limits)
            if not text:
                raise SlackError("not_authed")
            if method == "apps.connections.open":
                return self._open_connection(text)
            if text == self.app_token:
                raise SlackError("not_allowed_token_type")
            token = self.installations.authorize(text)
            driver = self._find_workspace(token.installation, method, arguments)
        except SlackError as error:
            return _AuthorizedCall(_raise_later(error), self.rate_limits)
        scopes = token.installation.scopes
        if method == "auth.revoke":
            return _AuthorizedCall(lambda: self._revoke(token, arguments), driver.rate_limits, scopes)
        name, scope = METHODS[method]
        if scope is not None and scope not in scopes:
            missing = SlackError("missing_scope", needed=scope, provided=",".join(sorted(scopes)))
            return _AuthorizedCall(_raise_later(missing), driver.rate_limits, scopes)
        result = getattr(self._methods(token.installation, driver, token.execution), name)
        channel = driver.workspace.resolve_channel(str(arguments.get("channel") or ""))
        return _AuthorizedCall(
            lambda: result(arguments), driver.rate_limits, scopes, channel.id if channel is not None else ""
        )

    def _open_connection(self, text: str) -> _AuthorizedCall:
        """apps.connections.open: needs the app-level token, which is independent of workspaces."""
        if text != self.app_token:
            known = text in self.installations.tokens
            raise SlackError("not_allowed_token_type" if known else "invalid_auth")
        url = self.base_url().replace("http", "ws", 1)

        def answer() -> dict[str, Any]:
            return {"url": f"{url}/link/?ticket={self.sockets.new_ticket()}&app_id={APP}"}

        return _AuthorizedCall(answer, self.rate_limits)

    def _revoke(self, token: BotToken, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """auth.revoke; nothing happens with `test`."""
        if read_flag(arguments, "test"):
            return {"revoked": False}
        self.revoked(token, self.installations.revoke(token))
        return {"revoked": True}

    def _find_workspace(
        self, installation: Installation, method: str, arguments: Mapping[str, Any]
    ) -> WorkspaceDriver:
        """Return the workspace of a call. Raises SlackError.

        A workspace's own token has one, whatever `team_id` says; for an organisation's token it is named by `team_id`
        or by something in it.
        """
        drivers = list(self._workspaces_of(installation))
        if not installation.org_wide:
            return drivers[0]
        if team := arguments.get("team_id"):
            for driver in drivers:
                if driver.workspace.team == team:
                    return driver
            raise SlackError("team_access_not_granted")
        if method in _METHODS_WITH_TEAM_ID:
            raise SlackError("missing_argument", "team_id is needed with an organisation's token")
        return next((driver for driver in drivers if driver.has(arguments)), drivers[0])

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Handle a message to a response_url."""
        text = (await request.read()).decode("utf-8", "replace")
        entry = self.request_log.open_entry("app → Slack", "response_url", _parse_json(text))
        fault = self.faults.take("response_url", client_port=client_port(request))
        if (faulty := await _apply_fault(fault, request)) is not None:
            self.request_log.close_entry(entry, "(fault)", status=faulty.status)
            return faulty
        status, violations = 200, []
        try:
            content = parse_json(text)
            if not isinstance(content, dict):
                raise SlackError("invalid_payload", "the body isn't an object")
            name = request.match_info["name"]
            target = next(
                (driver for driver in self.workspaces.values() if driver.handles.has_response_url(name)), None
            )
            if target is None:
                raise SlackError("no_such_response_url")
            result = apply_response(target.workspace, target.handles.use_response_url(name), content)
            violations = unescaped(content)
        except SlackError as error:
            status, result = 404 if error.error == "expired_url" else 400, error.body
            violations = [] if error.error in EXPECTED_ERRORS else [str(error)]
        except ValueError:
            status, result = 400, {"ok": False, "error": "invalid_payload"}
            violations = ["the body isn't valid JSON"]
        self.request_log.close_entry(entry, result, status=status, violations=violations)
        return web.json_response(result, status=status)


def unescaped(content: Mapping[str, Any]) -> list[str]:
    """Return the texts of a message with an unescaped ampersand or angle bracket that is not Slack's own markup."""
    texts = [str(content.get("text") or ""), *_mrkdwn(_parse_json(content.get("blocks")))]
    return [f"unescaped text: {text[:80]}" for text in texts if _UNESCAPED.search(text)]


def _mrkdwn(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [str(value.get("text"))] if value.get("type") == "mrkdwn" else []
        return own + [text for inner in value.values() for text in _mrkdwn(inner)]
    return [text for inner in value for text in _mrkdwn(inner)] if isinstance(value, list) else []


def _without_secrets(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments or a response without secrets."""
    return {name: _parse_json(value) for name, value in arguments.items() if name not in _SECRETS}


def _raise_later(error: SlackError) -> Callable[[], dict[str, Any]]:
    def refuse() -> dict[str, Any]:
        raise error

    return refuse


def _basic_credentials(request: web.Request) -> dict[str, str]:
    """Return client id and secret from HTTP Basic, which Slack prefers to the form."""
    kind, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "basic":
        return {}
    try:
        client_id, _, client_secret = base64.b64decode(encoded).decode().partition(":")
    except ValueError:
        return {}
    return {"client_id": client_id, "client_secret": client_secret}


def _parse_json(value: Any) -> Any:
    """Return parsed JSON text; anything else unchanged."""
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return parse_json(value)
    except ValueError:
        return value


async def _apply_fault(fault: Fault | None, request: web.Request) -> web.Response | None:
    """Apply a fault before the request is processed."""
    if fault is None:
        return None
    if fault.kind == "dropped":
        _break(request)
    if fault.kind == "slow":
        await asyncio.sleep(fault.seconds)
    if fault.kind == "held":
        await fault.released.wait()
    if fault.kind == "status":
        return web.Response(status=fault.status, text="")
    if fault.kind == "html":
        return web.Response(status=500, text="<html>Server Error</html>", content_type="text/html")
    return None


def _break(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
    raise asyncio.CancelledError


async def _arguments(method: str, request: web.Request) -> tuple[dict[str, Any], SlackError | None]:
    """Return the arguments from query, form, multipart or JSON, and the error of the body, if any."""
    arguments: dict[str, Any] = dict(request.query)
    if request.method != "POST":
        return arguments, None
    if request.content_type == "application/json":
        if method in FORM_ONLY:
            return arguments, None
        try:
            content = parse_json(await request.read() or b"{}")
        except ValueError:
            return arguments, SlackError("invalid_json")
        if not isinstance(content, dict):
            return arguments, SlackError("json_not_object")
        return arguments | content, None
    try:
        form = await request.post()
    except (ValueError, LookupError, AssertionError):
        return arguments, SlackError("invalid_form_data")
    return arguments | {name: value for name, value in form.items() if isinstance(value, str)}, None


def _token_argument(arguments: Mapping[str, Any]) -> str:
    """Return the token argument; "" without one."""
    token = arguments.get("token")
    return token if isinstance(token, str) else ""
