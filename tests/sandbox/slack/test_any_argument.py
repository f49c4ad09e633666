"""The Web API and response URLs return Slack's errors for any input, and never fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.manifest import manifest
from sandbox.slack.models import Post
from sandbox.slack.server import BOT_TOKEN, SlackSimulator
from sandbox.slack.validation import SlackError
from sandbox.slack.web_api_methods import METHODS
from tests.sandbox.slack.web_api_call import call_web_api
from tests.support.examples import examples

# All arguments that any method reads.
NAMES = """
    attachments blocks bot channel channel_id cursor dialog email error exclude_archived external_id file filename files
    function_execution_id hash include_all_metadata include_users inclusive initial_comment is_private latest length
    limit message_ts metadata name oldest outputs post_at purpose reply_broadcast return_im scheduled_message_id team
    team_id test text thread_ts timestamp topic trigger_id ts types unfurls user user_id usergroup users view view_id
    title alt_txt token client_id client_secret code grant_type redirect_uri refresh_token
""".split()  # noqa: SIM905 - sixty quotes would hide the names
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**18),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from(
        [
            "C0BUILDS",
            "G0RELEASE",
            "D0ANNA",
            "U0ANNA",
            "U0BUILDBELL",
            "#builds",
            "builds",
            "1.000001",
            "at:1",
            "at:",
            "-1",
        ]
    ),
    st.sampled_from(
        ["public_channel,im", "eyes", ":eyes:", "{", "[]", "[1]", '{"a": 1}', "[[[[", "NaN", "1e400"]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["type", "blocks", "text", "id", "title", "a"]), inner, max_size=3),
    ),
    max_leaves=6,
)
LIKELY: dict[str, Any] = {
    "channel": st.sampled_from(["C0BUILDS", "D0ANNA", "builds"]),
    "ts": st.just("1.000001"),
    "timestamp": st.just("1.000001"),
    "message_ts": st.just("1.000001"),
    "user": st.sampled_from(["U0ANNA", "U0BUILDBELL"]),
    "name": st.sampled_from(["eyes", "new-one"]),
    "text": st.just("words"),
}


@st.composite
def arguments(draw: st.DrawFn) -> dict[str, Any]:
    """Some arguments that are probably valid, so that the call gets further, and some of any kind."""
    right = draw(st.sets(st.sampled_from(sorted(LIKELY))))
    made = {name: draw(LIKELY[name]) for name in sorted(right)}
    return made | draw(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4))


def fresh() -> SlackSimulator:
    slack = SlackSimulator(manifest())
    slack.workspace.observer = None  # no app is connected
    every = {scope for _, scope in METHODS.values() if scope}
    families = ("channels", "groups", "im", "mpim")
    every |= {f"{family}:{right}" for family in families for right in ("read", "write", "history")}
    slack.api.scopes = frozenset(every | {"channels:manage", "chat:write.public", "users:read.email"})
    slack.workspace.find_channel("builds").members.add(slack.workspace.bot_user)
    for channel in ("builds", "D0ANNA"):
        slack.workspace.post(
            slack.workspace.find_channel(channel),
            Post("1.000001", slack.workspace.bot_user, "hello", by_bot=True),
        )
    return slack


@given(st.sampled_from(sorted(METHODS)), arguments())
@examples(200)
def test_no_argument_breaks_a_method(method: str, given_: dict[str, Any]) -> None:
    methods = fresh().api.methods
    try:
        response = getattr(methods, METHODS[method][0])(given_)
    except SlackError as error:
        response = error.body
        assert isinstance(response["error"], str)
        assert response["error"] or given_.get("error")
    json.dumps(response, allow_nan=False)


@pytest.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    opened = await SlackSimulator(manifest()).start()
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("body", "content_type", "error"),
    [
        (b"[1]", "application/json", "json_not_object"),
        (b"{", "application/json", "invalid_json"),
        (b'{"channel": NaN}', "application/json", "invalid_json"),
        (b'{"channel": "\\ud800"}', "application/json", "invalid_json"),
        (b"[" * 100_000, "application/json", "invalid_json"),
        (b"\xff", "application/json", "invalid_json"),
        (b"\xff=\xff", "application/x-www-form-urlencoded; charset=no-such", "invalid_form_data"),
        (b"no parts", "multipart/form-data; boundary=x", "invalid_form_data"),
        (b"", "multipart/form-data", "invalid_form_data"),
        (b"channel=C0BUILDS", "application/x-www-form-urlencoded", "no_text"),
    ],
)
async def test_no_body_breaks_the_server(
    slack: SlackSimulator, body: bytes, content_type: str, error: str
) -> None:
    headers = {"Authorization": f"Bearer {BOT_TOKEN}", "Content-Type": content_type}
    async with aiohttp.ClientSession() as session:
        async with session.post(slack.api_url + "chat.postMessage", data=body, headers=headers) as answer:
            assert (answer.status, (await answer.json())["error"]) == (200, error)
        response = slack.handles.create_response_url("U0ANNA", "C0BUILDS")
        async with session.post(f"{slack.url}/response/{response}", data=body) as answer:
            assert answer.status in (400, 404)
            assert (await answer.json())["ok"] is False


async def test_form_only_methods_ignore_a_json_body(slack: SlackSimulator) -> None:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {BOT_TOKEN}"}) as session:
        async with session.post(slack.api_url + "users.info", json={"user": "U0ANNA"}) as response:
            assert (await response.json())["error"] == "user_not_found"
        async with session.post(
            slack.api_url + "conversations.info", json={"channel": "C0BUILDS"}
        ) as response:
            assert (await response.json())["channel"]["name"] == "builds"
    assert (await call_web_api(slack, "users.info", user="U0ANNA"))["user"]["name"] == "anna"


async def test_invalid_timestamps_and_limits_are_refused(slack: SlackSimulator) -> None:
    slack.users.invite("builds")
    await asyncio.sleep(0)
    for name, error in (
        ("oldest", "invalid_ts_oldest"),
        ("latest", "invalid_ts_latest"),
        ("limit", "invalid_limit"),
        ("cursor", "invalid_cursor"),
    ):
        response = await call_web_api(slack, "conversations.history", channel="C0BUILDS", **{name: "abc"})
        assert (response["status"], response["error"]) == (200, error)
