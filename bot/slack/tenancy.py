"""Tenancy: one workspace with a token from the settings, or many workspaces that have installed the app."""

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
from services.slack.errors import SlackCallFailed
from services.slack.web_client import BotIdentity, SlackNotReachable, check_app, connect
from services.slack.workspace_clients import AllowedWorkspaces, Uninstallation, WorkspaceToken
from storage.encryption import DecryptionError
from storage.installations import Installations, OAuthStates
from storage.repositories import Repositories

log = structlog.get_logger()

# Errors of tokens that are no longer valid ("auth.test").
INVALID_TOKEN_ERRORS = frozenset({"account_inactive", "invalid_auth", "token_revoked"})


class SlackTenancy(Protocol):
    """Interface of both kinds of tenancy."""

    async def connect(self) -> str:
        """Connect; return a description for the log. Raises TokenRefused (final) or SlackNotReachable (try again)."""

    async def token_for(self, team: str) -> WorkspaceToken | None:
        """Return the current token of a workspace; None if the app is not installed there."""

    async def authorize(self, enterprise_id: str | None, team_id: str | None) -> AuthorizeResult | None:
        """Return the token for a request from Slack; None if the app is no longer installed there."""

    async def serves(self, enterprise: str | None, team: str | None) -> bool:
        """Return whether the workspace may use this bot (SLACK_WORKSPACES)."""

    async def remember_organisation(self, enterprise: str, team: str) -> None:
        """Store that a workspace belongs to an organisation that has installed the app."""

    async def remove_workspace(self, departure: Uninstallation) -> Sequence[str]:
        """Delete the data of workspaces that uninstalled the app; return their IDs."""

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it."""

    def add_routes(self, app: web.Application) -> None:
        """Add the routes for installation."""

    async def close(self) -> None:
        """Wait for work that must not be interrupted."""


class SingleWorkspace:
    """Tenancy of one workspace or organisation, whose token is in the settings."""

    def __init__(self, client: AsyncWebClient, storage: Repositories, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._storage = storage
        self._started_at = clock()
        self._identity: BotIdentity | None = None
        # Not a future: if several requests await it, cancelling one of them would cancel it for all.
        self._identity_known = asyncio.Event()

    async def connect(self) -> str:
        """Request the bot's identity once: an auth.test per request would delay its acknowledgement."""
        self._identity = await connect(self._client)
        self._identity_known.set()
        return self._identity.team_name

    async def token_for(self, team: str) -> WorkspaceToken | None:
        """Return the token from the settings."""
        del team
        return WorkspaceToken(self._client.token or "")

    async def authorize(self, enterprise_id: str | None, team_id: str | None) -> AuthorizeResult | None:
        """Return the token from the settings; wait until the bot's identity is known."""
        del enterprise_id, team_id
        await self._identity_known.wait()
        identity = self._identity
        return (
            None
            if identity is None
            else AuthorizeResult(
                enterprise_id=identity.enterprise,
                team_id=identity.team,
                bot_token=self._client.token,
                bot_id=identity.bot_id,
                bot_user_id=identity.bot_user,
            )
        )

    async def serves(self, enterprise: str | None, team: str | None) -> bool:
        """Return True: the token in the settings determines the workspace."""
        del enterprise, team
        return True

    async def remember_organisation(self, enterprise: str, team: str) -> None:
        """Do nothing: all workspaces use the same token."""

    async def remove_workspace(self, departure: Uninstallation) -> Sequence[str]:
        """Delete the data of the workspace; of all workspaces if an organisation uninstalled the app."""
        if not await _is_uninstalled(departure, self._started_at, self._client, self._client.token or ""):
            return []
        workspaces = [departure.team] if departure.team else await self._storage.teams()
        for team in workspaces:
            await self._storage.wipe(team)
        log.warning("slack.uninstalled", team=departure.team, enterprise=departure.enterprise)
        return workspaces

    def forget(self, team: str) -> None:
        """Do nothing: the token is in the settings."""

    def add_routes(self, app: web.Application) -> None:
        """Add no routes: the app is already installed."""

    async def close(self) -> None:
        """Do nothing: there is no work to wait for."""


