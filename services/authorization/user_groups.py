"""Who is in Slack's user groups, and what people and groups are called."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from domain.access_policy import Principals
from services.slack.errors import SlackCallFailed

log = structlog.get_logger()

T = TypeVar("T")

# Somebody who is taken out of a group loses its rights after this, at the latest.
MEMBERS_FRESH = timedelta(minutes=1)
NAMES_FRESH = timedelta(minutes=10)
MOST_REMEMBERED = 1000
MOST_NAMED = 5


class UserGroups:
    """Asked of Slack, and remembered for a moment."""

    def __init__(self, slack: Callable[[str], AsyncWebClient], *, clock: Callable[[], datetime]) -> None:
        self._slack = slack
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[datetime, object]] = {}

    def forget(self, team: str) -> None:
        """The app is gone from the workspace."""
        self._kept = {key: one for key, one in self._kept.items() if key[0] != team}

    async def those_of(self, team: str, person: str, groups: Iterable[str]) -> list[str]:
        """Those of the groups that the person is in. Raises SlackCallFailed where Slack does not say."""
        return [group for group in groups if person in await self._members(team, group)]

    async def handles(self, team: str) -> Mapping[str, str]:
        """What the workspace's groups are called, by id; none where Slack does not say."""

        async def ask() -> dict[str, str]:
            answer = await self._slack(team).usergroups_list()
            return {str(one["id"]): f"@{one['handle']}" for one in answer.get("usergroups") or []}

        try:
            return await self._remembered((team, "handles"), NAMES_FRESH, ask)
        except SlackCallFailed as error:
            log.info("groups.unknown", team=team, reason=error.reason)
            return {}

    async def name(self, team: str, person: str) -> str:
        """What a person is called; their id where Slack does not say."""

        async def ask() -> str:
            user = (await self._slack(team).users_info(user=person)).get("user") or {}
            return str(user.get("real_name") or user.get("name") or person)

        try:
            return await self._remembered((team, person), NAMES_FRESH, ask)
        except SlackCallFailed:
            return person

    async def names(self, team: str, who: Principals) -> str:
        """The people and groups by name, as text that can follow "only"."""
        if who.everyone:
            return "everyone with a linked account"
        if who.nobody:
            return "nobody"
        handles = await self.handles(team) if who.groups else {}
        named = [await self.name(team, person) for person in who.people[:MOST_NAMED]]
        named += [f"the group {handles.get(group, group)}" for group in who.groups[:MOST_NAMED]]
        left = len(who.people) + len(who.groups) - len(named)
        named += [f"{left} more"] if left else []
        return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"

    async def _members(self, team: str, group: str) -> frozenset[str]:
        async def ask() -> frozenset[str]:
            answer = await self._slack(team).usergroups_users_list(usergroup=group)
            return frozenset(str(one) for one in answer.get("users") or [])

        return await self._remembered((team, f"members {group}"), MEMBERS_FRESH, ask)

    async def _remembered(
        self, key: tuple[str, str], fresh: timedelta, command: Callable[[], Awaitable[T]]
    ) -> T:
        now = self._clock()
        if key in self._kept and now - self._kept[key][0] < fresh:
            return self._kept[key][1]  # type: ignore[return-value]  # each key holds what its own question gives
        answer = await command()
        if len(self._kept) >= MOST_REMEMBERED:
            self._kept.clear()
        self._kept[key] = (now, answer)
        return answer
