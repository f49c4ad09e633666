"""The membership of a workspace, by Slack's data about a user."""

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
from sandbox.slack.models import TEAM
from sandbox.slack.server import BOT_TOKEN, SlackSimulator
from sandbox.slack.users import Enterprise
from services.slack.web_client import SlackClient, create_slack_session
from services.slack.workspace_members import (
    MemberDirectory,
    Membership,
    MembershipUnknown,
    NotAMember,
)
from services.slack.workspace_members import _Host as Host
from services.slack.workspace_members import _parse_user as parse_user

GRID = Enterprise("E0HOST", "Host Corp")


class MembershipHarness:
    """A simulated Slack, a member directory that reads from it, and a clock that a test advances."""

    def __init__(self, slack: SlackSimulator, client: SlackClient) -> None:
        self.slack = slack
        self.now = datetime(2026, 11, 30, tzinfo=UTC)
        self.members = MemberDirectory(lambda _: client, clock=lambda: self.now)

    def change_user(self, person: str = "U0BEN", **changes: Any) -> None:
        """Change a user in Slack, and advance the clock until the bot's caches have expired."""
        people = self.slack.workspace.users
        people[person] = replace(people[person], **changes)
        self.now += timedelta(hours=2)

    def count_calls(self, method: str) -> int:
        return len([entry for entry in self.slack.request_log.entries if entry.title == method])


@pytest.fixture
async def harness() -> AsyncIterator[MembershipHarness]:
    async with open_harness() as opened:
        yield opened


@asynccontextmanager
async def open_harness() -> AsyncIterator[MembershipHarness]:
    slack = SlackSimulator(manifest())
    await slack.start()
    try:
        async with create_slack_session() as session:
            yield MembershipHarness(
                slack, SlackClient(token=BOT_TOKEN, base_url=slack.api_url, session=session)
            )
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
        # The user is in a channel with the bot, so `is_stranger` is false.
        (False, {"home": "T0ELSEWHERE"}, Membership.OUTSIDER),
        (True, {"home": "T0ELSEWHERE"}, Membership.OUTSIDER),
        (True, {"home": "T0ELSEWHERE", "organisation": "E0ELSEWHERE"}, Membership.OUTSIDER),
        (False, {"home": "T0ELSEWHERE", "guest": True}, Membership.OUTSIDER),
        (False, {"stranger": True}, Membership.OUTSIDER),
        (True, {"stranger": True}, Membership.OUTSIDER),
        (True, {"home": "T0SISTER", "organisation": "E0HOST"}, Membership.MEMBER),
        (True, {"home": "T0SISTER", "organisation": "E0HOST", "guest": True}, Membership.GUEST),
        # The host does not belong to this organisation.
        (False, {"home": "T0SISTER", "organisation": "E0HOST"}, Membership.OUTSIDER),
        (False, {"deleted": True}, Membership.OUTSIDER),
    ],
)
async def test_membership_depends_on_the_workspace_and_the_organisation(
    harness: MembershipHarness, grid: bool, changes: dict[str, Any], expected: Membership
) -> None:
    harness.slack.workspace.enterprise = GRID if grid else None
    harness.change_user(**changes)
    assert await harness.members.membership(TEAM, "U0BEN") is expected
    assert await harness.members.belongs(TEAM, "U0BEN") is (expected is not Membership.OUTSIDER)
    assert await harness.members.is_full_member(TEAM, "U0BEN") is (expected is Membership.MEMBER)


async def test_empty_and_unknown_ids_do_not_belong(harness: MembershipHarness) -> None:
    for team, person in ((TEAM, ""), ("", "U0BEN"), (TEAM, "U0NOBODY"), ("T0ELSEWHERE", "U0BEN")):
        assert await harness.members.belongs(team, person) is False
        with pytest.raises(NotAMember):
            await harness.members.check(team, person)


async def test_a_payload_that_proves_membership_needs_no_request(harness: MembershipHarness) -> None:
    harness.members.note_home_workspace(TEAM, "U0BEN", TEAM)
    for _ in range(3):
        assert await harness.members.belongs(TEAM, "U0BEN")
    assert (harness.count_calls("users.info"), harness.count_calls("auth.test")) == (0, 1)
    # A payload does not say whether they are a guest.
    assert await harness.members.is_full_member(TEAM, "U0BEN")
    assert harness.count_calls("users.info") == 1


async def test_a_payload_from_another_workspace_overrides_users_info(
    harness: MembershipHarness,
) -> None:
    assert await harness.members.belongs(TEAM, "U0BEN")
    harness.members.note_home_workspace(TEAM, "U0BEN", "T0ELSEWHERE")
    assert not await harness.members.belongs(TEAM, "U0BEN")
    assert not await harness.members.is_full_member(TEAM, "U0BEN")


async def test_a_membership_is_cached_for_five_minutes_or_until_the_user_changes(
    harness: MembershipHarness,
) -> None:
    people = harness.slack.workspace.users
    assert await harness.members.is_full_member(TEAM, "U0BEN")
    people["U0BEN"] = replace(people["U0BEN"], guest=True)
    harness.now += timedelta(minutes=4, seconds=59)
    assert await harness.members.is_full_member(TEAM, "U0BEN")
    harness.now += timedelta(seconds=1)
    assert not await harness.members.is_full_member(TEAM, "U0BEN")
    people["U0BEN"] = replace(people["U0BEN"], guest=False)
    harness.members.forget_person(TEAM, "U0BEN")
    assert await harness.members.is_full_member(TEAM, "U0BEN")
    harness.members.forget(TEAM)
    assert await harness.members.is_full_member(TEAM, "U0BEN")
    assert harness.count_calls("users.info") == 4


@pytest.mark.parametrize("method", ["users.info", "auth.test"])
async def test_in_doubt_a_user_does_not_belong_and_the_doubt_is_not_cached(
    harness: MembershipHarness, method: str
) -> None:
    for words in ("internal_error", "ratelimited", "invalid_auth"):
        harness.slack.fault(method, "error", words=words)
        with pytest.raises(MembershipUnknown):
            await harness.members.belongs(TEAM, "U0BEN")
    assert await harness.members.belongs(TEAM, "U0BEN")


async def test_concurrent_checks_get_the_same_result(harness: MembershipHarness) -> None:
    harness.change_user(home="T0ELSEWHERE")
    checks = [harness.members.belongs(TEAM, person) for person in ("U0ANNA", "U0BEN") * 20]
    assert await asyncio.gather(*checks) == [True, False] * 20


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
def test_a_user_who_shares_neither_workspace_nor_organisation_is_an_outsider(
    user: dict[str, Any], host: Host
) -> None:
    known = parse_user(user, "T0HERE", host)
    same_workspace = host.team == "T0HERE" == user.get("team_id")
    organisation = (user.get("enterprise_user") or {}).get("enterprise_id")
    same_organisation = host.enterprise is not None and organisation == host.enterprise
    if user.get("deleted") or user.get("is_stranger") or not (same_workspace or same_organisation):
        assert known.membership is Membership.OUTSIDER
    if host.team == "T0OTHER":
        assert known.membership is Membership.OUTSIDER
    if user.get("is_restricted") or user.get("is_ultra_restricted"):
        assert known.membership is not Membership.MEMBER