class MultiWorkspace:
    """Tenancy of all workspaces and organisations that have installed the app."""

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
        """Take `check`, which asks Slack whether it knows the app, and raises TokenRefused or SlackNotReachable."""
        self._check = check
        self._allowed = allowed
        self._installations = installations
        self._tokens = tokens
        self._installation_flow = installation_flow
        self._storage = storage
        self._client = client
        self._stored_organisations: dict[str, str] = {}

    async def connect(self) -> str:
        """Check that Slack knows the app, and log workspaces that may no longer use it.

        If Slack is not reachable, the start continues: each workspace has its own token, and the installation pages
        show an error.
        """
        try:
            await self._check()
        except SlackNotReachable as problem:
            log.warning("slack.not_reachable", reason=str(problem))
        for enterprise, team in await self._installations.installed_places():
            if not self._allowed.includes(enterprise, team):
                _log_not_served(enterprise, team)
        return f"{await self._installations.count()} installations"

    async def token_for(self, team: str) -> WorkspaceToken | None:
        """Return the token of the workspace or its organisation."""
        return await self._tokens(team)

    async def authorize(self, enterprise_id: str | None, team_id: str | None) -> AuthorizeResult | None:
        """Return the token of the workspace that sent the request."""
        bot = await self._find_installation(enterprise_id, team_id)
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
        """Return whether SLACK_WORKSPACES names the workspace or its organisation, as stored with the installation."""
        if not self._allowed.ids:
            return True
        bot = await self._find_installation(enterprise, team)
        if bot is not None and self._allowed.includes(bot.enterprise_id, team):
            return True
        _log_not_served(enterprise, team)
        return False

    async def remember_organisation(self, enterprise: str, team: str) -> None:
        """Store the organisation of the workspace: the dispatcher and jobs use the organisation's token there."""
        if self._stored_organisations.get(team) != enterprise:
            await self._installations.record_enterprise(team, enterprise)
            self._stored_organisations[team] = enterprise

    async def remove_workspace(self, departure: Uninstallation) -> Sequence[str]:
        """Delete the installation and the data of its workspaces."""
        enterprise, team = departure.enterprise, departure.team
        installed_at = await self._installations.installed_at(enterprise, team)
        bot = await self._find_installation(enterprise, team)
        if bot is not None and not await _is_uninstalled(
            departure, installed_at, self._client, bot.bot_token
        ):
            return []
        workspaces = await self._installations.wipe(enterprise, team)
        self._storage.subscriptions.mark_changed()
        log.warning("slack.uninstalled", team=team, enterprise=enterprise, workspaces=len(workspaces))
        return workspaces

    def forget(self, team: str) -> None:
        """Forget the workspace's organisation, which was deleted with its data."""
        self._stored_organisations.pop(team, None)

    def add_routes(self, app: web.Application) -> None:
        """Add the routes of the installation flow."""
        self._installation_flow.add_routes(app)

    async def close(self) -> None:
        """Wait until refreshed tokens are stored."""
        await self._tokens.close()

    async def _find_installation(self, enterprise_id: str | None, team_id: str | None) -> Bot | None:
        try:
            return await self._installations.async_find_bot(enterprise_id=enterprise_id, team_id=team_id)
        except DecryptionError as problem:
            log.error("installation.sealed", team=team_id, enterprise=enterprise_id, reason=str(problem))
            return None


def create_tenancy(
    settings: Settings, client: AsyncWebClient, storage: Repositories, clock: Callable[[], datetime]
) -> SlackTenancy:
    """Create the tenancy: many workspaces if the settings have a client ID and an encryption key, otherwise one."""
    if not settings.many_workspaces or storage.vault is None:
        return SingleWorkspace(client, storage, clock)
    installations = Installations(storage.database, storage.vault, clock)
    states = OAuthStates(storage.database, storage.vault, clock)
    secret = settings.slack_client_secret
    app = AppSecrets(
        client_id=settings.slack_client_id or "",
        client_secret=secret.get_secret_value() if secret else "",
    )
    installation_flow = InstallationFlow(
        settings, client, installations, states, scopes=sorted(bot_scopes()), clock=clock
    )
    allowed = AllowedWorkspaces(settings.slack_workspaces)
    tokens = BotTokens(installations, client, app, clock, allowed)
    check = partial(check_app, client, app.client_id, app.client_secret, f"{settings.public_url}{CALLBACK}")
    return MultiWorkspace(installations, tokens, installation_flow, storage, client, allowed, check)


def _log_not_served(enterprise: str | None, team: str | None) -> None:
    log.warning(
        "slack.not_served",
        team=team,
        enterprise=enterprise,
        cure="SLACK_WORKSPACES does not name it: add it there, or uninstall the app from it",
    )


async def _is_uninstalled(
    uninstallation: Uninstallation, installed_at: datetime | None, client: AsyncWebClient, token: str
) -> bool:
    """Return whether the app is really uninstalled; if that is uncertain, test its token.

    Slack also sends the event for a single revoked token while others may be valid, and repeats undelivered events
    minutes or hours later, when the app may be installed again ("tokens_revoked", "The Events API").
    """
    # Slack's times are whole seconds.
    is_outdated = (
        uninstallation.at is not None
        and installed_at is not None
        and uninstallation.at < installed_at.replace(microsecond=0)
    )
    if uninstallation.certain and not is_outdated:
        return True
    try:
        await client.auth_test(token=token)
    except SlackCallFailed as error:
        return error.reason in INVALID_TOKEN_ERRORS or uninstallation.certain
    log.info("slack.still_installed", team=uninstallation.team, enterprise=uninstallation.enterprise)
    return False
