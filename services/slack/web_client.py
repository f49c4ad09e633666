"""The client of Slack's Web API, the HTTP session that all clients share, and the bot's identity."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import hdrs
from pydantic import SecretStr
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from domain.control_characters import remove_nul
from services.slack.errors import (
    NO_ANSWER,
    NOT_SENT,
    NOT_UNDERSTOOD,
    RATE_LIMITED,
    UNCLEAR,
    RateLimitWait,
    SlackCallFailed,
    read_error_code,
    retry_after,
)
from services.slack.response_models import unexpected_field

REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=20, connect=5)
# The largest responses are pages of users or messages, a few megabytes.
MAX_RESPONSE_BYTES = 16 * 1024 * 1024
# The statuses with which aiohttp follows a Location.
REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Final errors: the token is invalid, or has no access to this (docs.slack.dev, "auth.test",
# "apps.connections.open" and "oauth.v2.access"; `UnrecoverableSocketModeStartError` of Slack's own SDK for Node).
REFUSALS = frozenset(
    {
        "account_inactive",
        "bad_client_secret",
        "invalid_auth",
        "invalid_client",
        "invalid_client_id",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "not_authed",
        "team_disabled",
        "token_expired",
        "token_revoked",
        "user_removed_from_team",
    }
)
# Temporary errors inside Slack, which say nothing about the call's arguments.
TRANSIENT = frozenset(
    {"fatal_error", "internal_error", "ratelimited", "request_timeout", "service_unavailable"}
)


class SlackNotReachable(Exception):
    """Slack did not respond, or the response can't be understood."""


class TokenRefused(Exception):
    """Slack does not accept the token."""


class BoundedResponse(aiohttp.ClientResponse):
    """Response with a size limit."""

    async def read(self) -> bytes:
        """Read the whole body. Raises ClientPayloadError if it is too large."""
        if self._body is None:
            content = bytearray()
            async for chunk in self.content.iter_any():
                content += chunk
                if len(content) > MAX_RESPONSE_BYTES:
                    self.close()
                    raise aiohttp.ClientPayloadError("the response is too large")
            self._body = bytes(content)
        return await super().read()


def create_slack_session() -> aiohttp.ClientSession:
    """Create the session to share: with one session per call, each call would open a connection."""
    return aiohttp.ClientSession(
        timeout=REQUEST_TIMEOUT,
        # It stores nothing: Slack's APIs need no cookies.
        cookie_jar=aiohttp.DummyCookieJar(),
        connector=aiohttp.TCPConnector(limit=100),
        response_class=BoundedResponse,
        middlewares=(_reject_redirect,),
    )


