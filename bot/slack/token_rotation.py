"""The tokens of all installations, exchanged for new ones before they end ("Using token rotation")."""

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

# A rotated token lives twelve hours (docs.slack.dev, "Using token rotation"); it is exchanged well before its end.
EXCHANGED_BEFORE = timedelta(hours=2)

# An installation: its organisation, and its workspace, which an organisation's has none of.
Place = tuple[str, str]


class TokenRotationFailed(Exception):
    """Slack gave no new token; the sentence says why, and holds no token."""


@dataclass(frozen=True)
class AppSecrets:
    """What the app itself is known by to Slack."""

    client_id: str
    client_secret: str


class BotTokens:
    """Each is exchanged once, however many ask at once."""

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
        """The access to a workspace; None where the app is not installed in it, or may not be (SLACK_WORKSPACES)."""
        bot = await self._bot(team)
        if bot is not None and not self._allowed.includes(bot.enterprise_id, team):
            return None  # it was installed before the operator named others
        return WorkspaceToken(bot.bot_token, whole_organisation=bot.is_enterprise_install) if bot else None

    async def close(self) -> None:
        """Wait for what is being exchanged."""
        await self._exchanges.close()

    async def _bot(self, team: str) -> Bot | None:
        """A workspace's installation, with a token that has not ended, if there is one to be had."""
        bot = await self._read(team)
        if bot is None or not self._ends_within(EXCHANGED_BEFORE, bot):
            return bot
        place = (bot.enterprise_id or "", "" if bot.is_enterprise_install else bot.team_id or "")
        if self._exchanges.under_way(place):
            if not self._ends_within(timedelta(0), bot):
                return bot  # it lasts until the other one is there
        elif not self._exchanges.may_begin(place):
            return bot
        await self._exchanges.once(place, lambda: self._exchange(place, bot))
        return await self._read(team)

    async def _read(self, team: str) -> Bot | None:
        try:
            return await self._installations.of_workspace(team)
        except DecryptionError as problem:
            log.error(
                "installation.sealed", team=team, reason=str(problem), cure="check BUILDBELL_SECRET_KEY"
            )
            return None

    def _ends_within(self, span: timedelta, bot: Bot) -> bool:
        ends = bot.bot_token_expires_at
        return ends is not None and ends <= (self._clock() + span).timestamp()

    async def _exchange(self, place: Place, bot: Bot) -> None:
        try:
            fresh = await self._ask(bot)
            kept = await self._installations.store_rotated_token(bot, fresh)
        except TokenRotationFailed as problem:
            pause = self._exchanges.failed(place)
            log.error(
                "installation.not_exchanged",
                team=place[1],
                enterprise=place[0],
                reason=str(problem),
                again_in_seconds=pause.total_seconds(),
                cure="if it goes on, install the app there again",
            )
        except Exception:
            # Whoever waits for it is told so by Slack; it must not be the end of anybody else.
            log.exception("installation.not_kept", team=place[1], enterprise=place[0])
        else:
            self._exchanges.succeeded(place)
            log.info("installation.exchanged", team=place[1], enterprise=place[0], kept=kept)

    async def _ask(self, bot: Bot) -> Bot:
        """The installation with a new token. Raises TokenRotationFailed."""
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
            raise TokenRotationFailed("Slack's answer holds no token of a bot")
        fresh = Bot(**bot.to_dict_for_copying())
        fresh.bot_token, fresh.bot_refresh_token = str(token), str(again)
        fresh.bot_token_expires_at = int(self._clock().timestamp()) + lasts
        return fresh
