"""Who belongs to a workspace, by what Slack says of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.manifest import manifest
from bot.slack.http_session import create_slack_session
from sandbox.slack.models import TEAM
from sandbox.slack.server import BOT_TOKEN, SlackSimulator
from sandbox.slack.users import Enterprise
from services.request.context import workspace_id
from services.slack.web_client import SlackClient
from services.slack.workspace_members import (
    MemberDirectory,
    Membership,
    MembershipUnknown,
    NotAMember,
    read_home_workspace,
)
from services.slack.workspace_members import _Host as Host
from services.slack.workspace_members import _read as read

GRID = Enterprise("E0HOST", "Host Corp")


class Office:
    """Slack, a directory that asks it, and a time that passes when it is told to."""

    def __init__(self, slack: SlackSimulator, client: SlackClient) -> None:
        self.slack = slack
        self.now = datetime(2026, 11, 30, tzinfo=UTC)
        self.members = MemberDirectory(lambda _: client, clock=lambda: self.now)

    def let(self, person: str = "U0BEN", **changes: Any) -> None:
        """Let Slack say something else of a person from now on; the bot has forgotten what it knew."""
        people = self.slack.workspace.users
        people[person] = replace(people[person], **changes)
        self.now += timedelta(hours=2)

    def asked(self, method: str) -> int:
        return len([one for one in self.slack.request_log.entries if one.title == method])


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    async with opened() as one:
        yield one


@asynccontextmanager
async def opened() -> AsyncIterator[Office]:
    slack = SlackSimulator(manifest())
    await slack.start()
    try:
        async with create_slack_session() as session:
            yield Office(slack, SlackClient(token=BOT_TOKEN, base_url=slack.api_url, session=session))
    finally:
        await slack.close()


@pytest.mark.parametrize(
    ("grid", "changes", "expected"),
    [
        (False, {}, Membership.MEMBER),
        (True, {}, Membership.MEMBER),
        (False, {"guest": True}, Membership.GUEST),
        (False, {"single_channel": True}, Membership.GUEST),
        (True, {"guest": True}, Membership.GUEST),
        # In a channel with the bot, so `is_stranger` is false.
        (False, {"home": "T0ELSEWHERE"}, Membership.OUTSIDER),
        (True, {"home": "T0ELSEWHERE"}, Membership.OUTSIDER),
        (True, {"home": "T0ELSEWHERE", "organisation": "E0ELSEWHERE"}, Membership.OUTSIDER),
        (False, {"home": "T0ELSEWHERE", "guest": True}, Membership.OUTSIDER),
        (False, {"stranger": True}, Membership.OUTSIDER),
        (True, {"stranger": True}, Membership.OUTSIDER),
        (True, {"home": "T0SISTER", "organisation": "E0HOST"}, Membership.MEMBER),
        (True, {"home": "T0SISTER", "organisation": "E0HOST", "guest": True}, Membership.GUEST),
        # An organisation that the host is not of.
        (False, {"home": "T0SISTER", "organisation": "E0HOST"}, Membership.OUTSIDER),
        (False, {"deleted": True}, Membership.OUTSIDER),
    ],
)
async def test_membership_is_what_the_workspace_and_the_organisation_say(
    office: Office, grid: bool, changes: dict[str, Any], expected: Membership
) -> None:
    office.slack.workspace.enterprise = GRID if grid else None
    office.let(**changes)
    assert await office.members.membership(TEAM, "U0BEN") is expected
    assert await office.members.belongs(TEAM, "U0BEN") is (expected is not Membership.OUTSIDER)
    assert await office.members.is_full_member(TEAM, "U0BEN") is (expected is Membership.MEMBER)


async def test_nobody_and_whom_slack_does_not_know_do_not_belong(office: Office) -> None:
    for team, person in ((TEAM, ""), ("", "U0BEN"), (TEAM, "U0NOBODY"), ("T0ELSEWHERE", "U0BEN")):
        assert await office.members.belongs(team, person) is False
        with pytest.raises(NotAMember):
            await office.members.check(team, person)


async def test_a_payload_that_is_sure_asks_nothing_of_the_person(office: Office) -> None:
    office.members.note_home_workspace(TEAM, "U0BEN", TEAM)
    for _ in range(3):
        assert await office.members.belongs(TEAM, "U0BEN")
    assert (office.asked("users.info"), office.asked("auth.test")) == (0, 1)
    # Whether they are a guest it does not say.
    assert await office.members.is_full_member(TEAM, "U0BEN")
    assert office.asked("users.info") == 1


async def test_a_payload_from_elsewhere_is_believed_before_an_answer_that_knows_better(
    office: Office,
) -> None:
    assert await office.members.belongs(TEAM, "U0BEN")
    office.members.note_home_workspace(TEAM, "U0BEN", "T0ELSEWHERE")
    assert not await office.members.belongs(TEAM, "U0BEN")
    assert not await office.members.is_full_member(TEAM, "U0BEN")


async def test_an_answer_counts_for_five_minutes_and_a_change_of_the_person_ends_it_sooner(
    office: Office,
) -> None:
    people = office.slack.workspace.users
    assert await office.members.is_full_member(TEAM, "U0BEN")
    people["U0BEN"] = replace(people["U0BEN"], guest=True)
    office.now += timedelta(minutes=4, seconds=59)
    assert await office.members.is_full_member(TEAM, "U0BEN")
    office.now += timedelta(seconds=1)
    assert not await office.members.is_full_member(TEAM, "U0BEN")
    people["U0BEN"] = replace(people["U0BEN"], guest=False)
    office.members.forget_person(TEAM, "U0BEN")
    assert await office.members.is_full_member(TEAM, "U0BEN")
    office.members.forget(TEAM)
    assert await office.members.is_full_member(TEAM, "U0BEN")
    assert office.asked("users.info") == 4


@pytest.mark.parametrize("method", ["users.info", "auth.test"])
async def test_in_doubt_nobody_belongs_and_the_doubt_is_not_remembered(office: Office, method: str) -> None:
    for words in ("internal_error", "ratelimited", "invalid_auth"):
        office.slack.fault(method, "error", words=words)
        with pytest.raises(MembershipUnknown):
            await office.members.belongs(TEAM, "U0BEN")
    assert await office.members.belongs(TEAM, "U0BEN")


async def test_many_who_ask_at_once_are_answered_alike(office: Office) -> None:
    office.let(home="T0ELSEWHERE")
    asked = [office.members.belongs(TEAM, who) for who in ("U0ANNA", "U0BEN") * 20]
    assert await asyncio.gather(*asked) == [True, False] * 20


IDS = st.sampled_from(["T0HERE", "T0ELSEWHERE", "T0SISTER", "E0HOST", "E0OTHER", "", None])


@given(
    user=st.fixed_dictionaries(
        {},
        optional={
            "team_id": IDS,
            "deleted": st.booleans(),
            "is_stranger": st.booleans(),
            "is_restricted": st.booleans(),
            "is_ultra_restricted": st.booleans(),
            "enterprise_user": st.none() | st.fixed_dictionaries({}, optional={"enterprise_id": IDS}),
        },
    ),
    host=st.builds(
        Host, team=st.sampled_from(["T0HERE", "T0OTHER", None]), enterprise=st.sampled_from(["E0HOST", None])
    ),
)
def test_whoever_shares_neither_workspace_nor_organisation_is_an_outsider(
    user: dict[str, Any], host: Host
) -> None:
    known = read(user, "T0HERE", host)
    same_workspace = host.team == "T0HERE" == user.get("team_id")
    organisation = (user.get("enterprise_user") or {}).get("enterprise_id")
    same_organisation = host.enterprise is not None and organisation == host.enterprise
    if user.get("deleted") or user.get("is_stranger") or not (same_workspace or same_organisation):
        assert known.membership is Membership.OUTSIDER
    if host.team == "T0OTHER":
        assert known.membership is Membership.OUTSIDER
    if user.get("is_restricted") or user.get("is_ultra_restricted"):
        assert known.membership is not Membership.MEMBER


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"team": {"id": "T1"}, "user": {"id": "U1", "team_id": "T1"}}, ("U1", "T1")),
        ({"team": {"id": "T1"}, "user": {"id": "U1", "team_id": "T2"}}, ("U1", "T2")),
        # The person's own workspace is all that there is: it proves nothing.
        ({"team": None, "user": {"id": "U1", "team_id": "T1"}}, None),
        ({"team": None, "user": {"id": "U1", "team_id": "T1"}, "view": {"team_id": "T1"}}, None),
        # A form that somebody of elsewhere has before them names their workspace, and the app's in one place alone.
        (
            {
                "team": {"id": "T2"},
                "user": {"id": "U1", "team_id": "T2"},
                "view": {"team_id": "T2", "app_installed_team_id": "T1"},
            },
            ("U1", "T2"),
        ),
        ({"team": {"id": "T1"}, "user": {"id": "U1"}}, None),
        ({"command": "/bitrise", "team_id": "T1", "user_id": "U1"}, None),
        ({"authorizations": [{"team_id": "T1"}], "event": {"user": "U1", "team": "T1"}}, None),
        ({"authorizations": [{"team_id": "T1"}], "event": {"user": "U1", "user_team": "T2"}}, ("U1", "T2")),
        ({"authorizations": [{"team_id": "T1"}], "event": {"user": "U1", "user_team": "E2"}}, ("U1", "E2")),
        ({"team_id": "T1", "event": {"type": "user_change", "user": {"id": "U1", "team_id": "T1"}}}, None),
    ],
)
def test_what_a_payload_says_of_where_somebody_is_from(
    body: dict[str, Any], expected: tuple[str, str] | None
) -> None:
    assert read_home_workspace(body, workspace_id(body)) == expected
