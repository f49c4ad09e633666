"""Responses of Slack's Web API that its documents don't describe: each is the same error for every call."""

from __future__ import annotations

import ast
import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.web.async_client import AsyncWebClient

from domain.message import Message, Recipient
from services.outbox.channels import DirectMessages
from services.outbox.delivery import Destination, OutcomeUnknown, RetryLater, post
from services.outbox.reconciliation import find_posted
from services.request.error_messages import sentence_for, slack_error_code
from services.slack.errors import (
    NO_ANSWER,
    NOT_SENT,
    NOT_UNDERSTOOD,
    RATE_LIMITED,
    RateLimitWait,
    SlackCallFailed,
    retry_after,
)
from services.slack.response_models import CHECKED_METHODS, unexpected_field
from services.slack.web_client import SlackClient, SlackNotReachable, connect, create_slack_session
from tests.support.stub_server import reserve_port, stub_server

JSON = "application/json"


def text_response(body: str, kind: str = JSON, status: int = 200, **headers: str) -> web.Response:
    return web.Response(text=body, content_type=kind, status=status, headers=headers)


def rate_limited(**headers: str) -> web.Response:
    return text_response("Slow down", "text/html", 429, **headers)


# Responses with the expected reason; None is a connection that breaks.
UNEXPECTED: Mapping[str, tuple[Callable[[], web.Response | None], str]] = {
    "a page": (lambda: text_response("<html>Welcome</html>", "text/html"), NOT_UNDERSTOOD),
    "a page of an edge": (
        lambda: text_response("<html>Bad gateway</html>", "text/html", 502),
        NOT_UNDERSTOOD,
    ),
    "plain text": (lambda: text_response("ok", "text/plain"), NOT_UNDERSTOOD),
    "plain text of an edge": (lambda: text_response("upstream error", "text/plain", 503), NOT_UNDERSTOOD),
    "nothing": (lambda: text_response(""), NOT_UNDERSTOOD),
    "cut JSON": (lambda: text_response('{"ok": true, "us'), NOT_UNDERSTOOD),
    "a list": (lambda: text_response('[{"ok": true}]'), NOT_UNDERSTOOD),
    "null": (lambda: text_response("null"), NOT_UNDERSTOOD),
    "a number": (lambda: text_response("1"), NOT_UNDERSTOOD),
    "a text": (lambda: text_response('"ok"'), NOT_UNDERSTOOD),
    "brackets": (lambda: text_response("[" * 100_000), NOT_UNDERSTOOD),
    "no text": (lambda: web.Response(body=b"\xff\xfe\xfd", content_type=JSON), NOT_UNDERSTOOD),
    "no text, plainly": (
        lambda: web.Response(body=b"\xff\xfe\xfd", content_type="text/plain"),
        NOT_UNDERSTOOD,
    ),
    "gzip": (
        lambda: web.Response(body=gzip.compress(b'{"ok": true}'), content_type="application/gzip"),
        NOT_UNDERSTOOD,
    ),
    "no ok": (lambda: text_response("{}"), NOT_UNDERSTOOD),
    "ok that is no flag": (lambda: text_response('{"ok": "true"}'), NOT_UNDERSTOOD),
    "no reason": (lambda: text_response('{"ok": false}'), NOT_UNDERSTOOD),
    "a null for a reason": (lambda: text_response('{"ok": false, "error": null}'), NOT_UNDERSTOOD),
    "an object for a reason": (lambda: text_response('{"ok": false, "error": {"code": 1}}'), NOT_UNDERSTOOD),
    "a poem for a reason": (lambda: text_response('{"ok": false, "error": "no <b>way</b>"}'), NOT_UNDERSTOOD),
    "ok and an error's status": (lambda: text_response('{"ok": true}', status=500), NOT_UNDERSTOOD),
    "elsewhere": (lambda: text_response("", status=302, Location="/api/elsewhere"), NOT_UNDERSTOOD),
    "too much": (lambda: text_response('{"ok": true, "padding": "' + "x" * 30_000_000 + '"}'), NO_ANSWER),
    "silence": (lambda: None, NO_ANSWER),
    "429": (lambda: rate_limited(**{"Retry-After": "7"}), RATE_LIMITED),
    "429 without a time": (rate_limited, RATE_LIMITED),
    "429 and nonsense": (lambda: rate_limited(**{"Retry-After": "soon"}), RATE_LIMITED),
    "429 and cut JSON": (lambda: text_response('{"ok"', status=429), RATE_LIMITED),
    "a refusal": (lambda: text_response('{"ok": false, "error": "internal_error"}'), "internal_error"),
}
VIEW = {"type": "modal", "title": {"type": "plain_text", "text": "x"}, "blocks": []}
CALLS: Mapping[str, Callable[[SlackClient], Awaitable[Any]]] = {
    "apps.connections.open": lambda slack: slack.apps_connections_open(app_token="xapp-none"),
    "auth.test": lambda slack: slack.auth_test(),
    "chat.postMessage": lambda slack: slack.chat_postMessage(channel="C1", text="x"),
    "chat.update": lambda slack: slack.chat_update(channel="C1", ts="1.1", text="x"),
    "conversations.history": lambda slack: slack.conversations_history(channel="C1"),
    "conversations.info": lambda slack: slack.conversations_info(channel="C1"),
    "conversations.open": lambda slack: slack.conversations_open(users="U1"),
    "conversations.replies": lambda slack: slack.conversations_replies(channel="C1", ts="1.1"),
    "files.getUploadURLExternal": lambda slack: slack.files_getUploadURLExternal(filename="x", length=1),
    "oauth.v2.access": lambda slack: slack.oauth_v2_access(client_id="1", client_secret="2", code="3"),
    "usergroups.list": lambda slack: slack.usergroups_list(),
    "usergroups.users.list": lambda slack: slack.usergroups_users_list(usergroup="S1"),
    "users.conversations": lambda slack: slack.users_conversations(user="U1"),
    "users.info": lambda slack: slack.users_info(user="U1"),
    "views.open": lambda slack: slack.views_open(trigger_id="1", view=VIEW),
    "views.publish": lambda slack: slack.views_publish(user_id="U1", view=VIEW),
    "views.push": lambda slack: slack.views_push(trigger_id="1", view=VIEW),
    "views.update": lambda slack: slack.views_update(view_id="V1", view=VIEW),
}
# The fields that are read of each method's response.
READ_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "apps.connections.open": {"url": "wss://slack.invalid"},
    "auth.test": {"user_id": "U1", "team_id": "T1", "team": "Acme", "enterprise_id": "E1", "bot_id": "B1"},
    "chat.postMessage": {"ts": "1.1"},
    "chat.update": {"ts": "1.1"},
    "conversations.history": {"messages": [{"ts": "1.1"}], "response_metadata": {"next_cursor": ""}},
    "conversations.info": {"channel": {"is_archived": False, "is_member": True, "is_private": False}},
    "conversations.open": {"channel": {"id": "D1"}},
    "conversations.replies": {"messages": [{"ts": "1.1"}], "response_metadata": {"next_cursor": ""}},
    "files.getUploadURLExternal": {"upload_url": "https://slack.invalid", "file_id": "F1"},
    "oauth.v2.access": {
        "access_token": "xoxb-none",
        "token_type": "bot",
        "refresh_token": "xoxe-none",
        "expires_in": 43_200,
        "scope": "commands",
        "bot_user_id": "U1",
        "app_id": "A1",
        "team": {"id": "T1", "name": "Acme"},
        "enterprise": {"id": "E1", "name": "Acme"},
        "is_enterprise_install": False,
        "authed_user": {"id": "U1"},
    },
    "usergroups.list": {"usergroups": [{"id": "S1", "handle": "release"}]},
    "usergroups.users.list": {"users": ["U1"]},
    "users.conversations": {"channels": [{"id": "C1"}], "response_metadata": {"next_cursor": ""}},
    "users.info": {
        "user": {
            "id": "U1",
            "tz": "UTC",
            "deleted": False,
            "is_admin": False,
            "profile": {"display_name": "anna"},
            "enterprise_user": {"enterprise_id": "E1"},
        }
    },
    "views.open": {"view": {"id": "V1"}},
    "views.push": {"view": {"id": "V1"}},
    "views.update": {"view": {"id": "V1"}},
}


