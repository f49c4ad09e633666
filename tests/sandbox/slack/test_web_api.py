"""Web API methods that Buildbell does not use: their responses and errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from copy import deepcopy
from typing import Any

import pytest

from sandbox.slack.server import SlackSimulator
from tests.sandbox.slack.web_api_call import call_web_api
from tests.third_party_apps.block_gallery import field, plain
from tests.third_party_apps.greeter import MANIFEST

Json = dict[str, Any]


@pytest.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    now = [1_800_000_000.0]
    opened = await SlackSimulator(deepcopy(MANIFEST), lambda: now[0]).start()
    opened.now = now  # type: ignore[attr-defined]
    yield opened
    await opened.close()


async def error(slack: SlackSimulator, method: str, **arguments: Any) -> str:
    response = await call_web_api(slack, method, **arguments)
    return str(response.get("error", "none"))


async def test_a_held_call_is_answered_when_faults_are_cleared(slack: SlackSimulator) -> None:
    assert (await call_web_api(slack, "conversations.join", channel="C0BUILDS"))["ok"]
    slack.fault("chat.postMessage", "held")
    held = asyncio.create_task(call_web_api(slack, "chat.postMessage", channel="C0BUILDS", text="late"))
    async with asyncio.timeout(30):
        while not slack.api.faults.held:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)
    # Nothing was processed yet, and nothing else is held.
    assert (await call_web_api(slack, "chat.postMessage", channel="C0BUILDS", text="now"))["ok"]
    assert [post.text for post in slack.posts("builds")][-1:] == ["now"]
    assert not held.done()
    slack.api.faults.clear()
    assert (await held)["ok"]
    assert [post.text for post in slack.posts("builds")][-2:] == ["now", "late"]


async def test_channels_are_listed_joined_and_left(slack: SlackSimulator) -> None:
    listed = await call_web_api(slack, "conversations.list", limit=1)
    assert [channel["name"] for channel in listed["channels"]] == ["builds"]
    assert listed["channels"][0]["num_members"] == 3
    rest = await call_web_api(slack, "conversations.list", cursor=listed["response_metadata"]["next_cursor"])
    assert [channel["name"] for channel in rest["channels"]] == ["random"]
    private = await call_web_api(slack, "conversations.list", types="public_channel,private_channel,im")
    assert [channel.get("name") for channel in private["channels"]] == ["builds", "random", None, None, None]
    assert await error(slack, "conversations.list", types="secret") == "invalid_types"
    assert await error(slack, "conversations.list", types="mpim") == "missing_scope"

    joined = await call_web_api(slack, "conversations.join", channel="C0BUILDS")
    assert joined["channel"]["is_member"]
    assert (await call_web_api(slack, "conversations.join", channel="C0BUILDS"))[
        "warning"
    ] == "already_in_channel"
    assert await error(slack, "conversations.join", channel="G0RELEASE") == "channel_not_found"
    assert (
        await error(slack, "conversations.join", channel="D0ANNA") == "method_not_supported_for_channel_type"
    )
    slack.workspace.find_channel("random").archived = True
    assert await error(slack, "conversations.join", channel="C0RANDOM") == "is_archived"
    members = await call_web_api(slack, "conversations.members", channel="C0BUILDS")
    assert "U0BUILDBELL" in members["members"]
    assert (await call_web_api(slack, "conversations.leave", channel="C0BUILDS"))["ok"]
    assert (await call_web_api(slack, "conversations.leave", channel="C0BUILDS"))["not_in_channel"]
    slack.api.scopes -= {"channels:join", "channels:read"}
    assert await error(slack, "conversations.join", channel="C0BUILDS") == "missing_scope"
    assert await error(slack, "conversations.info", channel="C0BUILDS") == "missing_scope"
    assert (await call_web_api(slack, "conversations.info", channel="D0ANNA"))["channel"]["user"] == "U0ANNA"


async def test_an_app_creates_and_manages_a_channel(slack: SlackSimulator) -> None:
    for name, problem in (
        ("", "invalid_name_required"),
        ("Loud", "invalid_name_specials"),
        ("with space", "invalid_name_specials"),
        ("--", "invalid_name_punctuation"),
        ("x" * 81, "invalid_name_maxlength"),
        ("builds", "name_taken"),
    ):
        assert await error(slack, "conversations.create", name=name) == problem
    made = (await call_web_api(slack, "conversations.create", name="incident-1"))["channel"]
    assert (made["creator"], made["is_member"], made["is_private"]) == ("U0BUILDBELL", True, False)
    channel = made["id"]
    assert (await call_web_api(slack, "conversations.invite", channel=channel, users="U0ANNA,U0BEN"))["ok"]
    for users, problem in (
        ("", "no_user"),
        ("U0NOBODY", "user_not_found"),
        ("U0ANNA", "already_in_channel"),
        ("U0BUILDBELL", "cant_invite_self"),
    ):
        assert await error(slack, "conversations.invite", channel=channel, users=users) == problem
    assert await error(slack, "conversations.invite", channel="C0BUILDS", users="U0ANNA") == "not_in_channel"
    topic = await call_web_api(slack, "conversations.setTopic", channel=channel, topic="Down")
    assert topic["channel"]["topic"]["value"] == "Down"
    assert await error(slack, "conversations.setPurpose", channel=channel, purpose="x" * 251) == "too_long"
    assert (await call_web_api(slack, "conversations.kick", channel=channel, user="U0BEN"))["ok"]
    assert (await call_web_api(slack, "conversations.rename", channel=channel, name="closed-1"))["channel"][
        "name"
    ] == "closed-1"
    assert (await call_web_api(slack, "conversations.archive", channel=channel))["ok"]
    assert await error(slack, "conversations.archive", channel=channel) == "already_archived"
    assert await error(slack, "chat.postMessage", channel=channel, text="x") == "is_archived"
    assert (await call_web_api(slack, "conversations.unarchive", channel=channel))["ok"]
    assert slack.workspace.find_channel("closed-1").members == {"U0BUILDBELL", "U0ANNA"}


async def test_a_message_can_be_sent_to_a_channel_name_or_a_user_id(slack: SlackSimulator) -> None:
    slack.users.invite("builds")
    for channel, where in (("#builds", "C0BUILDS"), ("builds", "C0BUILDS"), ("U0ANNA", "D0ANNA")):
        assert (await call_web_api(slack, "chat.postMessage", channel=channel, text="x"))["channel"] == where
    for channel in ("#release", "U0NOBODY", "nowhere"):
        assert await error(slack, "chat.postMessage", channel=channel, text="x") == "channel_not_found"
    # A channel has one limit of about a message per second, whatever name it is addressed by.
    posted = [
        await call_web_api(slack, "chat.postMessage", channel=item, text="x")
        for item in ("#builds", "C0BUILDS") * 3
    ]
    assert posted[-1]["status"] == 429
    assert await error(slack, "chat.update", channel="#builds", ts="1.1", text="x") == "channel_not_found"


async def test_scheduled_messages_are_posted_at_their_time(slack: SlackSimulator) -> None:
    slack.users.invite("builds")
    now = slack.now  # type: ignore[attr-defined]
    given: Json = {"channel": "C0BUILDS", "text": "later"}
    for post_at, problem in (
        ("", "invalid_time"),
        ("soon", "invalid_time"),
        (now[0] - 1, "time_in_past"),
        (now[0] + 121 * 86400, "time_too_far"),
    ):
        assert await error(slack, "chat.scheduleMessage", **given, post_at=str(post_at)) == problem
    first = await call_web_api(slack, "chat.scheduleMessage", **given, post_at=int(now[0]) + 600)
    second = await call_web_api(slack, "chat.scheduleMessage", **given, post_at=int(now[0]) + 30)
    listed = (await call_web_api(slack, "chat.scheduledMessages.list"))["scheduled_messages"]
    assert [item["id"] for item in listed] == [first["scheduled_message_id"], second["scheduled_message_id"]]
    gone: Json = {"channel": "C0BUILDS", "scheduled_message_id": first["scheduled_message_id"]}
    assert (await call_web_api(slack, "chat.deleteScheduledMessage", **gone))["ok"]
    assert await error(slack, "chat.deleteScheduledMessage", **gone) == "invalid_scheduled_message_id"
    soon = gone | {"scheduled_message_id": second["scheduled_message_id"]}
    assert await error(slack, "chat.deleteScheduledMessage", **soon) == "invalid_scheduled_message_id"
    assert slack.posts("builds") == []
    now[0] += 31
    post = await slack.wait_for_post("builds", "later")
    assert float(post.ts) >= 1_800_000_031
    assert slack.workspace.scheduled == {}


async def test_reactions_and_pins_are_stored_with_the_message(slack: SlackSimulator) -> None:
    slack.users.invite("builds")
    post = slack.users.say("anna", "builds", "look")
    item: Json = {"channel": "C0BUILDS", "timestamp": post.ts}
    assert (await call_web_api(slack, "reactions.add", name="eyes", **item))["ok"]
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
    slack.users.react("ben", post, "eyes")
    found = await call_web_api(slack, "reactions.get", **item)
    assert found["message"]["reactions"] == [{"name": "eyes", "users": ["U0BUILDBELL", "U0BEN"], "count": 2}]
    link = await call_web_api(slack, "chat.getPermalink", channel="C0BUILDS", message_ts=post.ts)
    assert found["message"]["permalink"] == link["permalink"]
    assert link["permalink"].endswith(f"/archives/C0BUILDS/p{post.ts.replace('.', '')}")
    assert len((await call_web_api(slack, "reactions.list"))["items"]) == 1
    assert (await call_web_api(slack, "reactions.remove", name="eyes", **item))["ok"]
    assert await error(slack, "reactions.remove", name="eyes", **item) == "no_reaction"
    assert (await call_web_api(slack, "pins.add", **item))["ok"]
    assert await error(slack, "pins.add", **item) == "already_pinned"
    [pin] = (await call_web_api(slack, "pins.list", channel="C0BUILDS"))["items"]
    assert (pin["created_by"], pin["message"]["ts"]) == ("U0BUILDBELL", post.ts)
    assert (await call_web_api(slack, "pins.remove", **item))["ok"]
    assert await error(slack, "pins.remove", **item) == "no_pin"


async def test_threads_count_replies_and_history_respects_its_time_range(
    slack: SlackSimulator,
) -> None:
    slack.users.invite("builds")
    head = slack.users.say("anna", "builds", "a question")
    reply = slack.users.say("ben", "builds", "an answer", thread=head.ts)
    read = await call_web_api(slack, "conversations.replies", channel="C0BUILDS", ts=head.ts)
    assert [message.get("reply_count") for message in read["messages"]] == [1, None]
    assert read["messages"][1]["parent_user_id"] == "U0ANNA"
    between: Json = {"channel": "C0BUILDS", "oldest": head.ts, "latest": reply.ts}
    assert (await call_web_api(slack, "conversations.history", **between))["messages"] == []
    inclusive = await call_web_api(slack, "conversations.history", **between, inclusive="true")
    assert [message["ts"] for message in inclusive["messages"]] == [head.ts]


async def test_users_the_bot_and_the_workspace_are_described(slack: SlackSimulator) -> None:
    people = await call_web_api(slack, "users.list")
    assert [member["name"] for member in people["members"]] == ["anna", "ben", "carla", "greeter"]
    assert people["members"][-1]["is_bot"]
    assert (await call_web_api(slack, "users.lookupByEmail", email="ben@example.com"))["user"][
        "id"
    ] == "U0BEN"
    assert await error(slack, "users.lookupByEmail", email="nobody@example.com") == "users_not_found"
    assert (await call_web_api(slack, "bots.info", bot="B0BUILDBELL"))["bot"]["user_id"] == "U0BUILDBELL"
    assert await error(slack, "bots.info", bot="B1") == "bot_not_found"
    assert (await call_web_api(slack, "team.info"))["team"]["domain"] == "sandbox"
    assert (await call_web_api(slack, "emoji.list"))["emoji"] == {}
    assert (await call_web_api(slack, "api.test", token="", foo="bar"))["args"] == {"foo": "bar"}
    assert await error(slack, "api.test", token="", error="my_error") == "my_error"
    open_ = await call_web_api(slack, "conversations.open", users="U0BEN", return_im="true")
    assert open_["channel"]["user"] == "U0BEN"
    for users, problem in (("", "users_list_not_supplied"), ("U1", "user_not_found")):
        assert await error(slack, "conversations.open", users=users) == problem
    assert slack.violations
    assert not [violation for violation in slack.violations if "users.lookupByEmail" in violation]


async def test_an_unreachable_image_url_fails_the_message(slack: SlackSimulator) -> None:
    slack.users.invite("builds")
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


async def test_inputs_in_a_message_are_sent_with_the_next_action(slack: SlackSimulator) -> None:
    slack.users.invite("builds")
    blocks = [
        field("why", "Why", {"type": "plain_text_input"}),
        {"type": "actions", "elements": [{"type": "button", "action_id": "go", "text": plain("Go")}]},
    ]
    response = await call_web_api(
        slack, "chat.postMessage", channel="C0BUILDS", text="x", blocks=json.dumps(blocks)
    )
    post = slack.workspace.find_channel("builds").find(response["ts"])
    assert post is not None
    await slack.users.click("anna", post, "why", "Because")
    assert not [entry for entry in slack.request_log.entries if entry.title == "block_actions"]
    await slack.users.click("anna", post, "Go")
    [sent] = [entry.request for entry in slack.request_log.entries if entry.title == "block_actions"]
    assert sent["state"]["values"] == {"why": {"why": {"type": "plain_text_input", "value": "Because"}}}


async def test_an_input_with_dispatch_action_is_sent_at_once_unless_it_takes_files(
    slack: SlackSimulator,
) -> None:
    slack.users.invite("builds")

    async def post(element: Json) -> Json:
        blocks = json.dumps([field("why", "Why", element) | {"dispatch_action": True}])
        return await call_web_api(slack, "chat.postMessage", channel="C0BUILDS", text="x", blocks=blocks)

    config = {"trigger_actions_on": ["on_character_entered"]}
    response = await post({"type": "plain_text_input", "dispatch_action_config": config})
    message = slack.workspace.find_channel("builds").find(response["ts"])
    assert message is not None
    await slack.users.click("anna", message, "why", "Because")
    [sent] = [entry.request for entry in slack.request_log.entries if entry.title == "block_actions"]
    assert sent["actions"][0]["value"] == "Because"
    for wrong in (
        {"type": "file_input"},
        {"type": "plain_text_input", "dispatch_action_config": {"trigger_actions_on": ["on_focus"]}},
    ):
        assert (await post(wrong))["error"] == "invalid_blocks"


async def test_a_modal_submission_has_response_urls(slack: SlackSimulator) -> None:
    select = {"type": "conversations_select", "response_url_enabled": True}
    view = {
        "type": "modal",
        "title": plain("Where?"),
        "submit": plain("Send"),
        "blocks": [field("where", "Where", select)],
    }
    opened = (
        await call_web_api(
            slack, "views.open", trigger_id=slack.handles.create_trigger("U0ANNA"), view=json.dumps(view)
        )
    )["view"]
    assert (opened["app_installed_team_id"], opened["close"], opened["clear_on_close"]) == (
        "T0SANDBOX",
        None,
        False,
    )
    await slack.users.submit("anna", {"where": "C0BUILDS"})
    [sent] = [entry.request for entry in slack.request_log.entries if entry.title == "view_submission"]
    [address] = sent["response_urls"]
    assert (address["block_id"], address["action_id"], address["channel_id"]) == (
        "where",
        "where",
        "C0BUILDS",
    )
    assert address["response_url"].startswith(f"{slack.url}/response/")
