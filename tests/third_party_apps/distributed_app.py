"""An app for many workspaces: it installs itself by OAuth, sends a greeting, and records events."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext, AsyncSay
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_sdk.oauth.installation_store import FileInstallationStore
from slack_sdk.oauth.state_store import FileOAuthStateStore
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.slack.installations import CLIENT_ID, CLIENT_SECRET
from sandbox.slack.server import SIGNING_SECRET, SlackSimulator

Json = dict[str, Any]

SCOPES = ["app_mentions:read", "chat:write", "commands", "usergroups:read", "users:read"]
MANIFEST: Json = {
    "display_information": {"name": "Visitor"},
    "features": {
        "bot_user": {"display_name": "visitor"},
        "slash_commands": [{"command": "/greet", "description": "Say hello"}],
        "shortcuts": [{"type": "global", "name": "Sign", "callback_id": "sign", "description": "The book"}],
    },
    "oauth_config": {"scopes": {"bot": SCOPES}},
    "settings": {
        "interactivity": {"is_enabled": True},
        "org_deploy_enabled": True,
        "socket_mode_enabled": False,
        "token_rotation_enabled": False,
        "event_subscriptions": {
            "bot_events": ["app_mention", "app_uninstalled", "message.im", "tokens_revoked", "user_change"]
        },
    },
}
BOOK: Json = {
    "type": "modal",
    "callback_id": "book",
    "title": {"type": "plain_text", "text": "Sign"},
    "submit": {"type": "plain_text", "text": "Sign"},
    "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "Your name is enough."}}],
}


def with_token_rotation() -> Json:
    manifest = deepcopy(MANIFEST)
    manifest["settings"]["token_rotation_enabled"] = True
    return manifest


class DistributedApp:
    """The app. `heard` has all payloads in order; `install_url` starts an installation."""

    def __init__(self, slack: SlackSimulator, url: str, store: FileInstallationStore) -> None:
        self.slack, self.url, self.store = slack, url, store
        self.install_url = f"{url}/slack/install"
        self.received: list[Json] = []
        self._news = asyncio.Event()

    def record_event(self, body: Json) -> None:
        self.received.append(body)
        self._news.set()

    async def wait_for(self, kind: str) -> Json:
        """Wait for the first payload of this type."""
        async with asyncio.timeout(30):
            while True:
                for body in self.received:
                    if kind in (body.get("type"), body.get("event", {}).get("type"), body.get("command")):
                        return body
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def run_distributed_app(slack: SlackSimulator, folder: Path) -> AsyncIterator[DistributedApp]:
    """Run the app over HTTP; it knows its installations only from the OAuth flow."""
    line = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{line.getsockname()[1]}"
    store = FileInstallationStore(base_dir=str(folder / "installations"))
    slack.redirect_urls = [f"{url}/slack/oauth_redirect"]
    async with aiohttp.ClientSession() as session:
        app = AsyncApp(
            client=AsyncWebClient(base_url=slack.api_url, session=session),
            signing_secret=SIGNING_SECRET,
            oauth_settings=AsyncOAuthSettings(
                client_id=CLIENT_ID,
                client_secret=CLIENT_SECRET,
                scopes=SCOPES,
                authorization_url=f"{slack.url}/oauth/v2/authorize",
                redirect_uri=slack.redirect_urls[0],
                installation_store=store,
                state_store=FileOAuthStateStore(expiration_seconds=600, base_dir=str(folder / "states")),
            ),
        )
        visitor = DistributedApp(slack, url, store)
        listen(app, visitor)
        runner = web.AppRunner(app.web_app("/slack/events"), shutdown_timeout=0.5)
        await runner.setup()
        await web.SockSite(runner, line).start()
        slack.use_http(f"{url}/slack/events")
        try:
            yield visitor
        finally:
            await runner.cleanup()


def listen(app: AsyncApp, visitor: DistributedApp) -> None:
    @app.middleware
    async def _(body: Json, next: Callable[[], Awaitable[None]]) -> None:  # noqa: A002 - Bolt's name
        visitor.record_event(body)
        await next()

    @app.command("/greet")
    async def _(ack: AsyncAck, say: AsyncSay, context: AsyncBoltContext) -> None:
        await ack()
        await say(f"Hello <@{context.user_id}>, I am <@{context.bot_user_id}>")

    @app.shortcut("sign")
    async def _(ack: AsyncAck, client: AsyncWebClient, body: Json) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=BOOK)

    @app.view("book")
    async def _(ack: AsyncAck) -> None:
        await ack()

    @app.event("app_mention")
    async def _(say: AsyncSay) -> None:
        await say("You called?")

    @app.event("message")
    @app.event("user_change")
    async def _() -> None:
        pass

    app.enable_token_revocation_listeners()
