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

# What no other try will change: the token is none, or not one for this (docs.slack.dev, "auth.test" and
# "apps.connections.open"; `UnrecoverableSocketModeStartError` of Slack's own SDK for Node).
REFUSALS = frozenset(
    {
        "account_inactive",
        "invalid_auth",
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


async def open_connection(client: AsyncWebClient, app_token: str) -> str:
    """Ask for the address of a Socket Mode connection, which is good for one.

    Raises TokenRefused (final) or SlackNotReachable (try again later).
    """
    with judging("SLACK_APP_TOKEN"):
        answer = await client.apps_connections_open(app_token=app_token)
        return str(answer["url"])
