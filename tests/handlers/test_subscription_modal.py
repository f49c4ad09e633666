"""The modal that edits a subscription, between the terms that it shows and those that it gives back."""

from __future__ import annotations

import pytest

from bot import messages
from bot.commands import Subscribe, parse
from bot.terms import Terms
from handlers.subscription_modal import asked_in
from sandbox.slack.fields import state_of
from tests.builds import ANDROID


@pytest.mark.parametrize(
    "words",
    [
        "",
        "status:failed,fixed branch:main,release/* -branch:dependabot/*",
        "status:started workflow:deploy -workflow:nightly*",
        "by:<@U0ANNA> -by:bot target:main event:pull-request pr:12",
        "style:weekly at:17:30 on:fri zone:Europe/Berlin",
        "style:daily at:9:00 zone:Asia/Tokyo quiet:22:00-7:00",
        "quiet:22:00-7:00 zone:America/New_York on-hold:15m running:2h",
        "style:card branch:main",
        "style:thread broadcast:yes tag:v* -aborted:no-changes,rolling-builds",
        "style:live",
    ],
)
def test_saving_without_a_change_changes_nothing(words: str) -> None:
    ask = parse(f"subscribe {words}", surface="slash")
    assert isinstance(ask, Subscribe)
    view = messages.subscription_modal(ANDROID, ask.terms, private_metadata="{}")
    values = state_of(view["blocks"], {}, submitting=True)
    assert asked_in(values, ask.terms).terms == ask.terms


def test_what_the_modal_does_not_show_stays_as_it_was() -> None:
    before = Terms(once=True, zone="Asia/Tokyo")
    before = before.model_copy(
        update={"filter": before.filter.model_copy(update={"builds": frozenset({"b1"})})}
    )
    view = messages.subscription_modal(ANDROID, before, private_metadata="{}")
    values = state_of(view["blocks"], {}, submitting=True)
    assert asked_in(values, before).terms == before
