"""The Web API client: over the shared session, at our own address; and who we are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from bot.settings import Settings

# What no other try will change: the token is none, or not one for this (docs.slack.dev, "auth.test",
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
# What says nothing of what was asked, since Slack could not look into it.
PASSING = frozenset(
    {"fatal_error", "internal_error", "ratelimited", "request_timeout", "service_unavailable"}
)


class SlackNotReachable(Exception):
    """Slack did not answer, or not in a way that can be understood."""


class TokenRefused(Exception):
    """Slack does not accept the token."""


@dataclass(frozen=True)
class WhoWeAre:
    """The installation, as Slack's auth.test tells it; `answered_at` is the HTTP date of the answer."""

    team: str
    team_name: str
    enterprise: str | None
    bot_id: str
    bot_user: str
    scopes: frozenset[str] = frozenset()
    answered_at: str | None = None


def client_options(settings: Settings, session: aiohttp.ClientSession, *, patient: bool) -> dict[str, Any]:
    """What every client for Slack's Web API is made with.

    A patient one waits out Slack's 429s by itself. None repeats a call whose answer was lost: a message would be
    posted twice, so the SDK's default of one more try after a broken connection is off.
    """
    return {
        "base_url": settings.slack_api_url,
        "session": session,
        "retry_handlers": [AsyncRateLimitErrorRetryHandler(max_retry_count=2)] if patient else [],
    }


def web_client(settings: Settings, session: aiohttp.ClientSession, *, patient: bool) -> AsyncWebClient:
    """A client with the one workspace's token, or with none where there are many."""
    token = settings.slack_bot_token
    options = client_options(settings, session, patient=patient)
    return AsyncWebClient(token=token.get_secret_value() if token else None, **options)


def reason_of(error: SlackApiError) -> str | None:
    """Slack's word for what it did not like; None where its answer can't be understood."""
    data = getattr(error.response, "data", None)
    return str(data.get("error") or "") or None if isinstance(data, dict) else None


@contextmanager
def judging(whose: str) -> Iterator[None]:
    """Say what an answer of Slack's means for a token; `whose` is what the token is called.

    Raises TokenRefused (final) or SlackNotReachable (try again later).
    """
    try:
        yield
    except SlackApiError as error:
        reason = reason_of(error)
        if reason in REFUSALS:
            raise TokenRefused(f"Slack refuses {whose} ({reason}).") from error
        raise SlackNotReachable(f"Slack answers {reason or 'nothing that can be understood'}.") from error
    except (TimeoutError, aiohttp.ClientError, SlackClientError, OSError) as error:
        raise SlackNotReachable(f"Slack can't be reached ({type(error).__name__}).") from error
    except (AttributeError, TypeError, ValueError) as error:
        # What slack_sdk (3.47) makes of an answer that is no JSON object.
        raise SlackNotReachable("Slack answers nothing that can be understood.") from error


async def connect(client: AsyncWebClient, whose: str = "SLACK_BOT_TOKEN") -> WhoWeAre:
    """Ask Slack who we are; `whose` is what the token is called.

    Raises TokenRefused (final) or SlackNotReachable (try again later).
    """
    with judging(whose):
        answer = await client.auth_test()
        headers = {name.lower(): str(value) for name, value in answer.headers.items()}
        scopes = headers.get("x-oauth-scopes", "").split(",")
        return WhoWeAre(
            team=str(answer.get("team_id") or ""),
            team_name=str(answer.get("team") or ""),
            enterprise=answer.get("enterprise_id"),
            bot_id=str(answer.get("bot_id") or ""),
            bot_user=str(answer.get("user_id") or ""),
            scopes=frozenset(scope.strip() for scope in scopes if scope.strip()),
            answered_at=headers.get("date"),
        )


async def check_app(client: AsyncWebClient, client_id: str, client_secret: str, redirect_uri: str) -> None:
    """Find out whether Slack knows the app by its id and secret; it is asked with a code that nobody was given.

    Raises TokenRefused (final) or SlackNotReachable (try again later).
    """
    with judging("SLACK_CLIENT_ID with SLACK_CLIENT_SECRET"):
        try:
            answer = await client.oauth_v2_access(
                client_id=client_id, client_secret=client_secret, code="none", redirect_uri=redirect_uri
            )
            answer.get("ok")  # an answer that has no such field is not Slack's
        except SlackApiError as error:
            # All other refusals are of the code ("oauth.v2.access").
            if (reason := reason_of(error)) is None or reason in REFUSALS or reason in PASSING:
                raise


async def open_connection(client: AsyncWebClient, app_token: str) -> str:
    """Ask for the address of a Socket Mode connection, which is good for one.

    Raises TokenRefused (final) or SlackNotReachable (try again later).
    """
    with judging("SLACK_APP_TOKEN"):
        answer = await client.apps_connections_open(app_token=app_token)
        return str(answer["url"])
