"""OAuth pages to connect an account at a provider without pasting a token (OAuth 2.0, RFC 6749)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from html import escape
from urllib.parse import quote

import structlog
from aiohttp import web
from pydantic import SecretStr

from bot.html_page import HEADERS, render_page
from domain.credentials import ProviderUser
from domain.fair_limiter import Requester
from domain.provider import Provider
from domain.provider_errors import ProviderDown, ProviderError
from services.provider_connection import OAuthFlow
from storage.database import WorkspaceGone
from storage.oauth_sessions import AuthorizedSession, OAuthSession, OAuthSessions

log = structlog.get_logger()

MAX_PARAMETER_LENGTH = 4096


def start_path(provider: Provider) -> str:
    """Return the path of the start page; the link in Slack adds the state."""
    return f"/{provider}/connect"


def redirect_path(provider: Provider) -> str:
    """Return the path to which the provider redirects after sign-in."""
    return f"/{provider}/oauth_redirect"


class OAuthPages:
    """OAuth pages of one provider. After the redirect, a valid and unused state yields a code to paste in Slack.

    We can't know whose browser it is, so the pages connect nothing: otherwise a user who follows an attacker's link
    would give the attacker access to their account. In Slack, the code works only for the user who started.
    """

    def __init__(
        self,
        provider: Provider,
        oauth: OAuthFlow,
        sessions: OAuthSessions,
        *,
        owner_of: Callable[[SecretStr, Requester], Awaitable[ProviderUser | None]],
        clock: Callable[[], datetime],
    ) -> None:
        self._provider = provider
        self._oauth = oauth
        self._sessions = sessions
        self._owner_of = owner_of
        self._clock = clock

    def add_routes(self, app: web.Application) -> None:
        """Add the routes of the pages."""
        app.router.add_get(start_path(self._provider), self._redirect_to_provider, allow_head=False)
        app.router.add_get(redirect_path(self._provider), self._handle_redirect, allow_head=False)

    async def _redirect_to_provider(self, request: web.Request) -> web.Response:
        """Redirect to the provider's page; the state stays valid for the redirect back."""
        state = _query_parameter(request, "state")
        session = await self._sessions.find_started(state, self._provider, self._clock())
        if session is None:
            return self._make_page(*self._make_expired_texts(), status=400)
        provider_url = self._oauth.authorize(state, session.verifier)
        return web.Response(status=302, headers={**HEADERS, "Location": provider_url})

    async def _handle_redirect(self, request: web.Request) -> web.Response:
        session = await self._sessions.take_started(
            _query_parameter(request, "state"), self._provider, self._clock()
        )
        if session is None:
            return self._make_page(*self._make_expired_texts(), status=400)
        label = escape(self._provider.label)
        if (code := _query_parameter(request, "code")) == "":
            log.info("sign_in.denied", team=session.team, provider=self._provider)
            text = f"{label} reports that access was denied. If that was a mistake, start again in Slack."
            return self._make_page("No account was connected", text, team=session.team)
        try:
            return await self._issue_code(session, code)
        except ProviderDown as problem:
            log.warning("sign_in.failed", team=session.team, provider=self._provider, reason=str(problem))
            text = "No account was connected. Wait a minute, then start again in Slack."
            return self._make_page(f"{label} did not respond", text, team=session.team, status=502)
        except (ProviderError, WorkspaceGone) as problem:
            log.warning("sign_in.failed", team=session.team, provider=self._provider, reason=str(problem))
            text = f"{label} no longer accepted its own code. No account was connected."
            return self._make_page("Start again in Slack", text, team=session.team, status=400)

    async def _issue_code(self, session: OAuthSession, code: str) -> web.Response:
        tokens = await self._oauth.exchange(code, session.verifier)
        owner = await self._owner_of(tokens.access_token, Requester(session.team, session.person))
        label = escape(self._provider.label)
        if owner is None:
            return self._make_page(
                "No account was connected",
                f"{label} did not report who you are. Sign in there as a user.",
                team=session.team,
                status=400,
            )
        authorized = AuthorizedSession(tokens, owner)
        paste_code = await self._sessions.store_authorized(session, self._provider, authorized, self._clock())
        log.info("sign_in.allowed", team=session.team, person=session.person, provider=self._provider)
        return self._make_page(
            f"You are {escape(owner.name)} at {label}",
            f"To finish, go back to Slack and paste this code into the dialog: <code>{paste_code}</code>",
            "The code works once and expires in 10 minutes. Don't share it: anyone who sent you here to get it could"
            f" act as you at {label}. If you did not start this in Slack yourself, close this page.",
            team=session.team,
        )

    def _make_expired_texts(self) -> tuple[str, str]:
        command = f"{self._provider.command} connect"
        text = f"This page has expired, or was used already. Type {command} again."
        return "Start again in Slack", escape(text)

    def _make_page(self, title: str, *sentences: str, team: str = "", status: int = 200) -> web.Response:
        slack = f"https://app.slack.com/client/{quote(team, safe='')}"
        html = render_page(title, sentences, ("Open Slack", slack))
        return web.Response(text=html, status=status, content_type="text/html", headers=HEADERS)


def _query_parameter(request: web.Request, name: str) -> str:
    """Return a query parameter; empty if it is missing, repeated, or longer than MAX_PARAMETER_LENGTH."""
    values = request.query.getall(name, [])
    return values[0] if len(values) == 1 and len(values[0]) <= MAX_PARAMETER_LENGTH else ""
