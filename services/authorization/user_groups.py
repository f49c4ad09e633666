"""Slack's user groups: their members, and the names of people and groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from domain.access_policy import Principals
from services.cache import Cache
from services.slack.errors import SlackCallFailed

log = structlog.get_logger()

_Key = tuple[str, str]  # the workspace, and the user or group

# A user who is removed from a group loses its permissions after this time at the latest.
MEMBERS_FRESH = timedelta(minutes=1)
NAMES_FRESH = timedelta(minutes=10)
MAX_CACHED = 1000
MAX_NAMED = 5


class UserGroups:
    """Members and names, read from Slack and cached for a short time."""

    def __init__(self, slack: Callable[[str], AsyncWebClient], *, clock: Callable[[], datetime]) -> None:
        self._slack = slack
        self._members_of = Cache[_Key, frozenset[str]](
            max_age=MEMBERS_FRESH, max_size=MAX_CACHED, clock=clock
        )
        self._handles = Cache[_Key, Mapping[str, str]](max_age=NAMES_FRESH, max_size=MAX_CACHED, clock=clock)
        self._names = Cache[_Key, str](max_age=NAMES_FRESH, max_size=MAX_CACHED, clock=clock)

    def forget(self, team: str) -> None:
        """Drop the cache of a workspace from which the app was removed."""
        for cache in (self._members_of, self._handles, self._names):
            cache.forget(lambda key: key[0] == team)

    async def groups_of_user(self, team: str, user: str, groups: Iterable[str]) -> list[str]:
        """Return those of the groups that the user is in. Raises SlackCallFailed if Slack does not say."""
        return [group for group in groups if user in await self._members(team, group)]

    async def handles(self, team: str) -> Mapping[str, str]:
        """Return the handles of the workspace's groups by id; none if Slack does not say."""

        async def fetch() -> dict[str, str]:
            answer = await self._slack(team).usergroups_list()
            return {str(group["id"]): f"@{group['handle']}" for group in answer.get("usergroups") or []}

        try:
            return await self._handles.load((team, ""), fetch)
        except SlackCallFailed as error:
            log.info("groups.unknown", team=team, reason=error.reason)
            return {}

    async def user_name(self, team: str, user: str) -> str:
        """Return a user's name; their id if Slack does not say."""

        async def fetch() -> str:
            profile = (await self._slack(team).users_info(user=user)).get("user") or {}
            return str(profile.get("real_name") or profile.get("name") or user)

        try:
            return await self._names.load((team, user), fetch)
        except SlackCallFailed:
            return user

    async def describe(self, team: str, who: Principals) -> str:
        """Return the people and groups by name, as text that can follow "only"."""
        if who.everyone:
            return "anyone with a connected account"
        if who.nobody:
            return "no one"
        handles = await self.handles(team) if who.groups else {}
        names = [await self.user_name(team, user) for user in who.people[:MAX_NAMED]]
        names += [f"the group {handles.get(group, group)}" for group in who.groups[:MAX_NAMED]]
        left = len(who.people) + len(who.groups) - len(names)
        names += [f"{left} more"] if left else []
        return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

    async def _members(self, team: str, group: str) -> frozenset[str]:
        async def fetch() -> frozenset[str]:
            answer = await self._slack(team).usergroups_users_list(usergroup=group)
            return frozenset(str(user) for user in answer.get("users") or [])

        return await self._members_of.load((team, group), fetch)
