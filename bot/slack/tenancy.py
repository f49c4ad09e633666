"""Where the bot is: in one workspace, with a token from its settings, or in all that have installed the app."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

import structlog
from aiohttp import web
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.oauth.installation_store.models.bot import Bot
from slack_sdk.web.async_client import AsyncWebClient

from bot.manifest import bot_scopes
from bot.settings import Settings
from bot.slack.installation_flow import CALLBACK, InstallationFlow
from bot.slack.token_rotation import AppSecrets, BotTokens
from services.container import Uninstallation
from services.slack.errors import SlackCallFailed
from services.slack.web_client import BotIdentity, SlackNotReachable, check_app, connect
from services.slack.workspace_clients import AllowedWorkspaces, WorkspaceToken
from storage.encryption import DecryptionError
from storage.installations import Installations, OAuthStates
from storage.repositories import Repositories

log = structlog.get_logger()

# Nobody can do anything with such a token any more ("auth.test").
GONE = frozenset({"account_inactive", "invalid_auth", "token_revoked"})


class SlackTenancy(Protocol):
    """What the assembly needs to know of it."""

    async def connect(self) -> str:
        """Learn where the bot is, in words. Raises TokenRefused (final) or SlackNotReachable (try again later)."""

    async def token_for(self, team: str) -> WorkspaceToken | None:
        """The access to a workspace at this moment; None where the app is not installed in it."""

    async def authorize(self, enterprise_id: str | None, team_id: str | None) -> AuthorizeResult | None:
        """Under which token a request of Slack's is answered; None where the app is not installed there any more."""

    async def serves(self, enterprise: str | None, team: str | None) -> bool:
        """Whether the workspace is one of those that may use this bot (SLACK_WORKSPACES)."""

    async def remember_organisation(self, enterprise: str, team: str) -> None:
        """A request comes from a workspace that has the app with its whole organisation."""

    async def remove_workspace(self, departure: Uninstallation) -> Sequence[str]:
        """The app was taken out: forget all that those workspaces have told it. Returns which they are."""

    def add_routes(self, app: web.Application) -> None:
        """Serve what installing needs."""

    async def close(self) -> None:
        """Finish what must not be left half done."""


