"""How a workspace or an organisation installs the app: Slack's OAuth flow ("Installing with OAuth")."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_sdk.web.async_client import AsyncWebClient

from bot.settings import Settings
from storage import Installations, States

INSTALL = "/slack/install"
CALLBACK = "/slack/oauth_redirect"


class Installing:
    """The two pages of the flow. The state is issued once, taken once, and bound to the browser by a cookie."""

    def __init__(
        self,
        settings: Settings,
        client: AsyncWebClient,
        installations: Installations,
        states: States,
        *,
        scopes: Sequence[str],
    ) -> None:
        """The settings must hold SLACK_CLIENT_ID, SLACK_CLIENT_SECRET and PUBLIC_URL."""
        secret = settings.slack_client_secret
        self._flow = AsyncOAuthFlow(
            client=client,
            # Bolt's own logger, whose warnings are switched off: one of them holds the code.
            logger=logging.getLogger("slack_bolt"),
            settings=AsyncOAuthSettings(
                client_id=settings.slack_client_id,
                client_secret=secret.get_secret_value() if secret else None,
                scopes=list(scopes),
                user_scopes=[],
                redirect_uri=f"{settings.public_url}{CALLBACK}",
                install_path=INSTALL,
                redirect_uri_path=CALLBACK,
                authorization_url=settings.slack_authorize_url,
                installation_store=installations,
                installation_store_bot_only=True,
                state_store=states,
            ),
        )

    def add_routes(self, app: web.Application) -> None:
        """Serve the flow's pages."""
        app.router.add_get(INSTALL, self._install)
        app.router.add_get(CALLBACK, self._come_back)

    async def _install(self, request: web.Request) -> web.Response:
        return await to_aiohttp_response(await self._flow.handle_installation(await to_bolt_request(request)))

    async def _come_back(self, request: web.Request) -> web.Response:
        return await to_aiohttp_response(await self._flow.handle_callback(await to_bolt_request(request)))
