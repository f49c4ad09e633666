"""A harness in which actions at Build.io are requested directly, without commands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import bot.app
from domain.build import App
from domain.commands.shared_commands import ConnectAccount, WhoAmI
from handlers import listeners
from providers.buildio.provider import BUILDIO
from sandbox.buildio.oauth_grants import CLIENT_ID, CLIENT_SECRET
from sandbox.buildio.state import App as Simulated
from sandbox.environment import BUILDIO_TOKENS
from sandbox.slack.models import Post
from services.actions import run
from services.actions.action import ExecutableAction
from services.container import Services
from services.features.accounts import commands
from services.provider_description import ProviderRegistry
from services.provider_spec import ProviderSpec
from services.request.context import Reply, RequestContext
from services.request.responder import ChannelResponder, reply_or_explain
from tests.support.bot_harness import BotHarness
from tests.support.stub_server import reserve_port


class ActionHarness:
    """The bot's environment, with access to the bot's own services."""

    def __init__(self, harness: BotHarness) -> None:
        self.harness = harness
        self.services: Services

    def capture_services(
        self, slack_app: Any, registry: ProviderRegistry[ProviderSpec], services: Services, *more: Any
    ) -> None:
        self.services = services
        listeners.register(slack_app, registry, services, *more)

    def context(self, person: str = "anna", channel: str = "builds") -> RequestContext:
        workspace = self.harness.slack.workspace
        channel_id = workspace.find_channel(channel).id if channel else ""
        return RequestContext(
            services=self.services,
            person=workspace.find_user(person).id,
            team=workspace.team,
            channel=channel_id,
        )

    async def request(self, action: ExecutableAction, person: str = "anna", channel: str = "builds") -> None:
        """Request the action; the reply is posted like that to a mention."""
        context = self.context(person, channel)

        async def request() -> Reply | None:
            return (await run.run_action(action, context)).answer

        await reply_or_explain(request(), ChannelResponder(context))

    async def open_connect_modal(self, person: str) -> Any:
        """Press the button that links an account, and wait for the modal."""
        context = self.context(person)
        answer = await commands.connect(ConnectAccount(), context, BUILDIO)
        assert answer is not None
        await ChannelResponder(context)(answer)
        post = await self.harness.wait_for_message("open the form for your token", person=person)
        await self.harness.users.click(person, post, "Connect account…")
        return await self.harness.slack.wait_for_modal(person, "API token")

    async def connect(self, *people: str, token: str = "") -> None:
        for person in people:
            await self.open_connect_modal(person)
            await self.harness.users.submit(person, {"token": token or BUILDIO_TOKENS[person]})
            await self.harness.slack.wait_for_modal(person, "uses your own token")
            await self.harness.users.close_modal(person)

    async def wait_for_message(self, text: str, person: str | None = "anna", channel: str = "builds") -> Post:
        return await self.harness.wait_for_message(text, person=person, channel=channel)

    async def who_am_i(self, person: str = "anna") -> str:
        return (await commands.who_am_i(WhoAmI(), self.context(person), BUILDIO)).message.text


def as_bot_app(app: Simulated) -> App:
    """Return a simulated app as the bot's `App`."""
    return App(provider=BUILDIO, slug=app.id, title=app.name)


@asynccontextmanager
async def action_harness(
    folder: Path, *, rules: str = "", public: bool = False, **settings: str
) -> AsyncIterator[ActionHarness]:
    """Run a harness with these operator's rules. `rules`; a `public` people sign in on Build.io's page."""
    (folder / "policy.toml").write_text(rules)
    all_settings = {"service_token_acts": "0", "policy_file": str(folder / "policy.toml"), **settings}
    reserved_port = reserve_port() if public else None
    if reserved_port is not None:
        port = str(reserved_port.getsockname()[1])
        all_settings |= {"public_url": f"http://127.0.0.1:{port}", "port": port}
        all_settings |= {"buildio_client_id": CLIENT_ID, "buildio_client_secret": CLIENT_SECRET}
    try:
        harness = BotHarness(folder, seconds={"access_check_seconds": 0.2}, settings=all_settings)
        actions = ActionHarness(harness)
        with mock.patch.object(bot.app, "register", actions.capture_services):
            await harness.open()
            try:
                await harness.start_bot()
                if public:
                    harness.buildio.redirect_uris.append(
                        f"{all_settings['public_url']}/buildio/oauth_redirect"
                    )
                yield actions
                assert harness.slack.violations == []
                assert harness.buildio.violations == []
            finally:
                await harness.close()
    finally:
        if reserved_port is not None:
            reserved_port.close()