def find_calls_with_read_response(source: str) -> set[str]:
    """Return the Web API methods whose responses a module reads, beyond their success."""
    tree = ast.parse(source)
    unread = {
        statement.value.value
        for statement in ast.walk(tree)
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Await)
    }
    return {
        call.func.attr.replace("_", ".")
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and call not in unread and isinstance(call.func, ast.Attribute)
        if re.fullmatch(r"[a-z]+_\w+", call.func.attr) and call.func.attr != "api_call"
        if hasattr(AsyncWebClient, call.func.attr)
    }


def wrong_types(answer: Any) -> Iterator[Any]:
    """Yield the response with one of its values, at any depth, replaced by one of a wrong type."""
    others: tuple[Any, ...] = (["x"], "x", 5, {"x": []})
    for wrong in others:
        if not isinstance(wrong, type(answer)):
            yield wrong
    if isinstance(answer, list):
        yield from ([wrong] for wrong in wrong_types(answer[0]))
    if isinstance(answer, dict):
        for name, value in answer.items():
            yield from ({**answer, name: wrong} for wrong in wrong_types(value))


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with create_slack_session() as opened:
        yield opened


@pytest.mark.parametrize("name", UNEXPECTED)
async def test_every_call_fails_in_the_same_way_for_every_unexpected_response(
    name: str, session: aiohttp.ClientSession
) -> None:
    answer, reason = UNEXPECTED[name]
    async with stub_server(lambda _: answer()) as slack:
        client = SlackClient(
            token="xoxb-none", base_url=f"{slack.url}/api/", session=session, retry_handlers=[]
        )
        # Thirty megabytes are read for one call only.
        calls = CALLS if name != "too much" else {"users.info": CALLS["users.info"]}
        for method, call in calls.items():
            with pytest.raises(SlackCallFailed) as caught:
                await call(client)
            assert (caught.value.method, caught.value.reason) == (method, reason)
            # The attributes that slack_sdk and Bolt read.
            assert caught.value.response["error"] == reason
            assert slack_error_code(caught.value) == reason
            assert sentence_for(caught.value).startswith(
                ("Slack isn't working properly", "Slack limits requests")
            )
        # After a broken connection aiohttp repeats only requests that read.
        changes = [request.path for request in slack.requests if request.method == "POST"]
        assert len(changes) == len(set(changes))
        assert not any("xoxb" in request.path + str(request.query) for request in slack.requests)

        # The start waits for Slack, and the outbox neither loses a message nor sends it twice.
        with pytest.raises(SlackNotReachable):
            await connect(client)
        outcome = await post(client, Destination("C1"), Message("x", []), parcel="p", seconds=60)
        assert isinstance(outcome, RetryLater if reason == RATE_LIMITED else OutcomeUnknown)
        assert isinstance(await find_posted(client, Destination("C1"), "p", after=None), RetryLater)
        assert isinstance(
            await DirectMessages(lambda _: client).channel_for(Recipient(team="T1", channel="U1")), RetryLater
        )


