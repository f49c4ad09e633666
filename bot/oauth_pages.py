"""OAuth pages with which users connect an account at a provider without pasting a token (OAuth 2.0, RFC 6749)."""

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
    """Return the path of the start page; its state comes from Slack."""
    return f"/{provider}/connect"


def redirect_path(provider: Provider) -> str:
    """Return the redirect path for the provider's page."""
    return f"/{provider}/oauth_redirect"


class OAuthPages:
    """OAuth pages of one provider. After the redirect, a valid and unused state gets a code to paste in Slack.

    We can't know whose browser it is, so nothing is connected here: a user who follows an attacker's link would give
    the attacker access to their account. The code connects the account in Slack, only for the user who started.
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
        self._door = oauth
        self._sign_ins = sessions
        self._owner_of = owner_of
        self._clock = clock

    def add_routes(self, app: web.Application) -> None:
        """Add the routes of the pages."""
        app.router.add_get(start_path(self._provider), self._start, allow_head=False)
        app.router.add_get(redirect_path(self._provider), self._callback, allow_head=False)

    async def _start(self, request: web.Request) -> web.Response:
        """Redirect to the provider's page; the state stays valid until the user comes back."""
        state = _query_parameter(request, "state")
        sign_in = await self._sign_ins.find_started(state, self._provider, self._clock())
        if sign_in is None:
            return self._page(*self._expired(), status=400)
        to = self._door.authorize(state, sign_in.verifier)
        return web.Response(status=302, headers={**HEADERS, "Location": to})

    async def _callback(self, request: web.Request) -> web.Response:
        sign_in = await self._sign_ins.take_started(
            _query_parameter(request, "state"), self._provider, self._clock()
        )
        if sign_in is None:
            return self._page(*self._expired(), status=400)
        label = escape(self._provider.label)
        if (code := _query_parameter(request, "code")) == "":
            log.info("sign_in.denied", team=sign_in.team, provider=self._provider)
            words = f"{label} reports that access was denied. If that was a mistake, start again in Slack."
            return self._page("No account was connected", words, team=sign_in.team)
        try:
            return await self._issue_code(sign_in, code)
        except ProviderDown as problem:
            log.warning("sign_in.failed", team=sign_in.team, provider=self._provider, reason=str(problem))
            words = "No account was connected. Wait a minute, then start again in Slack."
            return self._page(f"{label} did not respond", words, team=sign_in.team, status=502)
        except (ProviderError, WorkspaceGone) as problem:
            log.warning("sign_in.failed", team=sign_in.team, provider=self._provider, reason=str(problem))
            words = f"{label} no longer accepted its own code, so no account was connected."
            return self._page("Please start again in Slack", words, team=sign_in.team, status=400)

    async def _issue_code(self, sign_in: OAuthSession, code: str) -> web.Response:
        tokens = await self._door.exchange(code, sign_in.verifier)
        owner = await self._owner_of(tokens.access_token, Requester(sign_in.team, sign_in.person))
        label = escape(self._provider.label)
        if owner is None:
            return self._page(
                "No account was connected",
                f"{label} does not say who you are. Sign in there as a user.",
                team=sign_in.team,
                status=400,
            )
        allowed = AuthorizedSession(tokens, owner)
        brings = await self._sign_ins.store_authorized(sign_in, self._provider, allowed, self._clock())
        log.info("sign_in.allowed", team=sign_in.team, person=sign_in.person, provider=self._provider)
        return self._page(
            f"You are {escape(owner.name)} at {label}",
            f"To finish, go back to Slack and paste this code into the dialog: <code>{brings}</code>",
            "The code works once, for ten minutes. Give it to nobody: anyone who sent you here to get it could act as"
            f" you at {label}. If you did not start this in Slack yourself, close this page.",
            team=sign_in.team,
        )

    def _expired(self) -> tuple[str, str]:
        command = f"{self._provider.command} connect"
        words = f"This page has expired, or was used already. Type {command} again."
        return "Please start again in Slack", escape(words)

    def _page(self, title: str, *sentences: str, team: str = "", status: int = 200) -> web.Response:
        slack = f"https://app.slack.com/client/{quote(team, safe='')}"
        text = render_page(title, sentences, ("Open Slack", slack))
        return web.Response(text=text, status=status, content_type="text/html", headers=HEADERS)


def _query_parameter(request: web.Request, name: str) -> str:
    """Return a query parameter; empty if it occurs several times or is too long to be one of ours."""
    words = request.query.getall(name, [])
    return words[0] if len(words) == 1 and len(words[0]) <= MAX_PARAMETER_LENGTH else ""
