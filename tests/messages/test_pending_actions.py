"""Tests for the users and groups that an approval request mentions."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from domain.access_policy import EVERYONE, Principals
from messages.kit.button_values import ProposalButton
from messages.pending_actions import approval_request
from tests.support.factories import NOON

RELEASE = Principals(people=("U0ANNA", "U_BEN"), groups=("S_RELEASE.2",))


@pytest.mark.parametrize(
    ("notified", "mentioned"),
    [
        ([RELEASE], "<@U_BEN> <!subteam^S_RELEASE.2>"),
        ([RELEASE, EVERYONE], "<@U_BEN> <!subteam^S_RELEASE.2>"),
        # Both must allow: users named in both, or possibly a member of a group in one of them.
        ([RELEASE, Principals(people=("U0CARLA",))], "<@U0CARLA> <!subteam^S_RELEASE.2>"),
        ([Principals(people=("U0CARLA",)), Principals(people=("U0CARLA", "U_BEN"))], "<@U0CARLA>"),
        ([Principals(people=("U0ANNA",))], ""),
        ([EVERYONE], ""),
        ([], ""),
    ],
)
def test_a_request_mentions_the_approvers_but_not_the_requester(
    notified: Sequence[Principals], mentioned: str
) -> None:
    message = approval_request(
        "deploy shop",
        by="U0ANNA",
        who=["the release team"],
        until=NOON,
        value=ProposalButton(id="0" * 32, seal="0" * 32),
        details="branch: main",
        notified=notified,
    )
    text = "<@U0ANNA> requests approval to deploy shop."
    assert message.text == f"{text} {mentioned}".strip()
    head = message.blocks[0]["text"]["text"]
    assert head == f"✋ {text}" + (f"\n{mentioned}, do you approve?" if mentioned else "")