async def _reject_redirect(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Reject redirects: Slack never sends any, and no token or message may go to another server."""
    response = await handler(request)
    if response.status not in REDIRECTS or hdrs.LOCATION not in response.headers:
        return response
    response.close()
    raise aiohttp.ClientResponseError(
        response.request_info, response.history, status=response.status, message="sent elsewhere"
    )


@dataclass(frozen=True)
class BotIdentity:
    """The installation, from Slack's auth.test; `answered_at` is the response's HTTP date."""

    team: str
    team_name: str
    enterprise: str | None
    bot_id: str
    bot_user: str
    scopes: frozenset[str] = frozenset()
    answered_at: str | None = None


class SlackClient(AsyncWebClient):
    """slack_sdk's client; every call returns a validated response or raises SlackCallFailed.

    slack_sdk itself raises its own errors, aiohttp's and Python's, and returns any JSON.
    """

    async def _request(self, *, http_verb: str, api_url: str, req_args: dict[str, Any]) -> dict[str, Any]:
        method = api_url.rsplit("/", 1)[-1]
        try:
            answer: dict[str, Any] = await super()._request(
                http_verb=http_verb, api_url=api_url, req_args=req_args
            )
        except aiohttp.ClientConnectorError as error:
            raise SlackCallFailed(method, NOT_SENT, detail=type(error).__name__) from None
        except aiohttp.ClientResponseError as error:
            raise _unexpected_response(method, error.status, error.headers or {}, error.message) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SlackCallFailed(method, NO_ANSWER, detail=type(error).__name__) from None
        except SlackApiError as error:
            # Invalid JSON; the response is aiohttp's.
            status, headers = getattr(error.response, "status", 0), getattr(error.response, "headers", {})
            raise _unexpected_response(method, status, headers, "no JSON") from None
        except (ValueError, LookupError, RecursionError) as error:
            # Bytes that are not in the declared character set, or endless brackets.
            raise _unexpected_response(method, 200, {}, type(error).__name__) from None
        answer["data"] = remove_nul(answer["data"])
        return _check_response(method, answer["status_code"], answer["headers"], answer["data"], answer)


def _check_response(
    method: str, status: int, headers: Any, data: object, answer: dict[str, Any]
) -> dict[str, Any]:
    """Return the response if it is one that the method's documents describe. Raises SlackCallFailed."""
    if not isinstance(data, dict):
        raise _unexpected_response(method, status, headers, f"{type(data).__name__} for an answer")
    if status != 200 or data.get("ok") is not True:
        code = read_error_code(data)
        if code is None or data.get("ok") is True:
            raise _unexpected_response(method, status, headers, "no word for why not")
        reason = RATE_LIMITED if status == 429 else code
        raise SlackCallFailed(method, reason, status=status, retry_after=retry_after(headers))
    if (field := unexpected_field(method, data)) is not None:
        raise _unexpected_response(method, status, headers, f"{field or 'a field'} is not as expected")
    return answer


def _unexpected_response(method: str, status: int, headers: Any, problem: str) -> SlackCallFailed:
    """Make the error for a response that Slack's documents do not describe."""
    return SlackCallFailed(
        method,
        RATE_LIMITED if status == 429 else NOT_UNDERSTOOD,
        status=status,
        retry_after=retry_after(headers),
        detail=f"HTTP {status}: {problem}",
    )


def client_options(base_url: str, session: aiohttp.ClientSession, *, patient: bool) -> dict[str, Any]:
    """Return the options of every client for Slack's Web API.

    A `patient` client waits out Slack's 429s. No client repeats a call whose response was lost, which could post a
    message twice: the SDK's default of one more try after a broken connection is off.
    """
    return {
        "base_url": base_url,
        "session": session,
        "retry_handlers": [RateLimitWait()] if patient else [],
    }


def web_client(
    base_url: str, token: SecretStr | None, session: aiohttp.ClientSession, *, patient: bool
) -> SlackClient:
    """Make a client with the single workspace's token, or without one if there are many workspaces."""
    options = client_options(base_url, session, patient=patient)
    return SlackClient(token=token.get_secret_value() if token else None, **options)


def explain_call_failure(error: SlackCallFailed) -> str:
    """Return the error as a sentence for operators."""
    if error.reason == NOT_UNDERSTOOD:
        return f"Slack's response isn't valid ({error.detail})."
    if error.reason in UNCLEAR or error.reason == NOT_SENT:
        return f"Slack can't be reached ({error.detail})."
    return f"Slack responded with {error.reason}."


@contextmanager
def token_errors(whose: str) -> Iterator[None]:
    """Convert Slack's errors to errors about a token; `whose` is the token's name.

    Raises TokenRefused (final) or SlackNotReachable (try again later).
    """
    try:
        yield
    except SlackCallFailed as error:
        if error.reason in REFUSALS:
            raise TokenRefused(f"Slack rejected {whose} ({error.reason}).") from error
        raise SlackNotReachable(explain_call_failure(error)) from error


async def connect(client: AsyncWebClient, whose: str = "SLACK_BOT_TOKEN") -> BotIdentity:
    """Ask Slack for the bot's identity; `whose` is the token's name.

    Raises TokenRefused (final) or SlackNotReachable (try again later).
    """
    with token_errors(whose):
        answer = await client.auth_test()
        headers = {name.lower(): str(value) for name, value in answer.headers.items()}
        scopes = headers.get("x-oauth-scopes", "").split(",")
        return BotIdentity(
            team=str(answer.get("team_id") or ""),
            team_name=str(answer.get("team") or ""),
            enterprise=answer.get("enterprise_id"),
            bot_id=str(answer.get("bot_id") or ""),
            bot_user=str(answer.get("user_id") or ""),
            scopes=frozenset(scope.strip() for scope in scopes if scope.strip()),
            answered_at=headers.get("date"),
        )


async def check_app(client: AsyncWebClient, client_id: str, client_secret: str, redirect_uri: str) -> None:
    """Check the app's client id and secret with Slack, using an invalid authorization code.

    Raises TokenRefused (final) or SlackNotReachable (try again later).
    """
    with token_errors("SLACK_CLIENT_ID with SLACK_CLIENT_SECRET"):
        try:
            await client.oauth_v2_access(
                client_id=client_id, client_secret=client_secret, code="none", redirect_uri=redirect_uri
            )
        except SlackCallFailed as error:
            # All other errors are about the invalid code ("oauth.v2.access").
            if error.reason in REFUSALS | TRANSIENT | UNCLEAR | {NOT_SENT}:
                raise


async def open_connection(client: AsyncWebClient, app_token: str) -> str:
    """Request the URL of a Socket Mode connection, which can be used once.

    Raises TokenRefused (final) or SlackNotReachable (try again later).
    """
    with token_errors("SLACK_APP_TOKEN"):
        answer = await client.apps_connections_open(app_token=app_token)
        return str(answer["url"])
