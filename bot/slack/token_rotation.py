"""Bot tokens of all installations, refreshed before they expire ("Using token rotation")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from slack_sdk.oauth.installation_store.models.bot import Bot
from slack_sdk.web.async_client import AsyncWebClient

from services.accounts.single_flight import SingleFlight
from services.slack.errors import SlackCallFailed
from services.slack.web_client import explain_call_failure
from services.slack.workspace_clients import ANY, AllowedWorkspaces, WorkspaceToken
from storage.encryption import DecryptionError
from storage.installations import Installations

log = structlog.get_logger()

# A rotated token is valid for twelve hours (docs.slack.dev, "Using token rotation"); refresh it well before it expires.
REFRESH_BEFORE = timedelta(hours=2)

# An installation: its organisation and its workspace; the workspace is empty for a whole organisation.
Place = tuple[str, str]


class TokenRotationFailed(Exception):
    """Slack issued no new token; the message says why, and contains no token."""


@dataclass(frozen=True)
class AppSecrets:
    """Credentials of the Slack app itself."""

    client_id: str
    client_secret: str


class BotTokens:
    """Bot tokens by workspace; each is refreshed once, even if several callers ask at the same time."""

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
        self._client = client
        self._app = app
        self._clock = clock
        self._exchanges: SingleFlight[Place] = SingleFlight(clock)

    async def __call__(self, team: str) -> WorkspaceToken | None:
        """Return the token of a workspace; None if the app is not installed or not allowed there (SLACK_WORKSPACES)."""
        bot = await self._bot(team)
        if bot is not None and not self._allowed.includes(bot.enterprise_id, team):
            return None  # installed before the operator restricted the workspaces
        return WorkspaceToken(bot.bot_token, whole_organisation=bot.is_enterprise_install) if bot else None

    async def close(self) -> None:
        """Wait for refreshes in progress."""
        await self._exchanges.close()

    async def _bot(self, team: str) -> Bot | None:
        """Return the installation of a workspace, with a valid token if possible."""
        bot = await self._read(team)
        if bot is None or not self._expires_within(REFRESH_BEFORE, bot):
            return bot
        place = (bot.enterprise_id or "", "" if bot.is_enterprise_install else bot.team_id or "")
        if self._exchanges.is_running(place):
            if not self._expires_within(timedelta(0), bot):
                return bot  # valid until the new one is there
        elif not self._exchanges.may_start(place):
            return bot
        await self._exchanges.run_once(place, lambda: self._refresh(place, bot))
        return await self._read(team)

    async def _read(self, team: str) -> Bot | None:
        try:
            return await self._installations.of_workspace(team)
        except DecryptionError as problem:
            log.error(
                "installation.sealed", team=team, reason=str(problem), cure="check BUILDBELL_SECRET_KEY"
            )
            return None

    def _expires_within(self, span: timedelta, bot: Bot) -> bool:
        ends = bot.bot_token_expires_at
        return ends is not None and ends <= (self._clock() + span).timestamp()

    async def _refresh(self, place: Place, bot: Bot) -> None:
        try:
            fresh = await self._request_token(bot)
            kept = await self._installations.store_rotated_token(bot, fresh)
        except TokenRotationFailed as problem:
            pause = self._exchanges.record_failure(place)
            log.error(
                "installation.not_exchanged",
                team=place[1],
                enterprise=place[0],
                reason=str(problem),
                again_in_seconds=pause.total_seconds(),
                cure="if this continues, reinstall the app there",
            )
        except Exception:
            # Callers get an error from Slack; other workspaces must not be affected.
            log.exception("installation.not_kept", team=place[1], enterprise=place[0])
        else:
            self._exchanges.record_success(place)
            log.info("installation.exchanged", team=place[1], enterprise=place[0], kept=kept)

    async def _request_token(self, bot: Bot) -> Bot:
        """Request a new token; return the installation with it. Raises TokenRotationFailed."""
        try:
            answer = await self._client.oauth_v2_access(
                client_id=self._app.client_id,
                client_secret=self._app.client_secret,
                grant_type="refresh_token",
                refresh_token=bot.bot_refresh_token,
            )
        except SlackCallFailed as error:
            raise TokenRotationFailed(explain_call_failure(error)) from None
        token, again, lasts = (answer.get(name) for name in ("access_token", "refresh_token", "expires_in"))
        if answer.get("token_type") != "bot" or not token or not again or not isinstance(lasts, int):
            raise TokenRotationFailed("Slack's response contains no bot token")
        fresh = Bot(**bot.to_dict_for_copying())
        fresh.bot_token, fresh.bot_refresh_token = str(token), str(again)
        fresh.bot_token_expires_at = int(self._clock().timestamp()) + lasts
        return fresh