async def test_a_call_without_a_connection_is_known_as_not_sent(session: aiohttp.ClientSession) -> None:
    with reserve_port() as unused_port:
        url = f"http://127.0.0.1:{unused_port.getsockname()[1]}/api/"
        client = SlackClient(token="xoxb-none", base_url=url, session=session, retry_handlers=[])
        with pytest.raises(SlackCallFailed) as caught:
            await client.users_info(user="U1")
        assert caught.value.reason == NOT_SENT
        assert isinstance(
            await post(client, Destination("C1"), Message("x", []), parcel="p", seconds=60), RetryLater
        )
        with pytest.raises(SlackNotReachable, match="can't be reached"):
            await connect(client)


@pytest.mark.parametrize(
    ("method", "answer", "field"),
    [
        ("conversations.info", {"channel": ["x"]}, "channel"),
        ("conversations.info", {"channel": "x"}, "channel"),
        ("conversations.info", {}, "channel"),
        ("conversations.info", {"channel": {"id": "C1"}}, None),
        ("chat.update", {}, "ts"),
        ("conversations.open", {}, "channel"),
        ("conversations.open", {"channel": {"id": ""}}, "channel.id"),
        ("conversations.open", {"channel": "D1"}, "channel"),
        ("users.info", {"user": []}, "user"),
        ("users.info", {"user": {}}, "user.id"),
        ("users.info", {"user": {"id": "U1", "deleted": "no"}}, "user.deleted"),
        ("users.info", {"user": {"id": "U1", "profile": "x"}}, "user.profile"),
        ("users.info", {"user": {"id": "U1", "enterprise_user": ["E1"]}}, "user.enterprise_user"),
        ("users.conversations", {"channels": None}, "channels"),
        ("users.conversations", {"channels": ["C1"]}, "channels"),
        ("users.conversations", {"channels": [], "response_metadata": "x"}, "response_metadata"),
        ("usergroups.list", {"usergroups": [{"id": "S1"}]}, "usergroups.handle"),
        ("usergroups.users.list", {"users": [1]}, "users"),
        ("chat.postMessage", {"ts": 1.1}, "ts"),
        ("conversations.history", {"messages": {}}, "messages"),
        ("auth.test", {"user_id": None}, "user_id"),
        ("apps.connections.open", {"url": None}, "url"),
        ("views.open", {"view": None}, "view"),
        ("oauth.v2.access", {"team": "T1"}, "team"),
        ("users.info", {"user": {"id": "U1", "tz": None, "enterprise_user": None, "new": [1]}}, None),
        ("users.conversations", {"channels": [{"id": "C1"}], "response_metadata": None}, None),
        ("auth.test", {"user_id": "U1", "team_id": None}, None),
        ("chat.unfurl", {}, None),
    ],
)
async def test_a_response_without_the_methods_fields_fails_like_the_others(
    method: str, answer: dict[str, Any], field: str | None, session: aiohttp.ClientSession
) -> None:
    assert unexpected_field(method, answer) == field
    async with stub_server(lambda _: text_response(json.dumps({"ok": True, **answer}))) as slack:
        client = SlackClient(token="xoxb-none", base_url=f"{slack.url}/api/", session=session)
        if field is None:
            assert (await client.api_call(method))["ok"]
            return
        with pytest.raises(SlackCallFailed, match=field) as caught:
            await client.api_call(method)
        assert caught.value.reason == NOT_UNDERSTOOD


