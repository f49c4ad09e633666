"""Where the bot is: in one workspace, with a token from its settings, or in all that have installed the app."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import structlog
from aiohttp import web
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.oauth.installation_store.models.bot import Bot
from slack_sdk.oauth.token_rotation.async_rotator import AsyncTokenRotator
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.client import WhoWeAre, connect
from bot.slack.installing import Installing
from bot.slack.workspaces import Access, InstalledTokens
from storage import Installations, Storage

log = structlog.get_logger()


class Presence(Protocol):
    """What the assembly needs to know of it."""

    async def arrive(self) -> str:
        """Learn where the bot is, in words. Raises TokenRefused (final) or SlackNotReachable (try again later)."""

    async def access_to(self, team: str) -> Access | None:
        """The access to a workspace at this moment; None where the app is not installed in it."""

    async def authorize(self, enterprise_id: str | None, team_id: str | None) -> AuthorizeResult | None:
        """Under which token a request of Slack's is answered; None where the app is not installed there any more."""

    async def uninstalled(self, enterprise: str | None, team: str | None) -> None:
        """The app was taken out: forget all that those workspaces have told it."""

    def add_routes(self, app: web.Application) -> None:
        """Serve what installing needs."""


class OneWorkspace:
    """One workspace, whose token is in the settings."""

    def __init__(self, client: AsyncWebClient, storage: Storage) -> None:
        self._client = client
        self._storage = storage
        self._who: asyncio.Future[WhoWeAre] = asyncio.get_running_loop().create_future()

    async def arrive(self) -> str:
        """Ask Slack who we are: once, since an auth.test for each request would come before its acknowledgement."""
        who = await connect(self._client)
        self._who.set_result(who)
        return who.team_name

    async def access_to(self, team: str) -> Access | None:
        """The one token there is."""
        del team
        return Access(self._client.token or "")

    async def authorize(self, enterprise_id: str | None, team_id: str | None) -> AuthorizeResult | None:
        """The one installation, once it is known."""
        del enterprise_id, team_id
        who = await self._who
        return AuthorizeResult(
            enterprise_id=who.enterprise,
            team_id=who.team,
            bot_token=self._client.token,
            bot_id=who.bot_id,
            bot_user_id=who.bot_user,
        )

    async def uninstalled(self, enterprise: str | None, team: str | None) -> None:
        """Forget all that the workspace has told the bot."""
        del enterprise
        if team:
            await self._storage.wipe(team)
            log.warning("slack.uninstalled", team=team)

    def add_routes(self, app: web.Application) -> None:
        """There is nothing to install."""


class ManyWorkspaces:
    """All workspaces and organisations that have installed the app."""

    def __init__(
        self,
        installations: Installations,
        rotator: AsyncTokenRotator,
        installing: Installing,
        storage: Storage,
        clock: Callable[[], datetime],
    ) -> None:
        self._installations = installations
        self._tokens = InstalledTokens(installations, rotator, clock)
        self._installing = installing
        self._storage = storage
        self._seen: set[tuple[str, str]] = set()

    async def arrive(self) -> str:
        """Nothing needs to be asked."""
        return f"{await self._installations.count()} installations"

    async def access_to(self, team: str) -> Access | None:
        """The token of the workspace, or of its organisation."""
        return await self._tokens(team)

    async def authorize(self, enterprise_id: str | None, team_id: str | None) -> AuthorizeResult | None:
        """The installation of the workspace that the request comes from."""
        if enterprise_id and team_id and (team_id, enterprise_id) not in self._seen:
            await self._installations.seen(team_id, enterprise_id)
            self._seen.add((team_id, enterprise_id))
        bot = await self._bot(enterprise_id, team_id)
        if bot is None:
            log.warning("slack.not_installed", team=team_id, enterprise=enterprise_id)
            return None
        return AuthorizeResult(
            enterprise_id=enterprise_id,
            team_id=team_id,
            bot_token=bot.bot_token,
            bot_id=bot.bot_id,
            bot_user_id=bot.bot_user_id,
        )

    async def uninstalled(self, enterprise: str | None, team: str | None) -> None:
        """Forget the installation, and all that its workspaces have told the bot."""
        await self._installations.async_delete_all(enterprise_id=enterprise, team_id=team)
        self._storage.subscriptions.changed()
        log.warning("slack.uninstalled", team=team, enterprise=enterprise)

    def add_routes(self, app: web.Application) -> None:
        """Serve the two pages of the flow."""
        self._installing.add_routes(app)

    async def _bot(self, enterprise_id: str | None, team_id: str | None) -> Bot | None:
        if team_id:
            return await self._tokens.bot(team_id)
        return await self._installations.async_find_bot(enterprise_id=enterprise_id, team_id=None)
