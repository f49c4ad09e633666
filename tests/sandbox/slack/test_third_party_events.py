"""A third-party Bolt app with event listeners: which events it receives and which not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from copy import deepcopy
from typing import Any

import pytest

from sandbox.slack.server import SlackSimulator
from tests.third_party_apps.bolt_runner import bolt_app, run_bolt_app
from tests.third_party_apps.greeter import MANIFEST, greeter_app

Json = dict[str, Any]


class Greeter:
    """`heard` has all events in order."""

    def __init__(self, slack: SlackSimulator) -> None:
        self.slack = slack
        self.heard: list[Json] = []
        self._news = asyncio.Event()

    def hear(self, event: Json) -> None:
        self.heard.append(event)
        self._news.set()

    async def wait_for(self, kind: str, **more: Any) -> Json:
        """Wait for an event of this type or subtype with these fields, and return it."""
        async with asyncio.timeout(30):
            while True:
                self._news.clear()
                for event in self.heard:
                    if kind in (event["type"], event.get("subtype")) and more.items() <= event.items():
                        return event
                await self._news.wait()


@pytest.fixture(params=["socket", "http"])
async def greeter(request: pytest.FixtureRequest) -> AsyncIterator[Greeter]:
    slack = await SlackSimulator(deepcopy(MANIFEST)).start()
    greeter = Greeter(slack)
    async with bolt_app(slack) as app:
        greeter_app(app, greeter.hear)
        async with run_bolt_app(app, slack, request.param):
            yield greeter
    await slack.close()
    assert slack.violations == []


async def test_message_events_are_sent_for_channels_of_the_app_including_edits_and_deletions(
    greeter: Greeter,
) -> None:
    slack, users = greeter.slack, greeter.slack.users
    users.say("ben", "builds", "hello from outside")
    users.invite("builds")
    joined = await greeter.wait_for("member_joined_channel", user="U0BUILDBELL")
    assert (joined["channel"], joined["channel_type"], joined["team"]) == ("C0BUILDS", "C", "T0SANDBOX")
    post = users.say("ben", "builds", "hello")
    await slack.wait_for_post("builds", "hello, @ben")
    assert [item["text"] for item in greeter.heard if "text" in item] == ["hello"]
    message = await greeter.wait_for("message", text="hello")
    assert (message["channel_type"], message["team"], message["client_msg_id"]) == (
        "channel",
        "T0SANDBOX",
        post.ts,
    )
    users.edit("ben", post, "hello & bye")
    await slack.wait_for_post("builds", "Changed to: hello & bye")
    changed = await greeter.wait_for("message_changed")
    assert changed["previous_message"]["text"] == "hello"
    assert changed["message"]["edited"]["user"] == "U0BEN"
    users.delete("ben", post)
    await slack.wait_for_post("builds", "Deleted: hello & bye")
    assert (await greeter.wait_for("message_deleted"))["deleted_ts"] == post.ts
    users.say("anna", "D0ANNA", "hi")
    await slack.wait_for_post("D0ANNA", "hi, @anna", viewer="anna")
    assert (await greeter.wait_for("message", text="hi"))["channel_type"] == "im"
    users.invite("release")
    users.say("carla", "release", "hello privately")
    await slack.wait_for_post("release", "hello, @carla")


async def test_reaction_pin_and_member_events_are_sent(greeter: Greeter) -> None:
    slack, users = greeter.slack, greeter.slack.users
    users.invite("builds")
    post = users.say("ben", "builds", "look at this, @greeter")
    # Bolt filters the app's own events, but Slack sends them.
    await slack.workspace.wait_for(lambda: post.reactions.get("wave"), 30, "the app's reaction")
    users.react("anna", post, ":pushpin:")
    await slack.workspace.wait_for(lambda: post.pinned, 30, "the pin")
    reaction = await greeter.wait_for("reaction_added", user="U0ANNA", reaction="pushpin")
    assert reaction["item"] == {"type": "message", "channel": "C0BUILDS", "ts": post.ts}
    assert reaction["item_user"] == "U0BEN"
    for event, times in (("reaction_added", 2), ("pin_added", 1)):
        await slack.workspace.wait_for(lambda: _count_sent(slack, event) == times or None, 30, event)  # noqa: B023
    users.react("anna", post, "pushpin")
    await greeter.wait_for("reaction_removed", user="U0ANNA", reaction="pushpin")
    assert [reaction["name"] for reaction in post.to_json()["reactions"]] == ["wave"]
    users.leave_channel("ben", "builds")
    assert (await greeter.wait_for("member_left_channel"))["user"] == "U0BEN"
    users.join("ben", "builds")
    await slack.wait_for_post("builds", "Welcome, @ben")


async def test_no_event_is_sent_without_its_scope(greeter: Greeter) -> None:
    slack, users = greeter.slack, greeter.slack.users
    slack.api.scopes -= {"channels:history"}
    users.invite("builds")
    users.say("ben", "builds", "hello")
    users.say("anna", "D0ANNA", "hi")
    await slack.wait_for_post("D0ANNA", "hi, @anna", viewer="anna")
    assert not [item for item in greeter.heard if item.get("text") == "hello"]


def _count_sent(slack: SlackSimulator, event: str) -> int:
    """Return how many times Slack sent this event."""
    return sum(entry.title == event and entry.seconds is not None for entry in slack.request_log.entries)
