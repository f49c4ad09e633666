"""The members of a workspace, read from Slack and cached for some minutes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from typing import Any

import structlog
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from domain.provider_errors import NotConnected
from services.cache import Cache
from services.slack.errors import SlackCallFailed

log = structlog.get_logger()

_Key = tuple[str, str]  # the workspace and the person

# A person who becomes a guest or leaves is known as such after this at the latest; `user_change` events are sooner.
FRESH = timedelta(minutes=5)
# A workspace hardly ever joins or leaves an organisation.
HOST_FRESH = timedelta(hours=1)
MAX_CACHED = 10_000
PATIENCE_SECONDS = 10.0

OUTSIDER = "People from other companies can only view what this channel subscribes to."
GUEST = "Only members of the workspace can do this, not guests. Ask a member."
NOT_KNOWN = "Slack can't confirm who you are right now. Try again in a minute."
# Slack knows no such user, or none that this workspace may see ("users.info").
_NOBODY = frozenset({"user_not_found", "user_not_visible"})


class Membership(Enum):
    """A person's relation to a workspace."""

    MEMBER = "a full member of the workspace, or of another one of its organisation"
    GUEST = "a guest, whom the workspace has invited into some channels"
    OUTSIDER = "of another company (Slack Connect), deactivated, or unknown"


class NotAMember(NotConnected):
    """The person belongs to another company, or has left; the sentence is complete."""

    sentence = OUTSIDER

    def __str__(self) -> str:
        return self.sentence


class NotForGuests(NotAMember):
    """The person is a guest, and this is for full members."""

    sentence = GUEST


class MembershipUnknown(NotAMember):
    """Slack did not answer, so the person counts as no member."""

    sentence = NOT_KNOWN


@dataclass(frozen=True)
class _Host:
    """The bot's workspace by `auth.test`, or its organisation, whose token names no workspace."""

    team: str | None
    enterprise: str | None


@dataclass(frozen=True)
class _Known:
    """A person's membership by `users.info`; `by_organisation`: they share the organisation with the host."""

    membership: Membership
    by_organisation: bool = False


class MemberDirectory:
    """Checks whether a person belongs to a workspace; in doubt they don't.

    A payload that Slack has signed can be proof enough (`note_home_workspace`); then Slack is not asked. A person from
    another workspace may still belong: in an organisation all workspaces are one company.
    """

    def __init__(self, slack: Callable[[str], AsyncWebClient], *, clock: Callable[[], datetime]) -> None:
        self._slack = slack
        self._home_workspaces = Cache[_Key, str](max_age=FRESH, max_size=MAX_CACHED, clock=clock)
        self._known = Cache[_Key, _Known](max_age=FRESH, max_size=MAX_CACHED, clock=clock)
        self._hosts = Cache[str, _Host](max_age=HOST_FRESH, max_size=MAX_CACHED, clock=clock)

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it."""
        self._hosts.forget(lambda key: key == team)
        for cache in (self._home_workspaces, self._known):
            cache.forget(lambda key: key[0] == team)

    def forget_person(self, team: str, person: str) -> None:
        """Forget the person, about whom something has changed."""
        for cache in (self._home_workspaces, self._known):
            cache.forget(lambda key: key == (team, person))

    def forget_everyone(self) -> None:
        """Forget all persons, since anybody may have changed. What payloads say of them comes again with each."""
        self._home_workspaces.forget()
        self._known.forget()

    def note_home_workspace(self, team: str, person: str, home: str) -> None:
        """Store the person's workspace (T…) or organisation (E…) from a payload."""
        self._home_workspaces.store((team, person), home)

    async def belongs(self, team: str, person: str) -> bool:
        """Return whether they are of the workspace or its organisation, guests too. Raises MembershipUnknown."""
        if not team or not person:
            return False
        home = self._home_workspaces.get((team, person))
        if home == team and (await self._hosts.load(team, partial(self._fetch_host, team))).team == team:
            return True
        return await self.membership(team, person) is not Membership.OUTSIDER

    async def is_full_member(self, team: str, person: str) -> bool:
        """Return whether they belong and are no guest, which no payload shows. Raises MembershipUnknown."""
        return await self.membership(team, person) is Membership.MEMBER

    async def check(self, team: str, person: str) -> None:
        """Require that the person belongs. Raises NotAMember, MembershipUnknown."""
        if not await self.belongs(team, person):
            raise NotAMember

    async def check_full_member(self, team: str, person: str) -> None:
        """Require a full member. Raises NotAMember, NotForGuests, MembershipUnknown."""
        match await self.membership(team, person):
            case Membership.OUTSIDER:
                raise NotAMember
            case Membership.GUEST:
                raise NotForGuests

    async def refusal(self, team: str, person: str) -> str | None:
        """Return why the person may do nothing here, as a sentence; None if they belong."""
        try:
            await self.check(team, person)
        except NotAMember as problem:
            return str(problem)
        return None

    async def membership(self, team: str, person: str) -> Membership:
        """Return the person's membership of the workspace. Raises MembershipUnknown."""
        if not team or not person:
            return Membership.OUTSIDER
        known = await self._known.load((team, person), lambda: self._fetch_known(team, person))
        home = self._home_workspaces.get((team, person))
        # The payload names another workspace than users.info: one of them is wrong.
        contradicted = home is not None and home != team and not known.by_organisation
        return Membership.OUTSIDER if contradicted else known.membership

    async def _fetch_host(self, team: str) -> _Host:
        response = await self._call(team, lambda slack: slack.auth_test())
        workspace = str(response.get("team_id") or "")
        return _Host(
            team=workspace if workspace.startswith("T") else None,
            enterprise=response.get("enterprise_id") or None,
        )

    async def _fetch_known(self, team: str, person: str) -> _Known:
        response = await self._call(team, lambda slack: slack.users_info(user=person))
        host = await self._hosts.load(team, partial(self._fetch_host, team))
        return _parse_user(response.get("user") or {}, team, host)

    async def _call(
        self, team: str, call: Callable[[AsyncWebClient], Awaitable[AsyncSlackResponse]]
    ) -> Mapping[str, Any]:
        """Return Slack's response; empty if Slack knows no such person. Raises MembershipUnknown."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                response = await call(self._slack(team))
        except SlackCallFailed as error:
            if error.reason in _NOBODY:
                return {}
            log.warning("membership.unknown", team=team, reason=error.reason)
        except TimeoutError:
            log.warning("membership.unknown", team=team, reason="too slow")
        else:
            return response.data if isinstance(response.data, dict) else {}
        raise MembershipUnknown


def _parse_user(user: Mapping[str, Any], team: str, host: _Host) -> _Known:
    """Return the membership by a user of `users.info`.

    `is_stranger` means less than its name: it is false for people of other companies who are in a channel with the
    bot ("User type"). So the workspace and the organisation decide. If the bot's token names another workspace than
    `team`, nobody belongs to `team`.
    """
    organisation = (user.get("enterprise_user") or {}).get("enterprise_id")
    by_organisation = bool(organisation) and organisation == host.enterprise
    by_workspace = user.get("team_id") == team == host.team
    excluded = not user or user.get("deleted") or user.get("is_stranger")
    if excluded or not (by_organisation or by_workspace) or host.team not in (None, team):
        return _Known(Membership.OUTSIDER)
    guest = user.get("is_restricted") or user.get("is_ultra_restricted")
    return _Known(Membership.GUEST if guest else Membership.MEMBER, by_organisation)
