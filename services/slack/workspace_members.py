"""Who belongs to a workspace: asked of Slack at each use, and remembered for some minutes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Generic, TypeVar

import structlog
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from domain.errors import NotConnected
from services.slack.errors import SlackCallFailed

log = structlog.get_logger()

T = TypeVar("T")

# Somebody who becomes a guest or leaves is known as such after this, at the latest; `user_change` says it sooner.
FRESH = timedelta(minutes=5)
# A workspace joins an organisation, or leaves one, once in its life.
HOST_FRESH = timedelta(hours=1)
MOST_REMEMBERED = 10_000
PATIENCE_SECONDS = 10.0

OUTSIDER = "People of other companies may look at what this channel follows, and do nothing else."
GUEST = "This is for members of the workspace, and not for its guests. Ask a member."
NOT_KNOWN = "Slack doesn't say who you are right now. Try again in a minute."
# Slack knows nobody by that id, or nobody whom this workspace may see ("users.info").
_NOBODY = frozenset({"user_not_found", "user_not_visible"})


class Membership(Enum):
    """What somebody is to a workspace."""

    MEMBER = "a full member of the workspace, or of another one of its organisation"
    GUEST = "a guest, whom the workspace has invited into some channels"
    OUTSIDER = "of another company (Slack Connect), deactivated, or nobody"


class NotAMember(NotConnected):
    """The person belongs to another company, or to nobody any more; the sentence is whole."""

    sentence = OUTSIDER

    def __str__(self) -> str:
        return self.sentence


class NotForGuests(NotAMember):
    """The person is a guest, and this is for full members."""

    sentence = GUEST


class MembershipUnknown(NotAMember):
    """Slack could not be asked, so it counts as no."""

    sentence = NOT_KNOWN


@dataclass(frozen=True)
class _Host:
    """Where the bot is, by `auth.test`: a workspace, or with a whole organisation, whose token names no workspace."""

    team: str | None
    enterprise: str | None


@dataclass(frozen=True)
class _Known:
    """What `users.info` says of a person; `by_organisation`: it is the organisation that they share with the host."""

    membership: Membership
    by_organisation: bool = False


class MemberDirectory:
    """Answers whether a person belongs to a workspace. In doubt they don't.

    A payload that Slack has signed can be sure of it by itself (`heard`), and then nobody is asked. That a person is
    of another workspace is never the end of it: in an organisation all workspaces are one company.
    """

    def __init__(self, slack: Callable[[str], AsyncWebClient], *, clock: Callable[[], datetime]) -> None:
        self._slack = slack
        self._homes: _Memory[str] = _Memory(FRESH, clock)
        self._known: _Memory[_Known] = _Memory(FRESH, clock)
        self._hosts: _Memory[_Host] = _Memory(HOST_FRESH, clock)

    def forget(self, team: str) -> None:
        """The app is gone from the workspace."""
        for memory in (self._homes, self._known, self._hosts):
            memory.forget(lambda key: key[0] == team)

    def forget_person(self, team: str, person: str) -> None:
        """Something about the person has changed."""
        for memory in (self._homes, self._known):
            memory.forget(lambda key: key == (team, person))

    def note_home_workspace(self, team: str, person: str, home: str) -> None:
        """A payload says of which workspace (T…) or organisation (E…) the person is."""
        self._homes.keep((team, person), home)

    async def belongs(self, team: str, person: str) -> bool:
        """Whether they are of the workspace or of its organisation, guests too. Raises MembershipUnknown."""
        if not team or not person:
            return False
        home = self._homes.of((team, person))
        if home == team and (await self._host(team)).team == team:
            return True
        return await self.membership(team, person) is not Membership.OUTSIDER

    async def is_full_member(self, team: str, person: str) -> bool:
        """Whether they belong and are no guest, which no payload says. Raises MembershipUnknown."""
        return await self.membership(team, person) is Membership.MEMBER

    async def check(self, team: str, person: str) -> None:
        """Let only those go on who belong. Raises NotAMember, MembershipUnknown."""
        if not await self.belongs(team, person):
            raise NotAMember

    async def check_full_member(self, team: str, person: str) -> None:
        """Let only full members go on. Raises NotAMember, NotForGuests, MembershipUnknown."""
        match await self.membership(team, person):
            case Membership.OUTSIDER:
                raise NotAMember
            case Membership.GUEST:
                raise NotForGuests

    async def refusal(self, team: str, person: str) -> str | None:
        """Why the person may do nothing here, as a sentence; None where they belong."""
        try:
            await self.check(team, person)
        except NotAMember as problem:
            return str(problem)
        return None

    async def membership(self, team: str, person: str) -> Membership:
        """What the person is to the workspace, as Slack says now. Raises MembershipUnknown."""
        if not team or not person:
            return Membership.OUTSIDER
        known = self._known.of((team, person))
        if known is None:
            known = _read(await self._user(team, person), team, await self._host(team))
            self._known.keep((team, person), known)
        home = self._homes.of((team, person))
        # The payload names another workspace, and users.info names this one: one of them is wrong.
        contradicted = home is not None and home != team and not known.by_organisation
        return Membership.OUTSIDER if contradicted else known.membership

    async def _host(self, team: str) -> _Host:
        host = self._hosts.of((team, ""))
        if host is None:
            answer = await self._asked(team, lambda slack: slack.auth_test())
            workspace = str(answer.get("team_id") or "")
            host = _Host(
                team=workspace if workspace.startswith("T") else None,
                enterprise=answer.get("enterprise_id") or None,
            )
            self._hosts.keep((team, ""), host)
        return host

    async def _user(self, team: str, person: str) -> Mapping[str, Any]:
        answer = await self._asked(team, lambda slack: slack.users_info(user=person))
        return answer.get("user") or {}

    async def _asked(
        self, team: str, command: Callable[[AsyncWebClient], Awaitable[AsyncSlackResponse]]
    ) -> Mapping[str, Any]:
        """Slack's answer; nothing where it knows no such person. Raises MembershipUnknown."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                answer = await command(self._slack(team))
        except SlackCallFailed as error:
            if error.reason in _NOBODY:
                return {}
            log.warning("membership.unknown", team=team, reason=error.reason)
        except TimeoutError:
            log.warning("membership.unknown", team=team, reason="too slow")
        else:
            return answer.data if isinstance(answer.data, dict) else {}
        raise MembershipUnknown


