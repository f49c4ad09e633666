"""The Web API client of each workspace: whichever token it has at the moment of a call."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError, SlackTokenRotationError
from slack_sdk.oauth.installation_store.models.bot import Bot
from slack_sdk.oauth.token_rotation.async_rotator import AsyncTokenRotator
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.vault import CannotOpen
from storage import Installations

log = structlog.get_logger()

# A rotated token lives twelve hours (docs.slack.dev, "Token rotation"); it is exchanged well before its end.
EXCHANGED_BEFORE = timedelta(hours=2)


@dataclass(frozen=True)
class Access:
    """A bot's token, and whether it is an organisation's, which must be told the workspace in each call."""

    token: str
    whole_organisation: bool = False


# The access to a workspace at this moment; None where the app is not installed in it.
AccessTo = Callable[[str], Awaitable[Access | None]]


class WorkspaceClient(AsyncWebClient):
    """A client for one workspace. It asks for its token anew for each call, since tokens are exchanged and revoked."""

    def __init__(self, team: str, access_to: AccessTo, **options: Any) -> None:
        super().__init__(**options)
        self._team = team
        self._access_to = access_to

    async def api_call(self, api_method: str, **arguments: Any) -> AsyncSlackResponse:
        """Call a method. Raises SlackApiError, with `account_inactive` where the app is not installed any more."""
        access = await self._access_to(self._team)
        if access is None:
            answer = self._not_installed(api_method)
            raise SlackApiError("The app is not installed there.", answer)  # type: ignore[no-untyped-call]
        self.token = access.token
        if access.whole_organisation:
            self.default_params["team_id"] = self._team
        return await super().api_call(api_method, **arguments)

    def _not_installed(self, method: str) -> AsyncSlackResponse:
        """What Slack itself answers to the token of an app that was taken out."""
        return AsyncSlackResponse(
            client=self,
            http_verb="POST",
            api_url=method,
            req_args={},
            data={"ok": False, "error": "account_inactive"},
            headers={},
            status_code=200,
        )


class Slacks:
    """One client for each workspace, made when it is first asked for."""

    def __init__(self, access_to: AccessTo, **options: Any) -> None:
        self._access_to = access_to
        self._options = options
        self._made: dict[str, WorkspaceClient] = {}

    def __call__(self, team: str) -> AsyncWebClient:
        """The client of this workspace."""
        if team not in self._made:
            self._made[team] = WorkspaceClient(team, self._access_to, **self._options)
        return self._made[team]


class InstalledTokens:
    """The tokens of many workspaces, exchanged for new ones before they end."""

    def __init__(
        self, installations: Installations, rotator: AsyncTokenRotator, clock: Callable[[], datetime]
    ) -> None:
        self._installations = installations
        self._rotator = rotator
        self._clock = clock
        self._exchanging: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def __call__(self, team: str) -> Access | None:
        """The access to a workspace; None where the app is not installed in it."""
        bot = await self.bot(team)
        return Access(bot.bot_token, whole_organisation=bool(bot.is_enterprise_install)) if bot else None

    async def bot(self, team: str) -> Bot | None:
        """A workspace's installation, with a token that has not ended."""
        bot = await self._read(team)
        if bot is None or not self._ends_soon(bot):
            return bot
        async with self._exchanging[team]:
            # Somebody else may have exchanged it meanwhile, and a refresh token is good for once.
            bot = await self._read(team)
            return await self._exchange(bot) if bot is not None and self._ends_soon(bot) else bot

    async def _read(self, team: str) -> Bot | None:
        try:
            return await self._installations.of_workspace(team)
        except CannotOpen as problem:
            log.error(
                "installation.sealed", team=team, reason=str(problem), cure="check BUILDBELL_SECRET_KEY"
            )
            return None

    def _ends_soon(self, bot: Bot) -> bool:
        ends = bot.bot_token_expires_at
        return ends is not None and ends <= (self._clock() + EXCHANGED_BEFORE).timestamp()

    async def _exchange(self, bot: Bot) -> Bot:
        try:
            # It compares with the machine's clock, and ours may be another one: it is told to exchange in any case.
            fresh = await self._rotator.perform_bot_token_rotation(
                bot=bot, minutes_before_expiration=60 * 24 * 365
            )
        except SlackTokenRotationError as error:
            reason = str(error.api_error.response.get("error"))
            log.error("installation.not_exchanged", team=bot.team_id, reason=reason)
            return bot  # as long as it lasts
        if fresh is None:
            return bot
        await self._installations.async_save_bot(fresh)
        log.info("installation.exchanged", team=bot.team_id)
        return fresh
