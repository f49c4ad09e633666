"""How a workspace or an organisation installs the app: Slack's OAuth flow ("Installing with OAuth")."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.oauth.async_callback_options import AsyncCallbackOptions, AsyncFailureArgs, AsyncSuccessArgs
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.oauth.installation_store.models.installation import Installation
from slack_sdk.web.async_client import AsyncWebClient

from bot.html_page import HEADERS
from bot.settings import Settings
from bot.slack import installation_pages
from domain.slack_ids import is_slack_id
from services.slack.errors import NOT_SENT, UNCLEAR, SlackCallFailed
from services.slack.workspace_clients import AllowedWorkspaces
from storage.installations import Installations, OAuthStates, TooManyTaken

log = structlog.get_logger()

INSTALL = "/slack/install"
CALLBACK = "/slack/oauth_redirect"
COOKIE = "buildbell-install"

_WORD = re.compile(r"[a-z_]{1,64}")
# Whose fault it is: the browser's that came, or neither ours nor theirs.
_STATUSES = {
    "access_denied": 200,
    "not_allowed_here": 403,
    "unreachable": 502,
    "broken": 500,
    "too_many": 503,
}


class InstallationFailed(Exception):
    """An installation that could not be finished; the word says why."""


class InstallationFlow:
    """The two pages of the flow. The state is issued once, taken once, and bound to the browser by a cookie."""

    def __init__(
        self,
        settings: Settings,
        client: AsyncWebClient,
        installations: Installations,
        states: OAuthStates,
        *,
        scopes: Sequence[str],
        clock: Callable[[], datetime],
    ) -> None:
        """The settings must hold SLACK_CLIENT_ID, SLACK_CLIENT_SECRET and PUBLIC_URL."""
        secret = settings.slack_client_secret
        self._states = states
        self._again = f"{settings.public_url}{INSTALL}"
        self._flow = _Flow(
            client=client,
            logger=_silent(),
            settings=AsyncOAuthSettings(
                client_id=settings.slack_client_id,
                client_secret=secret.get_secret_value() if secret else None,
                scopes=list(scopes),
                user_scopes=[],
                redirect_uri=f"{settings.public_url}{CALLBACK}",
                install_path=INSTALL,
                redirect_uri_path=CALLBACK,
                install_page_rendering_enabled=False,  # whoever comes here wants to install; Slack's page asks
                authorization_url=settings.slack_authorize_url,
                installation_store=installations,
                installation_store_bot_only=True,
                state_store=states,
                state_cookie_name=COOKIE,
                callback_options=AsyncCallbackOptions(success=self._installed, failure=self._failed),
            ),
        )
        self._flow.clock = clock
        self._flow.allowed = AllowedWorkspaces(settings.slack_workspaces)

    def add_routes(self, app: web.Application) -> None:
        """Serve the flow's pages."""
        # Who only wants to know whether the page is there must not begin an installation.
        app.router.add_get(INSTALL, self._install, allow_head=False)
        app.router.add_get(CALLBACK, self._come_back, allow_head=False)

    async def _install(self, request: web.Request) -> web.Response:
        return await _answer(await self._flow.handle_installation(_asked(request)))

    async def _come_back(self, request: web.Request) -> web.Response:
        asked = _asked(request)
        try:
            if "error" in asked.query:
                # Nobody goes on with it: its state is of no use any more.
                await self._states.async_consume(asked.query.get("state", [""])[0])
            response = await self._flow.handle_callback(asked)
        except TooManyTaken:
            response = self._page_of("too_many")
        except InstallationFailed as problem:
            response = self._page_of(str(problem))
        except Exception:
            log.exception("install.broken")
            response = self._page_of("broken")
        return await _answer(response)

    async def _installed(self, args: AsyncSuccessArgs) -> BoltResponse:
        there = args.installation
        log.info("install.done", team=there.team_id, enterprise=there.enterprise_id)
        page = installation_pages.installed(
            there.team_name or there.enterprise_name or "Slack",
            team=None if there.is_enterprise_install else there.team_id,
            organisation=there.enterprise_id,
            app=there.app_id,
        )
        return self._page(page, 200)

    async def _failed(self, args: AsyncFailureArgs) -> BoltResponse:
        return self._page_of(args.reason)

    def _page_of(self, reason: str) -> BoltResponse:
        known = reason if _WORD.fullmatch(reason) else "a word of no use"
        log.warning("install.failed", reason=known)
        return self._page(installation_pages.failed(known, again=self._again), _STATUSES.get(known, 400))

    def _page(self, page: str, status: int) -> BoltResponse:
        utils = self._flow.settings.state_utils
        headers: dict[str, str | Sequence[str]] = {
            "Content-Type": "text/html; charset=utf-8",
            "Set-Cookie": utils.build_set_cookie_for_deletion(),
        }
        return BoltResponse(status=status, body=page, headers=headers)