def read_home_workspace(body: Mapping[str, Any], team: str) -> tuple[str, str] | None:
    """The person who acts, and of which workspace or organisation the payload says that they are; None: it does not.

    `team` is the workspace that is asked. Interactions have `user.team_id`. Events have `user_team` where the person
    may be of elsewhere, and may name an organisation by it (Bolt, "extract_actor_team_id"); their outer `team_id` and
    `event.team` may be the other company's. Slash commands say nothing of it.
    """
    user, event = body.get("user"), body.get("event")
    if isinstance(user, Mapping) and user.get("id") and user.get("team_id"):
        home = str(user["team_id"])
        # A workspace that is known only from the person themselves proves nothing about them.
        return (str(user["id"]), home) if home != team or _names(body, team) else None
    if isinstance(event, Mapping) and isinstance(event.get("user"), str) and event.get("user_team"):
        return event["user"], str(event["user_team"])
    return None


def _names(body: Mapping[str, Any], team: str) -> bool:
    """Whether something else than the person's own workspace says which workspace is meant."""
    view, where = body.get("view") or {}, body.get("team")
    said = (view.get("app_installed_team_id"), where.get("id") if isinstance(where, Mapping) else None)
    return team in said


def _read(user: Mapping[str, Any], team: str, host: _Host) -> _Known:
    """What `users.info` says.

    `is_stranger` means less than its name: it is false for people of other companies who are in a channel with the
    bot ("User type"). So it is the workspace and the organisation that count. Where the bot's token names another
    workspace than the one that is asked about, nobody belongs there.
    """
    organisation = (user.get("enterprise_user") or {}).get("enterprise_id")
    by_organisation = bool(organisation) and organisation == host.enterprise
    by_workspace = user.get("team_id") == team == host.team
    gone = not user or user.get("deleted") or user.get("is_stranger")
    if gone or not (by_organisation or by_workspace) or host.team not in (None, team):
        return _Known(Membership.OUTSIDER)
    guest = user.get("is_restricted") or user.get("is_ultra_restricted")
    return _Known(Membership.GUEST if guest else Membership.MEMBER, by_organisation)


class _Memory(Generic[T]):
    """What was found out, each for a while."""

    def __init__(self, fresh: timedelta, clock: Callable[[], datetime]) -> None:
        self._fresh = fresh
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str], tuple[datetime, T]] = OrderedDict()

    def of(self, key: tuple[str, str]) -> T | None:
        """What is known and still fresh."""
        found = self._kept.get(key)
        if found is None or self._clock() - found[0] >= self._fresh:
            return None
        return found[1]

    def keep(self, key: tuple[str, str], value: T) -> None:
        """Remember it from now on; the oldest is forgotten where there is too much."""
        self._kept.pop(key, None)
        self._kept[key] = (self._clock(), value)
        while len(self._kept) > MOST_REMEMBERED:
            self._kept.popitem(last=False)

    def forget(self, those: Callable[[tuple[str, str]], bool]) -> None:
        """Forget whatever has such a key."""
        self._kept = OrderedDict((key, one) for key, one in self._kept.items() if not those(key))