def test_every_method_whose_response_is_read_is_validated() -> None:
    root = Path(__file__).parents[3]
    sources = [
        path.read_text("utf-8")
        for room in ("bot", "handlers", "providers", "services")
        for path in (root / room).rglob("*.py")
    ]
    read = set().union(*(find_calls_with_read_response(source) for source in sources))
    assert {"auth.test", "chat.update", "conversations.info", "users.info"} <= read
    assert read <= CHECKED_METHODS == set(READ_FIELDS)
    assert set(CALLS) >= CHECKED_METHODS


@pytest.mark.parametrize("method", READ_FIELDS)
def test_every_field_that_is_read_must_have_the_right_type(method: str) -> None:
    assert unexpected_field(method, {"ok": True, **READ_FIELDS[method], "new": [1]}) is None
    for name, value in READ_FIELDS[method].items():
        for wrong in wrong_types(value):
            assert unexpected_field(method, {"ok": True, **READ_FIELDS[method], name: wrong}) is not None, (
                name,
                wrong,
            )


async def test_nul_characters_are_removed(session: aiohttp.ClientSession) -> None:
    user = {"id": "U1", "profile": {"display_name": "An\0na"}, "real_name": "\0"}
    async with stub_server(lambda _: web.json_response({"ok": True, "user": user})) as slack:
        client = SlackClient(token="xoxb-none", base_url=f"{slack.url}/api/", session=session)
        answer = (await client.users_info(user="U1"))["user"]
    assert answer == {"id": "U1", "profile": {"display_name": "Anna"}, "real_name": ""}


@given(st.text() | st.floats().map(str) | st.integers().map(str))
def test_retry_after_is_always_a_valid_number_of_seconds(value: str) -> None:
    assert 0.1 <= retry_after({"retry-AFTER": value}) <= 600


async def test_a_429_is_waited_out_as_slack_asks_but_not_for_ever(
    session: aiohttp.ClientSession,
) -> None:
    assert retry_after({"Retry-After": "30"}) == 30
    answers = [
        rate_limited(**{"Retry-After": "0"}),
        rate_limited(**{"Retry-After": "0"}),
        text_response('{"ok": true, "ts": "1.1"}'),
    ]
    async with stub_server(lambda _: answers.pop(0)) as slack:
        client = SlackClient(
            token="xoxb-none", base_url=f"{slack.url}/api/", session=session, retry_handlers=[RateLimitWait()]
        )
        assert (await client.chat_postMessage(channel="C1", text="x"))["ts"] == "1.1"
        answers[:] = [rate_limited(**{"Retry-After": "3600"})]
        async with asyncio.timeout(30):
            with pytest.raises(SlackCallFailed) as caught:
                await client.chat_postMessage(channel="C1", text="x")
        assert (caught.value.reason, caught.value.retry_after) == (RATE_LIMITED, 600)
        assert len(slack.requests) == 4
