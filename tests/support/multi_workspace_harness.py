"""Towns of many workspaces: one bot over HTTP, installed by Slack's flow in workspaces whose ids are all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.app import utc_now
from bot.manifest import manifest
from sandbox.slack.installations import CLIENT_ID, CLIENT_SECRET
from sandbox.slack.models import TEAM
from sandbox.slack.users import Enterprise, User
from sandbox.slack.workspace import default_channels
from tests.support.bot_harness import BotHarness, WorkspaceHarness
from tests.support.stub_server import reserve_port

TWIN = "T0TWIN"
MORE_TEAMS = (TWIN, "T0EAST", "T0WEST")
GRID = Enterprise("E0GRID", "Grid Inc")


@dataclass
class OffsetClock:
    """The machine's time, and what a test adds to it; the bot and Slack go by it."""

    passed: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.passed


class MultiWorkspaceHarness(BotHarness):
    """The first workspace's ids are also the twin's; the bot knows neither before it is installed there."""

    def __init__(
        self,
        folder: Path,
        *,
        rotating: bool = False,
        now: Callable[[], datetime] = utc_now,
        seconds: Mapping[str, float],
        settings: Mapping[str, str],
    ) -> None:
        content = deepcopy(manifest())
        content["settings"]["token_rotation_enabled"] = rotating
        super().__init__(folder, http=True, manifest_=content, now=now, seconds=seconds, settings=settings)
        self._reserved_port = reserve_port()
        self.port = int(self._reserved_port.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.slack.redirect_urls = [f"{self.url}/slack/oauth_redirect"]
        self.twin = WorkspaceHarness(
            self.slack.add_workspace(TWIN, "Twin", users_with_equal_ids(), default_channels())
        )

    async def close(self) -> None:
        await super().close()
        self._reserved_port.close()

    def settings(self) -> dict[str, str]:
        many = {
            "slack_client_id": CLIENT_ID,
            "slack_client_secret": CLIENT_SECRET,
            "slack_authorize_url": f"{self.slack.url}/oauth/v2/authorize",
            "public_url": self.url,
            "port": str(self.port),
        }
        if "service_token_acts" not in self._more:
            # Most stories are told with the bot's own token, which acts for workspaces that are named.
            many["slack_workspaces"] = ",".join((TEAM, *MORE_TEAMS, GRID.id))
        all_of_them = {**super().settings(), **many, **self._more}
        del all_of_them["slack_bot_token"]
        return all_of_them

    def change_settings(self, **settings: str) -> None:
        """Let the bot be started with other settings the next time."""
        self._more = {**self._more, **settings}

    async def install(self, team: str = TEAM, **how: Any) -> tuple[int, str]:
        """Install the app by the bot's own page; the status and text of the last page."""
        return await self.slack.install(f"{self.url}/slack/install", team=team, **how)

    async def install_everywhere(self) -> None:
        for team in (TEAM, TWIN):
            status, text = await self.install(team)
            assert status == 200, text

    def add_organisation(self) -> tuple[WorkspaceHarness, WorkspaceHarness]:
        """Two workspaces of one organisation."""
        east, west = (
            self.slack.add_workspace(team, name, users_with_equal_ids(), default_channels(), enterprise=GRID)
            for team, name in (("T0EAST", "East"), ("T0WEST", "West"))
        )
        return WorkspaceHarness(east), WorkspaceHarness(west)

    def conversation(self, team: str) -> WorkspaceHarness:
        return self if team == TEAM else WorkspaceHarness(self.slack.workspaces[team])

    def calls(self, method: str) -> list[dict[str, Any]]:
        """What the bot has asked of Slack's method so far."""
        return [
            one.to_json()
            for one in self.slack.request_log.entries
            if (one.direction, one.title) == ("app → Slack", method)
        ]


def users_with_equal_ids() -> list[User]:
    """Other people than the first workspace's, with the very same ids and names."""
    return [
        User("U0ANNA", "anna", "Anne Other", admin=True, owner=True),
        User("U0BEN", "ben", "Bert Other"),
        User("U0CARLA", "carla", "Carl Other", guest=True),
    ]


@asynccontextmanager
async def multi_workspace_harness(
    folder: Path,
    *,
    rotating: bool = False,
    now: Callable[[], datetime] = utc_now,
    seconds: Mapping[str, float] | None = None,
    strict: bool = True,
    **settings: str,
) -> AsyncIterator[MultiWorkspaceHarness]:
    """`strict`: at the end no rule of Slack may have been broken."""
    town = MultiWorkspaceHarness(folder, rotating=rotating, now=now, seconds=seconds or {}, settings=settings)
    await town.open()
    try:
        await town.start_bot()
        yield town
        if strict:
            assert town.slack.violations == []
    finally:
        await town.close()