class SingleWorkspace:
    """One workspace, or one organisation, whose token is in the settings."""

    def __init__(self, client: AsyncWebClient, storage: Repositories, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._storage = storage
        self._began = clock()
        self._who: BotIdentity | None = None
        # No future: one that several requests await is cancelled for all of them with the first that is given up.
        self._known = asyncio.Event()

    async def connect(self) -> str:
        """Ask Slack who we are: once, since an auth.test for each request would come before its acknowledgement."""
        self._who = await connect(self._client)
        self._known.set()
        return self._who.team_name

    async def token_for(self, team: str) -> WorkspaceToken | None:
        """The one token there is."""
        del team
        return WorkspaceToken(self._client.token or "")

    async def authorize(self, enterprise_id: str | None, team_id: str | None) -> AuthorizeResult | None:
        """The one installation, once it is known."""
        del enterprise_id, team_id
        await self._known.wait()
        who = self._who
        return (
            None
            if who is None
            else AuthorizeResult(
                enterprise_id=who.enterprise,
                team_id=who.team,
                bot_token=self._client.token,
                bot_id=who.bot_id,
                bot_user_id=who.bot_user,
            )
        )

    async def serves(self, enterprise: str | None, team: str | None) -> bool:
        """Whoever has given the token has named the workspace."""
        del enterprise, team
        return True

    async def remember_organisation(self, enterprise: str, team: str) -> None:
        """There is but one token, whoever asks."""

    async def remove_workspace(self, departure: Uninstallation) -> Sequence[str]:
        """Forget all that the workspace has told the bot; all of them, where an organisation took the app out."""
        if not await _is_gone(departure, self._began, self._client, self._client.token or ""):
            return []
        teams = [departure.team] if departure.team else await self._storage.teams()
        for team in teams:
            await self._storage.wipe(team)
        log.warning("slack.uninstalled", team=departure.team, enterprise=departure.enterprise)
        return teams

    def add_routes(self, app: web.Application) -> None:
        """There is nothing to install."""

    async def close(self) -> None:
        """Nothing is ever half done."""


class MultiWorkspace:
    """All workspaces and organisations that have installed the app."""

    def __init__(
        self,
        installations: Installations,
        tokens: BotTokens,
        installation_flow: InstallationFlow,
        storage: Repositories,
        client: AsyncWebClient,
        allowed: AllowedWorkspaces,
        check: Callable[[], Awaitable[None]],
    ) -> None:
        """`check` asks Slack whether it knows the app. Raises TokenRefused or SlackNotReachable."""
        self._check = check
        self._allowed = allowed
        self._installations = installations
        self._tokens = tokens
        self._installing = installation_flow
        self._storage = storage
        self._client = client
        self._met: dict[str, str] = {}

    async def connect(self) -> str:
        """Find out whether Slack knows the app; who has it and may not use it any more is named in the log.

        Slack being away is not waited for: each workspace has its own token, and whoever installs the app is told.
        """
        try:
            await self._check()
        except SlackNotReachable as problem:
            log.warning("slack.not_reachable", reason=str(problem))
        for enterprise, team in await self._installations.places():
            if not self._allowed.includes(enterprise, team):
                _log_not_served(enterprise, team)
        return f"{await self._installations.count()} installations"

    async def token_for(self, team: str) -> WorkspaceToken | None:
        """The token of the workspace, or of its organisation."""
        return await self._tokens(team)

    async def authorize(self, enterprise_id: str | None, team_id: str | None) -> AuthorizeResult | None:
        """The installation of the workspace that the request comes from."""
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

    async def serves(self, enterprise: str | None, team: str | None) -> bool:
        """Whether SLACK_WORKSPACES names the workspace or its organisation, as the installation itself says them."""
        if not self._allowed.ids:
            return True
        bot = await self._bot(enterprise, team)
        if bot is not None and self._allowed.includes(bot.enterprise_id, team):
            return True
        _log_not_served(enterprise, team)
        return False

    async def remember_organisation(self, enterprise: str, team: str) -> None:
        """Remember whose workspace it is: what the relay and others do there comes under the organisation's token."""
        if self._met.get(team) != enterprise:
            await self._installations.seen(team, enterprise)
            self._met[team] = enterprise

    async def remove_workspace(self, departure: Uninstallation) -> Sequence[str]:
        """Forget the installation, and all that its workspaces have told the bot."""
        enterprise, team = departure.enterprise, departure.team
        since = await self._installations.installed_at(enterprise, team)
        bot = await self._bot(enterprise, team)
        if bot is not None and not await _is_gone(departure, since, self._client, bot.bot_token):
            return []
        teams = await self._installations.wipe(enterprise, team)
        for one in teams:
            self._met.pop(one, None)
        self._storage.subscriptions.mark_changed()
        log.warning("slack.uninstalled", team=team, enterprise=enterprise, workspaces=len(teams))
        return teams

    def add_routes(self, app: web.Application) -> None:
        """Serve the two pages of the flow."""
        self._installing.add_routes(app)

    async def close(self) -> None:
        """Let tokens that are being exchanged be kept."""
        await self._tokens.close()

    async def _bot(self, enterprise_id: str | None, team_id: str | None) -> Bot | None:
        try:
            return await self._installations.async_find_bot(enterprise_id=enterprise_id, team_id=team_id)
        except DecryptionError as problem:
            log.error("installation.sealed", team=team_id, enterprise=enterprise_id, reason=str(problem))
            return None


def create_tenancy(
    settings: Settings, client: AsyncWebClient, storage: Repositories, clock: Callable[[], datetime]
) -> SlackTenancy:
    """In many workspaces where the settings have an app to install, and a key to seal its tokens with; else in one."""
    if not settings.many_workspaces or storage.vault is None:
        return SingleWorkspace(client, storage, clock)
    installations = Installations(storage.database, storage.vault, clock)
    states = OAuthStates(storage.database, storage.vault, clock)
    secret = settings.slack_client_secret
    app = AppSecrets(
        client_id=settings.slack_client_id or "",
        client_secret=secret.get_secret_value() if secret else "",
    )
    installing = InstallationFlow(
        settings, client, installations, states, scopes=sorted(bot_scopes()), clock=clock
    )
    allowed = AllowedWorkspaces(settings.slack_workspaces)
    tokens = BotTokens(installations, client, app, clock, allowed)
    check = partial(check_app, client, app.client_id, app.client_secret, f"{settings.public_url}{CALLBACK}")
    return MultiWorkspace(installations, tokens, installing, storage, client, allowed, check)


def _log_not_served(enterprise: str | None, team: str | None) -> None:
    log.warning(
        "slack.not_served",
        team=team,
        enterprise=enterprise,
        cure="SLACK_WORKSPACES does not name it: add it there, or take the app out of it",
    )


async def _is_gone(
    departure: Uninstallation, since: datetime | None, client: AsyncWebClient, token: str
) -> bool:
    """Whether the app is really gone from where it has been `since`. Where that is in doubt, its token is tried.

    Slack tells of single tokens too, of which there may be others; and what it could not deliver it tells again
    minutes or hours later, when the app may have been installed anew ("tokens_revoked", "The Events API").
    """
    # Slack's times are whole seconds.
    old = departure.at is not None and since is not None and departure.at < since.replace(microsecond=0)
    if departure.certain and not old:
        return True
    try:
        await client.auth_test(token=token)
    except SlackCallFailed as error:
        return error.reason in GONE or departure.certain
    log.info("slack.still_installed", team=departure.team, enterprise=departure.enterprise)
    return False
