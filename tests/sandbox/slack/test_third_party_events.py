"""A Bolt app that listens, in the sandbox: which events it hears, and which it does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from copy import deepcopy
from typing import Any

import pytest

from sandbox.slack.server import SlackSimulator
from tests.third_party_apps.bolt_runner import bolt_app, run_bolt_app
from tests.third_party_apps.greeter import MANIFEST, greeter

Json = dict[str, Any]


class Greeter:
    """`heard` has every event, in order."""

    def __init__(self, slack: SlackSimulator) -> None:
        self.slack = slack
        self.heard: list[Json] = []
        self._news = asyncio.Event()

    def hear(self, event: Json) -> None:
        self.heard.append(event)
        self._news.set()

    async def hears(self, kind: str, **more: Any) -> Json:
        """The event of this type, or subtype, that has these fields, once it has come."""
        async with asyncio.timeout(30):
            while True:
                self._news.clear()
                for event in self.heard:
                    if kind in (event["type"], event.get("subtype")) and more.items() <= event.items():
                        return event
                await self._news.wait()


@pytest.fixture(params=["socket", "http"])
async def kept(request: pytest.FixtureRequest) -> AsyncIterator[Greeter]:
    slack = await SlackSimulator(deepcopy(MANIFEST)).start()
    made = Greeter(slack)
    async with bolt_app(slack) as app:
        greeter(app, made.hear)
        async with run_bolt_app(app, slack, request.param):
            yield made
    await slack.close()
    assert slack.violations == []


async def test_messages_are_heard_where_the_app_is_and_when_they_change_and_go(kept: Greeter) -> None:
    slack, people = kept.slack, kept.slack.people
    people.say("ben", "builds", "hello from outside")
    people.invite("builds")
    joined = await kept.hears("member_joined_channel", user="U0BUILDBELL")
    assert (joined["channel"], joined["channel_type"], joined["team"]) == ("C0BUILDS", "C", "T0SANDBOX")
    post = people.say("ben", "builds", "hello")
    await slack.wait_for_post("builds", "hello, @ben")
    assert [one["text"] for one in kept.heard if "text" in one] == ["hello"]
    message = await kept.hears("message", text="hello")
    assert (message["channel_type"], message["team"], message["client_msg_id"]) == (
        "channel",
        "T0SANDBOX",
        post.ts,
    )
    people.edit("ben", post, "hello & bye")
    await slack.wait_for_post("builds", "Changed to: hello & bye")
    changed = await kept.hears("message_changed")
    assert changed["previous_message"]["text"] == "hello"
    assert changed["message"]["edited"]["user"] == "U0BEN"
    people.delete("ben", post)
    await slack.wait_for_post("builds", "Deleted: hello & bye")
    assert (await kept.hears("message_deleted"))["deleted_ts"] == post.ts
    people.say("anna", "D0ANNA", "hi")
    await slack.wait_for_post("D0ANNA", "hi, @anna", viewer="anna")
    assert (await kept.hears("message", text="hi"))["channel_type"] == "im"
    people.invite("release")
    people.say("carla", "release", "hello privately")
    await slack.wait_for_post("release", "hello, @carla")


async def test_reactions_pins_and_members_are_heard(kept: Greeter) -> None:
    slack, people = kept.slack, kept.slack.people
    people.invite("builds")
    post = people.say("ben", "builds", "look at this, @greeter")
    # Bolt keeps an app's own doings from it; Slack sends them all the same.
    await slack.workspace.wait_for(lambda: post.reactions.get("wave"), 30, "the app's reaction")
    people.react("anna", post, ":pushpin:")
    await slack.workspace.wait_for(lambda: post.pinned, 30, "the pin")
    reaction = await kept.hears("reaction_added", user="U0ANNA", reaction="pushpin")
    assert reaction["item"] == {"type": "message", "channel": "C0BUILDS", "ts": post.ts}
    assert reaction["item_user"] == "U0BEN"
    for event, times in (("reaction_added", 2), ("pin_added", 1)):
        await slack.workspace.wait_for(lambda: _sent(slack, event) == times or None, 30, event)  # noqa: B023
    people.react("anna", post, "pushpin")
    await kept.hears("reaction_removed", user="U0ANNA", reaction="pushpin")
    assert [one["name"] for one in post.as_slack_sends_it()["reactions"]] == ["wave"]
    people.leave_channel("ben", "builds")
    assert (await kept.hears("member_left_channel"))["user"] == "U0BEN"
    people.join("ben", "builds")
    await slack.wait_for_post("builds", "Welcome, @ben")


async def test_without_the_scope_slack_sends_no_event(kept: Greeter) -> None:
    slack, people = kept.slack, kept.slack.people
    slack.api.scopes -= {"channels:history"}
    people.invite("builds")
    people.say("ben", "builds", "hello")
    people.say("anna", "D0ANNA", "hi")
    await slack.wait_for_post("D0ANNA", "hi, @anna", viewer="anna")
    assert not [one for one in kept.heard if one.get("text") == "hello"]


def _sent(slack: SlackSimulator, event: str) -> int:
    """How many times Slack has sent this."""
    return sum(one.what == event and one.seconds is not None for one in slack.journal.entries)
