"""Answers of Slack's Web API that its documents don't describe: each is one error, whatever the call."""

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

from bot.slack.http_session import create_slack_session
from domain.message import Message
from domain.recipient import Recipient
from services.outbox.delivery import Destination, OutcomeUnknown, RetryLater, post
from services.outbox.direct_messages import DirectMessages
from services.outbox.reconciliation import find_posted
from services.request.error_messages import sentence_for, slack_error_code
from services.slack.errors import NO_ANSWER, NOT_SENT, NOT_UNDERSTOOD, RATE_LIMITED, SlackCallFailed
from services.slack.rate_limit import RateLimitWait, retry_after
from services.slack.response_models import CHECKED_METHODS, unexpected_field
from services.slack.web_client import SlackClient, SlackNotReachable, connect
from tests.support.stub_server import reserve_port, stub_server

JSON = "application/json"


def text(body: str, kind: str = JSON, status: int = 200, **headers: str) -> web.Response:
    return web.Response(text=body, content_type=kind, status=status, headers=headers)


def limited(**headers: str) -> web.Response:
    return text("Slow down", "text/html", 429, **headers)


# What came, and what it is called; a None is a connection that breaks.
ODD: Mapping[str, tuple[Callable[[], web.Response | None], str]] = {
    "a page": (lambda: text("<html>Welcome</html>", "text/html"), NOT_UNDERSTOOD),
    "a page of an edge": (lambda: text("<html>Bad gateway</html>", "text/html", 502), NOT_UNDERSTOOD),
    "plain text": (lambda: text("ok", "text/plain"), NOT_UNDERSTOOD),
    "plain text of an edge": (lambda: text("upstream error", "text/plain", 503), NOT_UNDERSTOOD),
    "nothing": (lambda: text(""), NOT_UNDERSTOOD),
    "cut JSON": (lambda: text('{"ok": true, "us'), NOT_UNDERSTOOD),
    "a list": (lambda: text('[{"ok": true}]'), NOT_UNDERSTOOD),
    "null": (lambda: text("null"), NOT_UNDERSTOOD),
    "a number": (lambda: text("1"), NOT_UNDERSTOOD),
    "a text": (lambda: text('"ok"'), NOT_UNDERSTOOD),
    "brackets": (lambda: text("[" * 100_000), NOT_UNDERSTOOD),
    "no text": (lambda: web.Response(body=b"\xff\xfe\xfd", content_type=JSON), NOT_UNDERSTOOD),
    "no text, plainly": (
        lambda: web.Response(body=b"\xff\xfe\xfd", content_type="text/plain"),
        NOT_UNDERSTOOD,
    ),
    "gzip": (
        lambda: web.Response(body=gzip.compress(b'{"ok": true}'), content_type="application/gzip"),
        NOT_UNDERSTOOD,
    ),
    "no ok": (lambda: text("{}"), NOT_UNDERSTOOD),
    "ok that is no flag": (lambda: text('{"ok": "true"}'), NOT_UNDERSTOOD),
    "no reason": (lambda: text('{"ok": false}'), NOT_UNDERSTOOD),
    "a null for a reason": (lambda: text('{"ok": false, "error": null}'), NOT_UNDERSTOOD),
    "an object for a reason": (lambda: text('{"ok": false, "error": {"code": 1}}'), NOT_UNDERSTOOD),
    "a poem for a reason": (lambda: text('{"ok": false, "error": "no <b>way</b>"}'), NOT_UNDERSTOOD),
    "ok and an error's status": (lambda: text('{"ok": true}', status=500), NOT_UNDERSTOOD),
    "elsewhere": (lambda: text("", status=302, Location="/api/elsewhere"), NOT_UNDERSTOOD),
    "too much": (lambda: text('{"ok": true, "padding": "' + "x" * 30_000_000 + '"}'), NO_ANSWER),
    "silence": (lambda: None, NO_ANSWER),
    "429": (lambda: limited(**{"Retry-After": "7"}), RATE_LIMITED),
    "429 without a time": (limited, RATE_LIMITED),
    "429 and nonsense": (lambda: limited(**{"Retry-After": "soon"}), RATE_LIMITED),
    "429 and cut JSON": (lambda: text('{"ok"', status=429), RATE_LIMITED),
    "a refusal": (lambda: text('{"ok": false, "error": "internal_error"}'), "internal_error"),
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
# What is read of each method's answer.
READ: Mapping[str, Mapping[str, Any]] = {
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


def calls_whose_answer_is_read(source: str) -> set[str]:
    """The Web API methods of which a module reads more than that they went well."""
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


def odd_forms(answer: Any) -> Iterator[Any]:
    """The answer with one of its values, at any depth, in a form that its method does not describe."""
    others: tuple[Any, ...] = (["x"], "x", 5, {"x": []})
    for odd in others:
        if not isinstance(odd, type(answer)):
            yield odd
    if isinstance(answer, list):
        yield from ([odd] for odd in odd_forms(answer[0]))
    if isinstance(answer, dict):
        for name, value in answer.items():
            yield from ({**answer, name: odd} for odd in odd_forms(value))


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with create_slack_session() as opened:
        yield opened


@pytest.mark.parametrize("name", ODD)
async def test_whatever_slack_answers_every_call_fails_in_one_way(
    name: str, session: aiohttp.ClientSession
) -> None:
    answer, reason = ODD[name]
    async with stub_server(lambda _: answer()) as slack:
        client = SlackClient(
            token="xoxb-none", base_url=f"{slack.url}/api/", session=session, retry_handlers=[]
        )
        # Thirty megabytes are read for a few of the calls only.
        calls = CALLS if name != "too much" else {"users.info": CALLS["users.info"]}
        for method, call in calls.items():
            with pytest.raises(SlackCallFailed) as caught:
                await call(client)
            assert (caught.value.method, caught.value.reason) == (method, reason)
            # As slack_sdk and Bolt read it.
            assert caught.value.response["error"] == reason
            assert slack_error_code(caught.value) == reason
            assert "has trouble" in sentence_for(caught.value) or "slow down" in sentence_for(caught.value)
        # aiohttp asks again by itself after a broken connection, but only what reads.
        changes = [asked.path for asked in slack.requests if asked.method == "POST"]
        assert len(changes) == len(set(changes))
        assert not any("xoxb" in asked.path + str(asked.query) for asked in slack.requests)

        # At the start it is waited out, and the outbox neither loses a message nor sends it twice.
        with pytest.raises(SlackNotReachable):
            await connect(client)
        doubt = await post(client, Destination("C1"), Message("x", []), parcel="p")
        assert isinstance(doubt, RetryLater if reason == RATE_LIMITED else OutcomeUnknown)
        assert isinstance(await find_posted(client, Destination("C1"), "p", after=None), RetryLater)
        assert isinstance(
            await DirectMessages(lambda _: client).channel_for(Recipient(team="T1", channel="U1")), RetryLater
        )


async def test_what_was_never_sent_is_known_as_such(session: aiohttp.ClientSession) -> None:
    with reserve_port() as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/api/"
        client = SlackClient(token="xoxb-none", base_url=url, session=session, retry_handlers=[])
        with pytest.raises(SlackCallFailed) as caught:
            await client.users_info(user="U1")
        assert caught.value.reason == NOT_SENT
        assert isinstance(await post(client, Destination("C1"), Message("x", []), parcel="p"), RetryLater)
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
async def test_an_answer_without_what_its_method_answers_fails_like_the_others(
    method: str, answer: dict[str, Any], field: str | None, session: aiohttp.ClientSession
) -> None:
    assert unexpected_field(method, answer) == field
    async with stub_server(lambda _: text(json.dumps({"ok": True, **answer}))) as slack:
        client = SlackClient(token="xoxb-none", base_url=f"{slack.url}/api/", session=session)
        if field is None:
            assert (await client.api_call(method))["ok"]
            return
        with pytest.raises(SlackCallFailed, match=field) as caught:
            await client.api_call(method)
        assert caught.value.reason == NOT_UNDERSTOOD


def test_every_method_whose_answer_is_read_is_checked() -> None:
    root = Path(__file__).parents[3]
    sources = [
        path.read_text("utf-8")
        for room in ("bot", "handlers", "providers", "services")
        for path in (root / room).rglob("*.py")
    ]
    read = set().union(*(calls_whose_answer_is_read(source) for source in sources))
    assert {"auth.test", "chat.update", "conversations.info", "users.info"} <= read
    assert read <= CHECKED_METHODS == set(READ)
    assert set(CALLS) >= CHECKED_METHODS


@pytest.mark.parametrize("method", READ)
def test_no_field_that_is_read_may_have_another_form(method: str) -> None:
    assert unexpected_field(method, {"ok": True, **READ[method], "new": [1]}) is None
    for name, value in READ[method].items():
        for odd in odd_forms(value):
            assert unexpected_field(method, {"ok": True, **READ[method], name: odd}) is not None, (name, odd)


async def test_no_nul_comes_in(session: aiohttp.ClientSession) -> None:
    user = {"id": "U1", "profile": {"display_name": "An\0na"}, "real_name": "\0"}
    async with stub_server(lambda _: web.json_response({"ok": True, "user": user})) as slack:
        client = SlackClient(token="xoxb-none", base_url=f"{slack.url}/api/", session=session)
        answer = (await client.users_info(user="U1"))["user"]
    assert answer == {"id": "U1", "profile": {"display_name": "Anna"}, "real_name": ""}


@given(st.text() | st.floats().map(str) | st.integers().map(str))
def test_a_pause_is_a_number_of_seconds_whatever_the_header_says(value: str) -> None:
    assert 0.1 <= retry_after({"retry-AFTER": value}) <= 600


async def test_a_429_is_waited_out_for_as_long_as_slack_asks_but_not_for_ever(
    session: aiohttp.ClientSession,
) -> None:
    assert retry_after({"Retry-After": "30"}) == 30
    answers = [
        limited(**{"Retry-After": "0"}),
        limited(**{"Retry-After": "0"}),
        text('{"ok": true, "ts": "1.1"}'),
    ]
    async with stub_server(lambda _: answers.pop(0)) as slack:
        client = SlackClient(
            token="xoxb-none", base_url=f"{slack.url}/api/", session=session, retry_handlers=[RateLimitWait()]
        )
        assert (await client.chat_postMessage(channel="C1", text="x"))["ts"] == "1.1"
        answers[:] = [limited(**{"Retry-After": "3600"})]
        async with asyncio.timeout(30):
            with pytest.raises(SlackCallFailed) as caught:
                await client.chat_postMessage(channel="C1", text="x")
        assert (caught.value.reason, caught.value.retry_after) == (RATE_LIMITED, 600)
        assert len(slack.requests) == 4
