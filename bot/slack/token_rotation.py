"""Bot tokens of all installations, refreshed before they expire ("Using token rotation")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from slack_sdk.oauth.installation_store.models.bot import Bot
from slack_sdk.web.async_client import AsyncWebClient

from services.accounts.token_refresh import REFRESH_LOCK, REFRESH_WAIT_SECONDS, SingleFlight
from services.slack.errors import SlackCallFailed
from services.slack.web_client import explain_call_failure
from services.slack.workspace_clients import ANY, AllowedWorkspaces, WorkspaceToken
from storage.database import DatabaseUnavailable, retry_until_stored
from storage.encryption import DecryptionError
from storage.installations import Installations
from storage.session_locks import hold

log = structlog.get_logger()

# A rotated token is valid for twelve hours (docs.slack.dev, "Using token rotation"); refresh it well before it expires.
REFRESH_BEFORE = timedelta(hours=2)

# Key of an installation: organisation and workspace; the workspace is empty if a whole organisation installed the app.
Place = tuple[str, str]


class TokenRotationFailed(Exception):
    """Slack issued no new token; the message says why, and contains no token."""


@dataclass(frozen=True)
class AppSecrets:
    """Credentials of the Slack app itself."""

    client_id: str
    client_secret: str


class BotTokens:
    """Bot tokens by workspace; each is refreshed once, even for simultaneous calls."""

    def __init__(
        self,
        installations: Installations,
        client: AsyncWebClient,
        app: AppSecrets,
        clock: Callable[[], datetime],
        allowed: AllowedWorkspaces = ANY,
    ) -> None:
        self._allowed = allowed
        self._installations = installations
        self._locks = installations.session_locks
        self._client = client
        self._app = app
        self._clock = clock
        self._refreshes: SingleFlight[Place] = SingleFlight(clock)

    async def __call__(self, team: str) -> WorkspaceToken | None:
        """Return the token of a workspace; None if the app is not installed or not allowed there (SLACK_WORKSPACES)."""
        bot = await self._find_installation(team)
        if bot is not None and not self._allowed.includes(bot.enterprise_id, team):
            return None  # installed before the operator restricted SLACK_WORKSPACES
        return WorkspaceToken(bot.bot_token, whole_organisation=bot.is_enterprise_install) if bot else None

    async def close(self) -> None:
        """Wait for refreshes in progress."""
        await self._refreshes.close()

    async def _find_installation(self, team: str) -> Bot | None:
        """Return the installation of a workspace, with a valid token if possible."""
        bot = await self._read_installation(team)
        if bot is None or not self._expires_within(REFRESH_BEFORE, bot):
            return bot
        key = (bot.enterprise_id or "", "" if bot.is_enterprise_install else bot.team_id or "")
        if self._refreshes.is_running(key):
            if not self._expires_within(timedelta(0), bot):
                return bot  # still valid until the new one is stored
        elif not self._refreshes.may_start(key):
            return bot
        await self._refreshes.run_once(key, lambda: self._refresh(key, bot))
        return await self._read_installation(team)

    async def _read_installation(self, team: str) -> Bot | None:
        try:
            return await self._installations.of_workspace(team)
        except DecryptionError as problem:
            log.error(
                "installation.sealed", team=team, reason=str(problem), cure="check BUILDBELL_SECRET_KEY"
            )
            return None

    def _expires_within(self, duration: timedelta, bot: Bot) -> bool:
        expires_at = bot.bot_token_expires_at
        return expires_at is not None and expires_at <= (self._clock() + duration).timestamp()

    async def _refresh(self, key: Place, bot: Bot) -> None:
        name = (REFRESH_LOCK, "slack", *key)
        try:
            async with hold(self._locks, *name, wait_seconds=REFRESH_WAIT_SECONDS) as is_held:
                if await self._was_refreshed(bot):
                    return  # by another bot, so that the refresh token is spent
                if not is_held:
                    raise TokenRotationFailed("another bot has tried it for too long")
                refreshed = await self._request_token(bot)
                # The refresh token is spent: without the new one, the app would have to be installed again.
                stored = await retry_until_stored(
                    lambda: self._installations.store_rotated_token(bot, refreshed)
                )
        except TokenRotationFailed as problem:
            delay = self._refreshes.record_failure(key)
            log.error(
                "installation.not_exchanged",
                team=key[1],
                enterprise=key[0],
                reason=str(problem),
                again_in_seconds=delay.total_seconds(),
                cure="if this continues, reinstall the app there",
            )
        except DatabaseUnavailable:
            self._refreshes.record_failure(key)
        except Exception:
            # Calls with the old token get an error from Slack; other workspaces must not be affected.
            log.exception("installation.not_kept", team=key[1], enterprise=key[0])
        else:
            self._refreshes.record_success(key)
            log.info("installation.exchanged", team=key[1], enterprise=key[0], kept=stored)

    async def _was_refreshed(self, bot: Bot) -> bool:
        """Return whether the stored installation is another one, or has another token. Raises DecryptionError."""
        stored = await self._installations.async_find_bot(
            enterprise_id=bot.enterprise_id,
            team_id=bot.team_id,
            is_enterprise_install=bot.is_enterprise_install,
        )
        return stored is None or stored.bot_refresh_token != bot.bot_refresh_token

    async def _request_token(self, bot: Bot) -> Bot:
        """Request a new token; return the installation with it. Raises TokenRotationFailed."""
        try:
            response = await self._client.oauth_v2_access(
                client_id=self._app.client_id,
                client_secret=self._app.client_secret,
                grant_type="refresh_token",
                refresh_token=bot.bot_refresh_token,
            )
        except SlackCallFailed as error:
            raise TokenRotationFailed(explain_call_failure(error)) from None
        token, refresh_token, expires_in = (
            response.get(name) for name in ("access_token", "refresh_token", "expires_in")
        )
        if (
            response.get("token_type") != "bot"
            or not token
            or not refresh_token
            or not isinstance(expires_in, int)
        ):
            raise TokenRotationFailed("Slack's response contains no bot token")
        refreshed = Bot(**bot.to_dict_for_copying())
        refreshed.bot_token, refreshed.bot_refresh_token = str(token), str(refresh_token)
        refreshed.bot_token_expires_at = int(self._clock().timestamp()) + expires_in
        return refreshed
