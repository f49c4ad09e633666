"""The Web API's outside: tokens, scopes, rates, faults, forms and JSON, and the response addresses."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from sandbox.faults import Fault, FaultInjector
from sandbox.request_log import RequestLog
from sandbox.slack.arguments import flag, parse_json
from sandbox.slack.installations import BotToken, Installation, Installations
from sandbox.slack.rate_limits import RateLimits
from sandbox.slack.response_urls import apply_response
from sandbox.slack.socket_mode import SocketModeServer
from sandbox.slack.validation import SlackError
from sandbox.slack.web_api_methods import FORM_ONLY, METHODS, WebApiMethods
from sandbox.slack.workspace import APP, FunctionExecution
from sandbox.slack.workspace_driver import WorkspaceDriver

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


# Without a workspace named, an organisation's token can't say which one is meant (docs.slack.dev, "usergroups.list").
_TEAM_NEEDED = frozenset(
    {
        "conversations.create",
        "conversations.list",
        "usergroups.list",
        "usergroups.users.list",
        "users.conversations",
        "users.list",
    }
)
# What the inspector does not show.
_SECRETS = frozenset({"token", "client_secret", "code", "access_token", "refresh_token"})


@dataclass
class _AuthorizedCall:
    """A call that may be answered, and whose allowance it takes from."""

    answer: Callable[[], dict[str, Any]]
    rates: RateLimits
    scopes: frozenset[str] | None = None
    channel: str = ""


@dataclass
class WebApi:
    """Answers `/api/…` and `/response/…`; what breaks one of Slack's rules is noted in the journal.

    A call goes to the workspace whose token it carries. `revoked` hears of a token that was revoked, and whether it
    was its installation's last. `methods` and `scopes` are those of the token that the app has from the start.
    """

    workplaces: Mapping[str, WorkspaceDriver]
    installations: Installations
    sockets: SocketModeServer
    manifest: Mapping[str, Any]
    base_url: Callable[[], str]
    bot_token: str
    app_token: str
    journal: RequestLog
    revoked: Callable[[BotToken, bool], None] = lambda *_: None
    faults: FaultInjector = field(default_factory=FaultInjector)
    rates: RateLimits = field(default_factory=RateLimits)

    @property
    def methods(self) -> WebApiMethods:
        """The methods as that token calls them."""
        return self._methods(self._first, next(self._reached(self._first)))

    @property
    def scopes(self) -> frozenset[str]:
        """What that token may do."""
        return self._first.scopes

    @scopes.setter
    def scopes(self, scopes: frozenset[str]) -> None:
        self._first.scopes = scopes

    @property
    def _first(self) -> Installation:
        return self.installations.tokens[self.bot_token].installation

    def _reached(self, installation: Installation) -> Iterator[WorkspaceDriver]:
        return (place for place in self.workplaces.values() if installation.reaches(place.workspace))

    def _methods(
        self, installation: Installation, place: WorkspaceDriver, run: FunctionExecution | None = None
    ) -> WebApiMethods:
        return WebApiMethods(
            place.workspace,
            place.handles,
            installation,
            self.base_url,
            [one.workspace for one in self._reached(installation)],
            bool(self.manifest["features"].get("app_home", {}).get("home_tab_enabled")),
            self.manifest.get("functions") or {},
            run,
        )

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """A method call."""
        method = request.match_info["method"]
        arguments, unreadable = await _arguments(method, request)
        entry = self.journal.open_entry("app → Slack", method, _shown(arguments))
        fault = self.faults.take(method)
        if (faulty := await _before(fault, request)) is not None:
            self.journal.close_entry(entry, f"(fault: {fault.kind if fault else ''})", status=faulty.status)
            return faulty
        status, answer, headers, broken = self._answer(method, arguments, request, fault, unreadable)
        shown = answer if method != "oauth.v2.access" else _shown(answer)
        self.journal.close_entry(entry, shown, status=status, broken=broken)
        if fault is not None and fault.kind == "answer_lost":
            _break(request)
        return web.json_response(answer, status=status, headers=headers)

    def _answer(
        self,
        method: str,
        arguments: dict[str, Any],
        request: web.Request,
        fault: Fault | None,
        unreadable: SlackError | None,
    ) -> tuple[int, dict[str, Any], dict[str, str], list[str]]:
        call = self._admit(method, arguments, request)
        headers = {"X-OAuth-Scopes": ",".join(sorted(call.scopes))} if call.scopes is not None else {}
        wait = call.rates.wait(method, call.channel)
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
            expected = error.error in HAPPEN_TO_ANYBODY or fault is not None or asked_for
            return 200, error.body, headers, [] if expected else [str(error)]

    def _admit(self, method: str, arguments: Mapping[str, Any], request: web.Request) -> _AuthorizedCall:
        """Who calls, and what answers them."""
        try:
            if method == "oauth.v2.access":
                given = dict(arguments) | _basic(request)
                return _AuthorizedCall(lambda: self.installations.exchange(given), self.rates)
            authorization = request.headers.get("Authorization", "")
            text = authorization.removeprefix("Bearer ").strip() or _token_in(arguments)
            known = method in METHODS or method in ("apps.connections.open", "auth.revoke")
            if not known:
                raise SlackError("unknown_method", req_method=method)
            if method == "api.test":
                return _AuthorizedCall(lambda: self.methods.api_test(arguments), self.rates)
            if not text:
                raise SlackError("not_authed")
            if method == "apps.connections.open":
                return self._open_connection(text)
            if text == self.app_token:
                raise SlackError("not_allowed_token_type")
            token = self.installations.admit(text)
            place = self._place(token.installation, method, arguments)
        except SlackError as error:
            return _AuthorizedCall(_refusing(error), self.rates)
        scopes = token.installation.scopes
        if method == "auth.revoke":
            return _AuthorizedCall(lambda: self._revoke(token, arguments), place.rates, scopes)
        name, scope = METHODS[method]
        if scope is not None and scope not in scopes:
            missing = SlackError("missing_scope", needed=scope, provided=",".join(sorted(scopes)))
            return _AuthorizedCall(_refusing(missing), place.rates, scopes)
        answer = getattr(self._methods(token.installation, place, token.run), name)
        channel = place.workspace.resolve(str(arguments.get("channel") or ""))
        return _AuthorizedCall(
            lambda: answer(arguments), place.rates, scopes, channel.id if channel is not None else ""
        )

    def _open_connection(self, text: str) -> _AuthorizedCall:
        """apps.connections.open: the app's own token, whatever workspaces it is in."""
        if text != self.app_token:
            known = text in self.installations.tokens
            raise SlackError("not_allowed_token_type" if known else "invalid_auth")
        url = self.base_url().replace("http", "ws", 1)

        def answer() -> dict[str, Any]:
            return {"url": f"{url}/link/?ticket={self.sockets.new_ticket()}&app_id={APP}"}

        return _AuthorizedCall(answer, self.rates)

    def _revoke(self, token: BotToken, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """auth.revoke; with `test` nothing happens."""
        if flag(arguments, "test"):
            return {"revoked": False}
        self.revoked(token, self.installations.revoke(token))
        return {"revoked": True}

    def _place(
        self, installation: Installation, method: str, arguments: Mapping[str, Any]
    ) -> WorkspaceDriver:
        """Which of a token's workspaces is meant. Raises SlackError.

        A workspace's own token has one, whatever `team_id` says; an organisation's names it, or something in it.
        """
        places = list(self._reached(installation))
        if not installation.org_wide:
            return places[0]
        if team := arguments.get("team_id"):
            for place in places:
                if place.workspace.team == team:
                    return place
            raise SlackError("team_access_not_granted")
        if method in _TEAM_NEEDED:
            raise SlackError("missing_argument", "team_id is needed with an organisation's token")
        return next((place for place in places if place.has(arguments)), places[0])

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """A message to a response_url."""
        text = (await request.read()).decode("utf-8", "replace")
        entry = self.journal.open_entry("app → Slack", "response_url", _loaded(text))
        fault = self.faults.take("response_url")
        if (faulty := await _before(fault, request)) is not None:
            self.journal.close_entry(entry, "(fault)", status=faulty.status)
            return faulty
        status, broken = 200, []
        try:
            content = parse_json(text)
            if not isinstance(content, dict):
                raise SlackError("invalid_payload", "the body is no object")
            name = request.match_info["name"]
            place = next((one for one in self.workplaces.values() if one.handles.knows_response(name)), None)
            if place is None:
                raise SlackError("no_such_response_url")
            answer = apply_response(place.workspace, place.handles.use_response(name), content)
            broken = unescaped(content)
        except SlackError as error:
            status, answer = 404 if error.error == "expired_url" else 400, error.body
            broken = [] if error.error in HAPPEN_TO_ANYBODY else [str(error)]
        except ValueError:
            status, answer = 400, {"ok": False, "error": "invalid_payload"}
            broken = ["the body is no JSON"]
        self.journal.close_entry(entry, answer, status=status, broken=broken)
        return web.json_response(answer, status=status)


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
    """What a call was given, or answered, never its secrets."""
    return {name: _loaded(value) for name, value in arguments.items() if name not in _SECRETS}


def _refusing(error: SlackError) -> Callable[[], dict[str, Any]]:
    def refuse() -> dict[str, Any]:
        raise error

    return refuse


def _basic(request: web.Request) -> dict[str, str]:
    """A client's id and secret by HTTP Basic, which Slack asks for rather than the form's."""
    kind, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "basic":
        return {}
    try:
        client_id, _, client_secret = base64.b64decode(encoded).decode().partition(":")
    except ValueError:
        return {}
    return {"client_id": client_id, "client_secret": client_secret}


def _loaded(value: Any) -> Any:
    """JSON text as what it says."""
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return parse_json(value)
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
    if fault.kind == "held":
        await fault.let_go.wait()
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
    """Query, form, multipart and JSON, which most methods take, and what is wrong with the body, if anything is."""
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


def _token_in(arguments: Mapping[str, Any]) -> str:
    """The token that came as an argument; "" where there is none."""
    token = arguments.get("token")
    return token if isinstance(token, str) else ""
