"""One Web API client per workspace, which uses the workspace's current token; uninstallations of the app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from services.slack.errors import SlackCallFailed
from services.slack.web_client import SlackClient


@dataclass(frozen=True)
class WorkspaceToken:
    """A bot token; an organisation's token needs the workspace in each call."""

    token: str
    whole_organisation: bool = False


@dataclass(frozen=True)
class AllowedWorkspaces:
    """The workspaces (T…) and organisations (E…) that may use this bot (SLACK_WORKSPACES); empty: all."""

    ids: tuple[str, ...] = ()

    def includes(self, enterprise: str | None, team: str | None) -> bool:
        """Check a workspace by its id or its organisation's; without `team`, the whole organisation."""
        return not self.ids or team in self.ids or enterprise in self.ids


ANY = AllowedWorkspaces()

# Returns a workspace's current token; None if the app is not installed in it.
AccessTo = Callable[[str], Awaitable[WorkspaceToken | None]]


class WorkspaceClient(SlackClient):
    """A client for one workspace. It reads the token for each call, since tokens are refreshed and revoked."""

    def __init__(self, team: str, access_to: AccessTo, **options: Any) -> None:
        super().__init__(**options)
        self._team = team
        self._access_to = access_to

    async def api_call(self, api_method: str, **arguments: Any) -> AsyncSlackResponse:
        """Call a method. Raises SlackCallFailed, with `account_inactive` if the app is no longer installed."""
        access = await self._access_to(self._team)
        if access is None:
            # Slack's own error for the token of an app that was uninstalled.
            raise SlackCallFailed(api_method, "account_inactive", status=200)
        self.token = access.token
        # An organisation's token needs the workspace as an argument; a workspace's own token does not.
        self.default_params.pop("team_id", None)
        if access.whole_organisation:
            self.default_params["team_id"] = self._team
        return await super().api_call(api_method, **arguments)


class WorkspaceClients:
    """One client for each workspace, made at its first use."""

    def __init__(self, access_to: AccessTo, **options: Any) -> None:
        self._access_to = access_to
        self._options = options
        self._clients: dict[str, WorkspaceClient] = {}

    def __call__(self, team: str) -> AsyncWebClient:
        """Return the client of this workspace."""
        if team not in self._clients:
            self._clients[team] = WorkspaceClient(team, self._access_to, **self._options)
        return self._clients[team]

    def forget(self, team: str) -> None:
        """Forget the workspace's client, with its last token: the app was uninstalled."""
        self._clients.pop(team, None)


@dataclass(frozen=True)
class Uninstallation:
    """An uninstallation of the app from a workspace, or, with no `team`, from an organisation, as Slack reports it.

    `certain`: the app is gone from there, and not only one of its tokens.
    """

    enterprise: str | None
    team: str | None
    at: datetime | None
    certain: bool
