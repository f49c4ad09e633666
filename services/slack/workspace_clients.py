"""The Web API client of each workspace: whichever token it has at the moment of a call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from services.slack.errors import SlackCallFailed
from services.slack.web_client import SlackClient


@dataclass(frozen=True)
class WorkspaceToken:
    """A bot's token, and whether it is an organisation's, which must be told the workspace in each call."""

    token: str
    whole_organisation: bool = False


@dataclass(frozen=True)
class AllowedWorkspaces:
    """The workspaces (T…) and organisations (E…) that may use this bot, as SLACK_WORKSPACES names them; none: all."""

    ids: tuple[str, ...] = ()

    def includes(self, enterprise: str | None, team: str | None) -> bool:
        """Whether a workspace may, itself or as one of its organisation's; without `team`, the whole organisation."""
        return not self.ids or team in self.ids or enterprise in self.ids


ANY = AllowedWorkspaces()

# The access to a workspace at this moment; None where the app is not installed in it.
AccessTo = Callable[[str], Awaitable[WorkspaceToken | None]]


class WorkspaceClient(SlackClient):
    """A client for one workspace. It asks for its token anew for each call, since tokens are exchanged and revoked."""

    def __init__(self, team: str, access_to: AccessTo, **options: Any) -> None:
        super().__init__(**options)
        self._team = team
        self._access_to = access_to

    async def api_call(self, api_method: str, **arguments: Any) -> AsyncSlackResponse:
        """Call a method. Raises SlackCallFailed, with `account_inactive` where the app is not installed any more."""
        access = await self._access_to(self._team)
        if access is None:
            # As Slack itself answers the token of an app that was taken out.
            raise SlackCallFailed(api_method, "account_inactive", status=200)
        self.token = access.token
        # Of an organisation's workspaces Slack must be told which; a workspace's own token has but one.
        self.default_params.pop("team_id", None)
        if access.whole_organisation:
            self.default_params["team_id"] = self._team
        return await super().api_call(api_method, **arguments)


class WorkspaceClients:
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

    def forget(self, team: str) -> None:
        """The app is gone from the workspace: so is the client, with the token of its last call."""
        self._made.pop(team, None)
