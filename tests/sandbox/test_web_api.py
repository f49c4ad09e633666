"""The Web API's methods beyond those that Buildbell needs: what they answer and what they refuse."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from copy import deepcopy
from typing import Any

import pytest

from sandbox.slack import SlackSandbox
from tests.foreign.greeter import MANIFEST
from tests.foreign.shelf import field, plain
from tests.sandbox.calls import call

Json = dict[str, Any]


@pytest.fixture
async def slack() -> AsyncIterator[SlackSandbox]:
    now = [1_800_000_000.0]
    opened = await SlackSandbox(deepcopy(MANIFEST), lambda: now[0]).start()
    opened.now = now  # type: ignore[attr-defined]
    yield opened
    await opened.close()


async def error(slack: SlackSandbox, method: str, **arguments: Any) -> str:
    answer = await call(slack, method, **arguments)
    return str(answer.get("error", "none"))


async def test_a_call_that_is_held_is_answered_once_all_is_healed(slack: SlackSandbox) -> None:
    assert (await call(slack, "conversations.join", channel="C0BUILDS"))["ok"]
    slack.fault("chat.postMessage", "held")
    held = asyncio.create_task(call(slack, "chat.postMessage", channel="C0BUILDS", text="late"))
    async with asyncio.timeout(30):
        while not slack.api.faults.holding:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)
    # Nothing has been done yet, and nothing else is held.
    assert (await call(slack, "chat.postMessage", channel="C0BUILDS", text="now"))["ok"]
    assert [post.text for post in slack.posts("builds")][-1:] == ["now"]
    assert not held.done()
    slack.api.faults.clear()
    assert (await held)["ok"]
    assert [post.text for post in slack.posts("builds")][-2:] == ["now", "late"]


async def test_channels_are_listed_entered_and_left(slack: SlackSandbox) -> None:
    listed = await call(slack, "conversations.list", limit=1)
    assert [one["name"] for one in listed["channels"]] == ["builds"]
    assert listed["channels"][0]["num_members"] == 3
    rest = await call(slack, "conversations.list", cursor=listed["response_metadata"]["next_cursor"])
    assert [one["name"] for one in rest["channels"]] == ["random"]
    private = await call(slack, "conversations.list", types="public_channel,private_channel,im")
    assert [one.get("name") for one in private["channels"]] == ["builds", "random", None, None, None]
    assert await error(slack, "conversations.list", types="secret") == "invalid_types"
    assert await error(slack, "conversations.list", types="mpim") == "missing_scope"

    joined = await call(slack, "conversations.join", channel="C0BUILDS")
    assert joined["channel"]["is_member"]
    assert (await call(slack, "conversations.join", channel="C0BUILDS"))["warning"] == "already_in_channel"
    assert await error(slack, "conversations.join", channel="G0RELEASE") == "channel_not_found"
    assert (
        await error(slack, "conversations.join", channel="D0ANNA") == "method_not_supported_for_channel_type"
    )
    slack.workspace.channel("random").archived = True
    assert await error(slack, "conversations.join", channel="C0RANDOM") == "is_archived"
    members = await call(slack, "conversations.members", channel="C0BUILDS")
    assert "U0BUILDBELL" in members["members"]
    assert (await call(slack, "conversations.leave", channel="C0BUILDS"))["ok"]
    assert (await call(slack, "conversations.leave", channel="C0BUILDS"))["not_in_channel"]
    slack.api.scopes -= {"channels:join", "channels:read"}
    assert await error(slack, "conversations.join", channel="C0BUILDS") == "missing_scope"
    assert await error(slack, "conversations.info", channel="C0BUILDS") == "missing_scope"
    assert (await call(slack, "conversations.info", channel="D0ANNA"))["channel"]["user"] == "U0ANNA"


async def test_an_app_makes_a_channel_and_runs_it(slack: SlackSandbox) -> None:
    for name, problem in (
        ("", "invalid_name_required"),
        ("Loud", "invalid_name_specials"),
        ("with space", "invalid_name_specials"),
        ("--", "invalid_name_punctuation"),
        ("x" * 81, "invalid_name_maxlength"),
        ("builds", "name_taken"),
    ):
        assert await error(slack, "conversations.create", name=name) == problem
    made = (await call(slack, "conversations.create", name="incident-1"))["channel"]
    assert (made["creator"], made["is_member"], made["is_private"]) == ("U0BUILDBELL", True, False)
    channel = made["id"]
    assert (await call(slack, "conversations.invite", channel=channel, users="U0ANNA,U0BEN"))["ok"]
    for users, problem in (
        ("", "no_user"),
        ("U0NOBODY", "user_not_found"),
        ("U0ANNA", "already_in_channel"),
        ("U0BUILDBELL", "cant_invite_self"),
    ):
        assert await error(slack, "conversations.invite", channel=channel, users=users) == problem
    assert await error(slack, "conversations.invite", channel="C0BUILDS", users="U0ANNA") == "not_in_channel"
    topic = await call(slack, "conversations.setTopic", channel=channel, topic="Down")
    assert topic["channel"]["topic"]["value"] == "Down"
    assert await error(slack, "conversations.setPurpose", channel=channel, purpose="x" * 251) == "too_long"
    assert (await call(slack, "conversations.kick", channel=channel, user="U0BEN"))["ok"]
    assert (await call(slack, "conversations.rename", channel=channel, name="closed-1"))["channel"][
        "name"
    ] == "closed-1"
    assert (await call(slack, "conversations.archive", channel=channel))["ok"]
    assert await error(slack, "conversations.archive", channel=channel) == "already_archived"
    assert await error(slack, "chat.postMessage", channel=channel, text="x") == "is_archived"
    assert (await call(slack, "conversations.unarchive", channel=channel))["ok"]
    assert slack.workspace.channel("closed-1").members == {"U0BUILDBELL", "U0ANNA"}


async def test_a_message_goes_to_a_channels_name_and_to_a_persons_id(slack: SlackSandbox) -> None:
    slack.people.invite("builds")
    for channel, where in (("#builds", "C0BUILDS"), ("builds", "C0BUILDS"), ("U0ANNA", "D0ANNA")):
        assert (await call(slack, "chat.postMessage", channel=channel, text="x"))["channel"] == where
    for channel in ("#release", "U0NOBODY", "nowhere"):
        assert await error(slack, "chat.postMessage", channel=channel, text="x") == "channel_not_found"
    # By whatever name, it is one channel, and about a message a second.
    posted = [
        await call(slack, "chat.postMessage", channel=one, text="x") for one in ("#builds", "C0BUILDS") * 3
    ]
    assert posted[-1]["status"] == 429
    assert await error(slack, "chat.update", channel="#builds", ts="1.1", text="x") == "channel_not_found"


async def test_scheduled_messages_wait_for_their_time(slack: SlackSandbox) -> None:
    slack.people.invite("builds")
    now = slack.now  # type: ignore[attr-defined]
    given: Json = {"channel": "C0BUILDS", "text": "later"}
    for post_at, problem in (
        ("", "invalid_time"),
        ("soon", "invalid_time"),
        (now[0] - 1, "time_in_past"),
        (now[0] + 121 * 86400, "time_too_far"),
    ):
        assert await error(slack, "chat.scheduleMessage", **given, post_at=str(post_at)) == problem
    first = await call(slack, "chat.scheduleMessage", **given, post_at=int(now[0]) + 600)
    second = await call(slack, "chat.scheduleMessage", **given, post_at=int(now[0]) + 30)
    listed = (await call(slack, "chat.scheduledMessages.list"))["scheduled_messages"]
    assert [one["id"] for one in listed] == [first["scheduled_message_id"], second["scheduled_message_id"]]
    gone: Json = {"channel": "C0BUILDS", "scheduled_message_id": first["scheduled_message_id"]}
    assert (await call(slack, "chat.deleteScheduledMessage", **gone))["ok"]
    assert await error(slack, "chat.deleteScheduledMessage", **gone) == "invalid_scheduled_message_id"
    soon = gone | {"scheduled_message_id": second["scheduled_message_id"]}
    assert await error(slack, "chat.deleteScheduledMessage", **soon) == "invalid_scheduled_message_id"
    assert slack.posts("builds") == []
    now[0] += 31
    post = await slack.wait_for_post("builds", "later")
    assert float(post.ts) >= 1_800_000_031
    assert slack.workspace.scheduled == {}


async def test_reactions_and_pins_are_kept_with_the_message(slack: SlackSandbox) -> None:
    slack.people.invite("builds")
    post = slack.people.say("anna", "builds", "look")
    item: Json = {"channel": "C0BUILDS", "timestamp": post.ts}
    assert (await call(slack, "reactions.add", name="eyes", **item))["ok"]
    assert await error(slack, "reactions.add", name="eyes", **item) == "already_reacted"
    assert await error(slack, "reactions.add", name="Not An Emoji", **item) == "invalid_name"
    assert await error(slack, "reactions.add", name="eyes", channel="C0BUILDS") == "no_item_specified"
    assert (
        await error(slack, "reactions.add", name="eyes", channel="C0BUILDS", timestamp="x") == "bad_timestamp"
    )
    assert (
        await error(slack, "reactions.add", name="eyes", channel="C0BUILDS", timestamp="1.1")
        == "message_not_found"
    )
    slack.people.react("ben", post, "eyes")
    found = await call(slack, "reactions.get", **item)
    assert found["message"]["reactions"] == [{"name": "eyes", "users": ["U0BUILDBELL", "U0BEN"], "count": 2}]
    link = await call(slack, "chat.getPermalink", channel="C0BUILDS", message_ts=post.ts)
    assert found["message"]["permalink"] == link["permalink"]
    assert link["permalink"].endswith(f"/archives/C0BUILDS/p{post.ts.replace('.', '')}")
    assert len((await call(slack, "reactions.list"))["items"]) == 1
    assert (await call(slack, "reactions.remove", name="eyes", **item))["ok"]
    assert await error(slack, "reactions.remove", name="eyes", **item) == "no_reaction"
    assert (await call(slack, "pins.add", **item))["ok"]
    assert await error(slack, "pins.add", **item) == "already_pinned"
    [pin] = (await call(slack, "pins.list", channel="C0BUILDS"))["items"]
    assert (pin["created_by"], pin["message"]["ts"]) == ("U0BUILDBELL", post.ts)
    assert (await call(slack, "pins.remove", **item))["ok"]
    assert await error(slack, "pins.remove", **item) == "no_pin"


async def test_threads_say_how_many_have_replied_and_history_keeps_to_its_times(slack: SlackSandbox) -> None:
    slack.people.invite("builds")
    head = slack.people.say("anna", "builds", "a question")
    reply = slack.people.say("ben", "builds", "an answer", thread=head.ts)
    read = await call(slack, "conversations.replies", channel="C0BUILDS", ts=head.ts)
    assert [one.get("reply_count") for one in read["messages"]] == [1, None]
    assert read["messages"][1]["parent_user_id"] == "U0ANNA"
    between: Json = {"channel": "C0BUILDS", "oldest": head.ts, "latest": reply.ts}
    assert (await call(slack, "conversations.history", **between))["messages"] == []
    inclusive = await call(slack, "conversations.history", **between, inclusive="true")
    assert [one["ts"] for one in inclusive["messages"]] == [head.ts]


async def test_people_the_bot_and_the_workspace_are_described(slack: SlackSandbox) -> None:
    people = await call(slack, "users.list")
    assert [one["name"] for one in people["members"]] == ["anna", "ben", "carla", "greeter"]
    assert people["members"][-1]["is_bot"]
    assert (await call(slack, "users.lookupByEmail", email="ben@example.com"))["user"]["id"] == "U0BEN"
    assert await error(slack, "users.lookupByEmail", email="nobody@example.com") == "users_not_found"
    assert (await call(slack, "bots.info", bot="B0BUILDBELL"))["bot"]["user_id"] == "U0BUILDBELL"
    assert await error(slack, "bots.info", bot="B1") == "bot_not_found"
    assert (await call(slack, "team.info"))["team"]["domain"] == "sandbox"
    assert (await call(slack, "emoji.list"))["emoji"] == {}
    assert (await call(slack, "api.test", token="", foo="bar"))["args"] == {"foo": "bar"}
    assert await error(slack, "api.test", token="", error="my_error") == "my_error"
    open_ = await call(slack, "conversations.open", users="U0BEN", return_im="true")
    assert open_["channel"]["user"] == "U0BEN"
    for users, problem in (("", "users_list_not_supplied"), ("U1", "user_not_found")):
        assert await error(slack, "conversations.open", users=users) == problem
    assert slack.violations
    assert not [one for one in slack.violations if "users.lookupByEmail" in one]


async def test_pictures_that_slack_could_not_fetch_fail_the_message(slack: SlackSandbox) -> None:
    slack.people.invite("builds")
    for number, (url, problem) in enumerate(
        (
            ("http://127.0.0.1/x.png", "invalid_blocks"),
            ("http://10.0.0.1/x.png", "invalid_blocks"),
            ("https://build.internal/x.png", "invalid_blocks"),
            ("ftp://pictures.example.com/x.png", "invalid_blocks"),
            ("https://pictures.example.com/x.png", "none"),
        )
    ):
        blocks = json.dumps([{"type": "image", "image_url": url, "alt_text": f"picture {number}"}])
        assert await error(slack, "chat.postMessage", channel="U0ANNA", text="x", blocks=blocks) == problem


async def test_inputs_in_a_message_come_with_what_is_pressed_next(slack: SlackSandbox) -> None:
    slack.people.invite("builds")
    blocks = [
        field("why", "Why", {"type": "plain_text_input"}),
        {"type": "actions", "elements": [{"type": "button", "action_id": "go", "text": plain("Go")}]},
    ]
    answer = await call(slack, "chat.postMessage", channel="C0BUILDS", text="x", blocks=json.dumps(blocks))
    post = slack.workspace.channel("builds").find(answer["ts"])
    assert post is not None
    await slack.people.click("anna", post, "why", "Because")
    assert not [one for one in slack.journal.entries if one.what == "block_actions"]
    await slack.people.click("anna", post, "Go")
    [sent] = [one.request for one in slack.journal.entries if one.what == "block_actions"]
    assert sent["state"]["values"] == {"why": {"why": {"type": "plain_text_input", "value": "Because"}}}


async def test_a_modal_says_where_the_app_may_answer(slack: SlackSandbox) -> None:
    select = {"type": "conversations_select", "response_url_enabled": True}
    view = {
        "type": "modal",
        "title": plain("Where?"),
        "submit": plain("Send"),
        "blocks": [field("where", "Where", select)],
    }
    opened = (
        await call(slack, "views.open", trigger_id=slack.handles.new_trigger("U0ANNA"), view=json.dumps(view))
    )["view"]
    assert (opened["app_installed_team_id"], opened["close"], opened["clear_on_close"]) == (
        "T0SANDBOX",
        None,
        False,
    )
    await slack.people.submit("anna", {"where": "C0BUILDS"})
    [sent] = [one.request for one in slack.journal.entries if one.what == "view_submission"]
    [address] = sent["response_urls"]
    assert (address["block_id"], address["action_id"], address["channel_id"]) == (
        "where",
        "where",
        "C0BUILDS",
    )
    assert address["response_url"].startswith(f"{slack.url}/response/")
