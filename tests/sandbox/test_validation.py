"""The simulators refuse what the real services refuse, with the same errors."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bot.manifest import manifest
from sandbox.bitrise.members import TESTER_TOKEN, TOKEN
from sandbox.bitrise.server import BitriseSimulator
from sandbox.slack.input_values import InvalidInteraction
from sandbox.slack.interaction_handles import InteractionHandles
from sandbox.slack.server import APP_TOKEN, SlackSimulator
from sandbox.slack.validation import SlackError, validate_blocks, validate_view
from tests.sandbox.slack.web_api_call import call_web_api


def section(text: str = "x", **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


def button(**more: Any) -> dict[str, Any]:
    return {"type": "button", "text": {"type": "plain_text", "text": "Go"}, "action_id": "go", **more}


@pytest.mark.parametrize(
    ("blocks", "error"),
    [
        ([section("x" * 3001)], "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"),
        ([section("")], "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
        ([section()] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
        (
            [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
            "must be less than 151 characters",
        ),
        ([{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}], "json-pointer:/blocks/0/text"),
        (
            [{"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 11}],
            "no more than 10 items allowed",
        ),
        ([{"type": "actions", "elements": []}], "no fewer than 1 items allowed"),
        ([{"type": "actions", "elements": [button(), button()]}], "`action_id` already exists"),
        (
            [section(accessory=button(value="x" * 2001))],
            "must be less than 2001 characters [json-pointer:/blocks/0/accessory/value]",
        ),
        ([section(accessory=button(style="loud"))], "json-pointer:/blocks/0/accessory/style"),
        ([section(colour="red")], "invalid additional property: colour [json-pointer:/blocks/0]"),
        ([{"type": "section"}], "missing required field: text"),
        ([{"type": "marquee"}], "unsupported type: marquee [json-pointer:/blocks/0]"),
        (
            [{"type": "input", "label": {"type": "plain_text", "text": "x"}}],
            "missing required field: element",
        ),
    ],
)
def test_slack_refuses_blocks_that_break_its_sizes(blocks: list[dict[str, Any]], error: str) -> None:
    with pytest.raises(SlackError) as caught:
        validate_blocks(blocks)
    assert caught.value.error == "invalid_blocks"
    assert error in str(caught.value.body["response_metadata"]["messages"])


def test_slack_refuses_too_much_text_in_total() -> None:
    with pytest.raises(SlackError, match="msg_blocks_too_long"):
        validate_blocks([section("x" * 2900)] * 5)


def test_slack_refuses_a_modal_with_inputs_and_no_submit() -> None:
    field = {
        "type": "input",
        "label": {"type": "plain_text", "text": "Why"},
        "element": {"type": "plain_text_input", "action_id": "a"},
    }
    view = {"type": "modal", "title": {"type": "plain_text", "text": "t"}, "blocks": [field]}
    with pytest.raises(SlackError, match="missing required field: submit"):
        validate_view(view)
    validate_view(view | {"submit": {"type": "plain_text", "text": "Go"}})
    with pytest.raises(SlackError, match="must be less than 25 characters"):
        validate_view(view | {"submit": {"type": "plain_text", "text": "x" * 25}})


def test_a_trigger_opens_one_modal_within_three_seconds() -> None:
    now = 0.0
    handles = InteractionHandles(clock=lambda: now)
    trigger = handles.create_trigger("U1")
    assert handles.use_trigger(trigger) == "U1"
    with pytest.raises(SlackError, match="exchanged_trigger_id"):
        handles.use_trigger(trigger)
    late = handles.create_trigger("U1")
    now = 3.1
    with pytest.raises(SlackError, match="expired_trigger_id"):
        handles.use_trigger(late)
    with pytest.raises(SlackError, match="invalid_trigger_id"):
        handles.use_trigger("made-up")


def test_a_response_url_works_five_times_within_half_an_hour() -> None:
    now = 0.0
    handles = InteractionHandles(clock=lambda: now)
    name = handles.create_response_url("U1", "C1")
    for _ in range(5):
        handles.use_response_url(name)
    with pytest.raises(SlackError, match="expired_url"):
        handles.use_response_url(name)
    old = handles.create_response_url("U1", "C1")
    now = 1801.0
    with pytest.raises(SlackError, match="expired_url"):
        handles.use_response_url(old)


@pytest.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    opened = await SlackSimulator(manifest()).start()
    yield opened
    await opened.close()


async def test_slack_distinguishes_bot_and_app_tokens(slack: SlackSimulator) -> None:
    assert (await call_web_api(slack, "auth.test"))["ok"] is True
    assert (await call_web_api(slack, "auth.test", token=""))["error"] == "not_authed"
    assert (await call_web_api(slack, "auth.test", token="xoxb-other"))["error"] == "invalid_auth"
    assert (await call_web_api(slack, "auth.test", token=APP_TOKEN))["error"] == "not_allowed_token_type"
    assert (await call_web_api(slack, "apps.connections.open"))["error"] == "not_allowed_token_type"
    assert (await call_web_api(slack, "no.such"))["error"] == "unknown_method"


async def test_slack_posts_only_where_the_bot_is_allowed_to(slack: SlackSimulator) -> None:
    async def post(channel: str, **more: Any) -> str:
        return str(
            (await call_web_api(slack, "chat.postMessage", channel=channel, text="x", **more)).get("error")
        )

    assert await post("C0BUILDS") == "None"
    assert await post("C0NOWHERE") == "channel_not_found"
    assert await post("G0RELEASE") == "channel_not_found"
    slack.users.invite("release")
    assert await post("G0RELEASE") == "None"
    slack.workspace.find_channel("random").archived = True
    assert await post("C0RANDOM") == "is_archived"
    assert await post("C0BUILDS", blocks=json.dumps([{"type": "marquee"}])) == "invalid_blocks"
    assert await post("C0BUILDS", metadata=json.dumps({"event_type": "x"})) == "invalid_metadata_format"
    slack.api.methods.scopes = frozenset({"chat:write"})
    assert await post("C0BUILDS") == "not_in_channel"


async def test_a_call_without_its_scope_is_refused_and_recorded_as_a_violation(slack: SlackSimulator) -> None:
    slack.api.scopes = frozenset({"chat:write"})
    response = await call_web_api(slack, "users.info", user="U0ANNA")
    assert (response["error"], response["needed"]) == ("missing_scope", "users:read")
    assert [violation for violation in slack.violations if "missing_scope" in violation]


async def test_history_is_for_members_and_includes_metadata_only_on_request(slack: SlackSimulator) -> None:
    metadata = json.dumps({"event_type": "e", "event_payload": {"key": "v"}})
    await call_web_api(slack, "chat.postMessage", channel="C0BUILDS", text="x", metadata=metadata)
    assert (await call_web_api(slack, "conversations.history", channel="C0BUILDS"))[
        "error"
    ] == "not_in_channel"
    slack.users.invite("builds")
    plain = await call_web_api(slack, "conversations.history", channel="C0BUILDS")
    assert "metadata" not in plain["messages"][0]
    whole = await call_web_api(slack, "conversations.history", channel="C0BUILDS", include_all_metadata="1")
    assert whole["messages"][0]["metadata"]["event_payload"] == {"key": "v"}


async def test_posting_is_limited_to_about_one_message_per_second_and_channel(slack: SlackSimulator) -> None:
    statuses = []
    for _ in range(7):
        response = await call_web_api(slack, "chat.postMessage", channel="C0BUILDS", text="x")
        statuses.append(response["status"])
    assert statuses[:5] == [200] * 5
    assert statuses[-1] == 429
    assert response["headers"]["Retry-After"] == "1"
    assert (await call_web_api(slack, "chat.postMessage", channel="C0RANDOM", text="x"))["status"] == 200


async def test_a_command_without_acknowledgement_is_shown_as_failed(slack: SlackSimulator) -> None:
    assert await slack.users.command("anna", "builds", "/bitrise help") is None
    [post] = slack.posts("builds", "anna")
    assert post.text == '/bitrise failed with the error "dispatch_failed"'
    with pytest.raises(InvalidInteraction, match="not a valid command"):
        await slack.users.command("anna", "builds", "/other")


@pytest.fixture
async def bitrise() -> AsyncIterator[BitriseSimulator]:
    opened = await BitriseSimulator().start()
    yield opened
    await opened.close()


async def ask(
    bitrise: BitriseSimulator, method: str, path: str, *, token: str | None = TOKEN, **more: Any
) -> tuple[int, Any]:
    headers = {"Authorization": f"token {token}"} if token else {}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, bitrise.url + path, headers=headers, **more) as response,
    ):
        return response.status, await response.json(content_type=None)


async def test_bitrise_requires_a_token_except_at_its_root(bitrise: BitriseSimulator) -> None:
    assert (await ask(bitrise, "GET", "/", token=None))[0] == 200
    assert (await ask(bitrise, "GET", "/v0.1", token=None))[0] == 200
    assert await ask(bitrise, "GET", "/v0.1/me", token=None) == (401, {"message": "Unauthorized"})
    assert (await ask(bitrise, "GET", "/v0.1/nothing"))[0] == 404


async def test_bitrise_returns_its_documented_errors(bitrise: BitriseSimulator) -> None:
    build = bitrise.start_build(bitrise.android)
    path = f"/v0.1/apps/{bitrise.android.slug}/builds"
    assert (await ask(bitrise, "POST", f"{path}/{build.slug}/abort", json={}))[1] == {"status": "ok"}
    assert await ask(bitrise, "POST", f"{path}/{build.slug}/abort", json={}) == (
        400,
        {"error_msg": "Build already finished, can't abort it."},
    )
    assert (await ask(bitrise, "POST", f"{path}/{build.slug}/abort"))[0] == 400
    assert (await ask(bitrise, "POST", path, json={"build_params": {"branch": "x"}}))[0] == 400
    assert (await ask(bitrise, "POST", path, json={"hook_info": {"type": "bitrise"}, "build_params": {}}))[
        0
    ] == 400
    assert (await ask(bitrise, "GET", f"{path}?next=unknown"))[0] == 400
    assert (await ask(bitrise, "GET", f"{path}/{build.slug}/log", token=TESTER_TOKEN))[0] == 403
    assert (await ask(bitrise, "GET", f"/v0.1/apps/{bitrise.ios.slug}/builds/{build.slug}"))[0] == 404


async def test_the_file_store_refuses_tokens_and_expired_links(bitrise: BitriseSimulator) -> None:
    link = bitrise.file_store.signed_url("file", b"content")
    async with aiohttp.ClientSession() as session:
        async with session.get(link) as response:
            assert (response.status, await response.read()) == (200, b"content")
        async with session.get(link, headers={"Authorization": "token x"}) as response:
            assert response.status == 400
        async with session.get(link.replace("Signature=", "Signature=0")) as response:
            assert response.status == 403


async def test_a_bot_can_join_public_channels_only(slack: SlackSimulator) -> None:
    async def join(channel: str) -> Any:
        response = await call_web_api(slack, "conversations.join", channel=channel)
        return response.get("error") or response.get("warning") or response["channel"]["is_member"]

    assert (await call_web_api(slack, "conversations.info", channel="C0RANDOM"))["channel"][
        "is_member"
    ] is False
    assert await join("C0RANDOM") is True
    assert await join("C0RANDOM") == "already_in_channel"
    assert await join("C0NOWHERE") == "channel_not_found"
    assert await join("G0RELEASE") == "channel_not_found"
    slack.users.invite("release")
    assert await join("G0RELEASE") == "method_not_supported_for_channel_type"
    slack.workspace.find_channel("builds").archived = True
    assert await join("C0BUILDS") == "is_archived"
    slack.api.scopes = frozenset({"chat:write"})
    assert await join("C0RANDOM") == "missing_scope"