class _Flow(AsyncOAuthFlow):
    """Bolt's own, but for what it would put into addresses and logs, and for the clock."""

    clock: Callable[[], datetime]
    allowed: AllowedWorkspaces

    async def build_authorize_url(self, state: str, request: AsyncBoltRequest) -> str:
        """Slack's page. Of the query only a workspace's id is passed on: nothing else may be added to the address."""
        team = request.query.get("team", [""])[0]
        return self.settings.authorize_url_generator.generate(
            state=state, team=team if is_slack_id(team, "TE") else None
        )

    async def run_installation(self, code: str) -> Installation | None:
        """Exchange the code for a token, and ask who we are there. Raises InstallationFailed."""
        try:
            answer = await self.client.oauth_v2_access(
                code=code,
                client_id=self.settings.client_id,
                client_secret=self.settings.client_secret,
                redirect_uri=self.settings.redirect_uri,
            )
            token = str(answer.get("access_token") or "")
            who = await self.client.auth_test(token=token)
        except SlackCallFailed as error:
            unreachable = error.reason == NOT_SENT or error.reason in UNCLEAR
            raise InstallationFailed("unreachable" if unreachable else error.reason) from None
        team, organisation = answer.get("team") or {}, answer.get("enterprise") or {}
        if not self.allowed.includes(organisation.get("id"), team.get("id")):
            await self._give_back(token, team.get("id"), organisation.get("id"))
            raise InstallationFailed("not_allowed_here")
        lasts = answer.get("expires_in")
        now = self.clock().timestamp()
        return Installation(
            app_id=answer.get("app_id"),
            enterprise_id=organisation.get("id"),
            enterprise_name=organisation.get("name"),
            team_id=team.get("id"),
            team_name=team.get("name"),
            bot_token=token,
            bot_id=who.get("bot_id"),
            bot_user_id=answer.get("bot_user_id"),
            bot_scopes=str(answer.get("scope") or ""),
            bot_refresh_token=answer.get("refresh_token"),
            bot_token_expires_at=int(now) + lasts if isinstance(lasts, int) else None,
            user_id=str((answer.get("authed_user") or {}).get("id") or ""),
            is_enterprise_install=bool(answer.get("is_enterprise_install")),
            token_type=answer.get("token_type"),
            installed_at=now,
        )

    async def _give_back(self, token: str, team: str | None, enterprise: str | None) -> None:
        """Revoke the token of a place where the app may not be, which takes the app out again ("auth.revoke")."""
        log.warning(
            "install.not_allowed",
            team=team,
            enterprise=enterprise,
            cure="SLACK_WORKSPACES names who may install",
        )
        try:
            await self.client.auth_revoke(token=token)
        except SlackCallFailed as error:
            log.warning("install.not_revoked", team=team, enterprise=enterprise, reason=error.reason)


def _asked(request: web.Request) -> AsyncBoltRequest:
    """The request as Bolt's flow reads it. Its body is not read: it means nothing, and anybody may send one."""
    return AsyncBoltRequest(body="", query=request.query_string, headers=dict(request.headers))


async def _answer(response: BoltResponse) -> web.Response:
    answer = await to_aiohttp_response(response)
    answer.headers.update(HEADERS)
    for cookie in answer.cookies.values():
        cookie["samesite"] = "Lax"  # it must come along from Slack's page, by a link and by nothing else
    return answer


def _silent() -> logging.Logger:
    """Bolt's flow would log the code, and all of the query."""
    silent = logging.getLogger("buildbell.install")
    silent.setLevel(logging.CRITICAL)
    return silent
