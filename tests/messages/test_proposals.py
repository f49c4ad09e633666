"""Whom a request for a second person's agreement notifies."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bot import messages
from bot.policy import EVERYONE, Who
from tests.builds import NOON

RELEASE = Who(people=("U0ANNA", "U_BEN"), groups=("S_RELEASE.2",))


@pytest.mark.parametrize(
    ("notified", "mentioned"),
    [
        ([RELEASE], "<@U_BEN> <!subteam^S_RELEASE.2>"),
        ([RELEASE, EVERYONE], "<@U_BEN> <!subteam^S_RELEASE.2>"),
        # In both: those who are named in both, or may be in one of them by a group.
        ([RELEASE, Who(people=("U0CARLA",))], "<@U0CARLA> <!subteam^S_RELEASE.2>"),
        ([Who(people=("U0CARLA",)), Who(people=("U0CARLA", "U_BEN"))], "<@U0CARLA>"),
        ([Who(people=("U0ANNA",))], ""),
        ([EVERYONE], ""),
        ([], ""),
    ],
)
def test_those_who_may_agree_are_mentioned_but_not_whoever_asks(
    notified: Sequence[Who], mentioned: str
) -> None:
    said = messages.proposal(
        "deploy shop",
        by="U0ANNA",
        who=["the release team"],
        until=NOON,
        value=messages.ProposalButton(id="0" * 32, seal="0" * 32),
        details="branch: main",
        notified=notified,
    )
    text = "<@U0ANNA> wants to deploy shop. Somebody else must agree."
    assert said.text == f"{text} {mentioned}".strip()
    head = said.blocks[0]["text"]["text"]
    assert head == f"✋ {text}" + (f"\n{mentioned}, please decide." if mentioned else "")
