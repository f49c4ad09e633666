"""The two pages on which people sign in at a provider, so that they need not paste a token (OAuth 2.0, RFC 6749)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from html import escape
from urllib.parse import quote

import structlog
from aiohttp import web
from pydantic import SecretStr

from bot.html_page import HEADERS, page
from domain.credentials import ProviderUser
from domain.errors import ProviderDown, ProviderError
from domain.fair_limiter import Requester
from domain.provider import Provider
from services.provider_connection import OAuthFlow
from storage.database import WorkspaceGone
from storage.oauth_sessions import AuthorizedSession, OAuthSession, OAuthSessions

log = structlog.get_logger()

LONGEST_WORD = 4096


def start_path(provider: Provider) -> str:
    """The path on which somebody begins, with the state that they were given in Slack."""
    return f"/{provider}/connect"


def redirect_path(provider: Provider) -> str:
    """The path to which the provider's page leads back."""
    return f"/{provider}/oauth_redirect"


class OAuthPages:
    """Whoever comes back with a state that was issued, and not taken yet, is shown a code to bring to Slack.

    Nobody knows whose browser it is. So nothing is linked here: somebody who was sent another one's link would give
    that one their own account. The code links it, for the one who began, in Slack, and nobody else has seen it.
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
        """Serve the pages."""
        app.router.add_get(start_path(self._provider), self._begin, allow_head=False)
        app.router.add_get(redirect_path(self._provider), self._come_back, allow_head=False)

    async def _begin(self, request: web.Request) -> web.Response:
        """Lead to the provider's page; the state stays good until they come back."""
        state = _word(request, "state")
        sign_in = await self._sign_ins.find_begun(state, self._provider, self._clock())
        if sign_in is None:
            return self._page(*self._again(), status=400)
        to = self._door.authorize(state, sign_in.verifier)
        return web.Response(status=302, headers={**HEADERS, "Location": to})

    async def _come_back(self, request: web.Request) -> web.Response:
        sign_in = await self._sign_ins.take_begun(_word(request, "state"), self._provider, self._clock())
        if sign_in is None:
            return self._page(*self._again(), status=400)
        label = escape(self._provider.label)
        if (code := _word(request, "code")) == "":
            log.info("sign_in.denied", team=sign_in.team, provider=self._provider)
            words = f"{label} says that it was not allowed. If that was a mistake, begin again in Slack."
            return self._page("Nothing was linked", words, team=sign_in.team)
        try:
            return await self._allowed(sign_in, code)
        except ProviderDown as problem:
            log.warning("sign_in.failed", team=sign_in.team, provider=self._provider, reason=str(problem))
            words = "Nothing was linked. Wait a minute, then begin again in Slack."
            return self._page(f"{label} gave no answer", words, team=sign_in.team, status=502)
        except (ProviderError, WorkspaceGone) as problem:
            log.warning("sign_in.failed", team=sign_in.team, provider=self._provider, reason=str(problem))
            words = f"{label} did not take its own code any more, so nothing was linked."
            return self._page("Begin again in Slack, please", words, team=sign_in.team, status=400)

    async def _allowed(self, sign_in: OAuthSession, code: str) -> web.Response:
        tokens = await self._door.exchange(code, sign_in.verifier)
        owner = await self._owner_of(tokens.access_token, Requester(sign_in.team, sign_in.person))
        label = escape(self._provider.label)
        if owner is None:
            return self._page(
                "Nothing was linked",
                f"{label} does not say who you are. Sign in there as a person.",
                team=sign_in.team,
                status=400,
            )
        allowed = AuthorizedSession(tokens, owner)
        brings = await self._sign_ins.store_authorized(sign_in, self._provider, allowed, self._clock())
        log.info("sign_in.allowed", team=sign_in.team, person=sign_in.person, provider=self._provider)
        return self._page(
            f"You are {escape(owner.name)} at {label}",
            f"To finish, go back to Slack and paste this code into the dialog: <code>{brings}</code>",
            "It is good once, for ten minutes. Give it to nobody: whoever has sent you here to get it would act as you"
            f" at {label}. If you did not begin this in Slack yourself, close this page.",
            team=sign_in.team,
        )

    def _again(self) -> tuple[str, str]:
        command = f"{self._provider.command} connect"
        words = f"This was begun too long ago, or has been finished already. Type {command} again."
        return "Begin again in Slack, please", escape(words)

    def _page(self, title: str, *sentences: str, team: str = "", status: int = 200) -> web.Response:
        slack = f"https://app.slack.com/client/{quote(team, safe='')}"
        text = page(title, sentences, ("Open Slack", slack))
        return web.Response(text=text, status=status, content_type="text/html", headers=HEADERS)


def _word(request: web.Request, name: str) -> str:
    """A word of the query; none where there are several, or it is too long to be one of ours."""
    words = request.query.getall(name, [])
    return words[0] if len(words) == 1 and len(words[0]) <= LONGEST_WORD else ""
