"""Installation of the app in a workspace or organisation: Slack's OAuth flow ("Installing with OAuth")."""

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
from storage.installations import Installations, OAuthStates, TooManyInstallations

log = structlog.get_logger()

INSTALL = "/slack/install"
CALLBACK = "/slack/oauth_redirect"
COOKIE = "buildbell-install"

_ERROR_CODE = re.compile(r"[a-z_]{1,64}")
# HTTP status of each failure; all others are 400.
_STATUSES = {
    "access_denied": 200,
    "not_allowed_here": 403,
    "unreachable": 502,
    "broken": 500,
    "too_many": 503,
}


class InstallationFailed(Exception):
    """An installation failed; the message is the error code."""


class InstallationFlow:
    """Pages of the OAuth flow. Each state works once, and only in the browser that has its cookie."""

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
        """Take settings with SLACK_CLIENT_ID, SLACK_CLIENT_SECRET and PUBLIC_URL."""
        secret = settings.slack_client_secret
        self._states = states
        self._retry_url = f"{settings.public_url}{INSTALL}"
        self._flow = _Flow(
            client=client,
            logger=_make_silent_logger(),
            settings=AsyncOAuthSettings(
                client_id=settings.slack_client_id,
                client_secret=secret.get_secret_value() if secret else None,
                scopes=list(scopes),
                user_scopes=[],
                redirect_uri=f"{settings.public_url}{CALLBACK}",
                install_path=INSTALL,
                redirect_uri_path=CALLBACK,
                install_page_rendering_enabled=False,  # Slack's page asks for confirmation
                authorization_url=settings.slack_authorize_url,
                installation_store=installations,
                installation_store_bot_only=True,
                state_store=states,
                state_cookie_name=COOKIE,
                callback_options=AsyncCallbackOptions(
                    success=self._handle_success, failure=self._handle_failure
                ),
            ),
        )
        self._flow.clock = clock
        self._flow.allowed = AllowedWorkspaces(settings.slack_workspaces)

    def add_routes(self, app: web.Application) -> None:
        """Add the routes of the pages."""
        # A HEAD request must not start an installation.
        app.router.add_get(INSTALL, self._handle_install, allow_head=False)
        app.router.add_get(CALLBACK, self._handle_callback, allow_head=False)

    async def _handle_install(self, request: web.Request) -> web.Response:
        return await _convert_response(await self._flow.handle_installation(_convert_request(request)))

    async def _handle_callback(self, request: web.Request) -> web.Response:
        bolt_request = _convert_request(request)
        try:
            if "error" in bolt_request.query:
                # The user cancelled: the state must not be used again.
                await self._states.async_consume(bolt_request.query.get("state", [""])[0])
            response = await self._flow.handle_callback(bolt_request)
        except TooManyInstallations:
            response = self._make_failure_response("too_many")
        except InstallationFailed as problem:
            response = self._make_failure_response(str(problem))
        except Exception:
            log.exception("install.broken")
            response = self._make_failure_response("broken")
        return await _convert_response(response)

    async def _handle_success(self, args: AsyncSuccessArgs) -> BoltResponse:
        installation = args.installation
        log.info("install.done", team=installation.team_id, enterprise=installation.enterprise_id)
        page = installation_pages.render_installed(
            installation.team_name or installation.enterprise_name or "Slack",
            team=None if installation.is_enterprise_install else installation.team_id,
            organisation=installation.enterprise_id,
            app=installation.app_id,
        )
        return self._make_response(page, 200)

    async def _handle_failure(self, args: AsyncFailureArgs) -> BoltResponse:
        return self._make_failure_response(args.reason)

    def _make_failure_response(self, reason: str) -> BoltResponse:
        code = reason if _ERROR_CODE.fullmatch(reason) else "an unknown code"
        log.warning("install.failed", reason=code)
        return self._make_response(
            installation_pages.render_failed(code, retry_url=self._retry_url), _STATUSES.get(code, 400)
        )

    def _make_response(self, page: str, status: int) -> BoltResponse:
        state_utils = self._flow.settings.state_utils
        headers: dict[str, str | Sequence[str]] = {
            "Content-Type": "text/html; charset=utf-8",
            "Set-Cookie": state_utils.build_set_cookie_for_deletion(),
        }
        return BoltResponse(status=status, body=page, headers=headers)


