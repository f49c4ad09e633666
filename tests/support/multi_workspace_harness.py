"""An environment of several workspaces: one bot over HTTP, installed by Slack's flow; the workspaces share all ids."""

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
    """The clock of the bot and Slack: the machine's time plus an offset that tests increase."""

    passed: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.passed


class MultiWorkspaceHarness(BotHarness):
    """Two workspaces with the same ids; the bot is installed in neither of them at first."""

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
        more_settings = {
            "slack_client_id": CLIENT_ID,
            "slack_client_secret": CLIENT_SECRET,
            "slack_authorize_url": f"{self.slack.url}/oauth/v2/authorize",
            "public_url": self.url,
            "port": str(self.port),
        }
        if "service_token_acts" not in self._extra_settings:
            # Most tests use the bot's own token, which acts only for workspaces in this setting.
            more_settings["slack_workspaces"] = ",".join((TEAM, *MORE_TEAMS, GRID.id))
        settings = {**super().settings(), **more_settings, **self._extra_settings}
        del settings["slack_bot_token"]
        return settings

    def change_settings(self, **settings: str) -> None:
        """Change settings for the next start of the bot."""
        self._extra_settings = {**self._extra_settings, **settings}

    async def install(self, team: str = TEAM, **how: Any) -> tuple[int, str]:
        """Install the app through the bot's page; returns the status and text of the last page."""
        return await self.slack.install(f"{self.url}/slack/install", team=team, **how)

    async def install_everywhere(self) -> None:
        for team in (TEAM, TWIN):
            status, text = await self.install(team)
            assert status == 200, text

    def add_organisation(self) -> tuple[WorkspaceHarness, WorkspaceHarness]:
        """Add two workspaces of one organisation."""
        east, west = (
            self.slack.add_workspace(team, name, users_with_equal_ids(), default_channels(), enterprise=GRID)
            for team, name in (("T0EAST", "East"), ("T0WEST", "West"))
        )
        return WorkspaceHarness(east), WorkspaceHarness(west)

    def calls(self, method: str) -> list[dict[str, Any]]:
        """Return the bot's calls of a Web API method so far."""
        return [
            entry.to_json()
            for entry in self.slack.request_log.entries
            if (entry.direction, entry.title) == ("app → Slack", method)
        ]


def users_with_equal_ids() -> list[User]:
    """Return other people with the ids and user names of the first workspace."""
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
    """Run a harness; if `strict`, it fails at the end if a rule of Slack was broken."""
    harness = MultiWorkspaceHarness(
        folder, rotating=rotating, now=now, seconds=seconds or {}, settings=settings
    )
    await harness.open()
    try:
        await harness.start_bot()
        yield harness
        if strict:
            assert harness.slack.violations == []
    finally:
        await harness.close()