class _Flow(AsyncOAuthFlow):
    """Bolt's flow with safe URLs and logs, and with our clock."""

    clock: Callable[[], datetime]
    allowed: AllowedWorkspaces

    async def build_authorize_url(self, state: str, request: AsyncBoltRequest) -> str:
        """Return the URL of Slack's page. From the query, only a valid workspace ID is passed on."""
        team = request.query.get("team", [""])[0]
        return self.settings.authorize_url_generator.generate(
            state=state, team=team if is_slack_id(team, "TE") else None
        )

    async def run_installation(self, code: str) -> Installation | None:
        """Exchange the code for a token, and get the bot's identity. Raises InstallationFailed."""
        try:
            response = await self.client.oauth_v2_access(
                code=code,
                client_id=self.settings.client_id,
                client_secret=self.settings.client_secret,
                redirect_uri=self.settings.redirect_uri,
            )
            token = str(response.get("access_token") or "")
            identity = await self.client.auth_test(token=token)
        except SlackCallFailed as error:
            unreachable = error.reason == NOT_SENT or error.reason in UNCLEAR
            raise InstallationFailed("unreachable" if unreachable else error.reason) from None
        team, organisation = response.get("team") or {}, response.get("enterprise") or {}
        if not self.allowed.includes(organisation.get("id"), team.get("id")):
            await self._revoke(token, team.get("id"), organisation.get("id"))
            raise InstallationFailed("not_allowed_here")
        expires_in = response.get("expires_in")
        now = self.clock().timestamp()
        return Installation(
            app_id=response.get("app_id"),
            enterprise_id=organisation.get("id"),
            enterprise_name=organisation.get("name"),
            team_id=team.get("id"),
            team_name=team.get("name"),
            bot_token=token,
            bot_id=identity.get("bot_id"),
            bot_user_id=response.get("bot_user_id"),
            bot_scopes=str(response.get("scope") or ""),
            bot_refresh_token=response.get("refresh_token"),
            bot_token_expires_at=int(now) + expires_in if isinstance(expires_in, int) else None,
            user_id=str((response.get("authed_user") or {}).get("id") or ""),
            is_enterprise_install=bool(response.get("is_enterprise_install")),
            token_type=response.get("token_type"),
            installed_at=now,
        )

    async def _revoke(self, token: str, team: str | None, enterprise: str | None) -> None:
        """Revoke the token of a workspace that is not allowed, which uninstalls the app ("auth.revoke")."""
        log.warning(
            "install.not_allowed",
            team=team,
            enterprise=enterprise,
            cure="SLACK_WORKSPACES names who may install the app",
        )
        try:
            await self.client.auth_revoke(token=token)
        except SlackCallFailed as error:
            log.warning("install.not_revoked", team=team, enterprise=enterprise, reason=error.reason)


def _convert_request(request: web.Request) -> AsyncBoltRequest:
    """Convert the request for Bolt's flow, without its body, which anyone can send and the flow does not need."""
    return AsyncBoltRequest(body="", query=request.query_string, headers=dict(request.headers))


async def _convert_response(response: BoltResponse) -> web.Response:
    http_response = await to_aiohttp_response(response)
    http_response.headers.update(HEADERS)
    for cookie in http_response.cookies.values():
        cookie["samesite"] = "Lax"  # sent on the redirect from Slack's page, but not with cross-site requests
    return http_response


def _make_silent_logger() -> logging.Logger:
    """Return a logger without output: Bolt's flow would log the code and the whole query."""
    logger = logging.getLogger("buildbell.install")
    logger.setLevel(logging.CRITICAL)
    return logger
