"""The HTTP session to Slack: requests follow no redirects, and responses have a size limit."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
import yarl
from aiohttp import web

from services.slack import web_client as limits
from services.slack.errors import NO_ANSWER, SlackCallFailed
from services.slack.web_client import SlackClient, create_slack_session
from tests.support.stub_server import in_sequence, stub_server


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with create_slack_session() as opened:
        yield opened


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_neither_token_nor_message_follows_a_redirect(
    session: aiohttp.ClientSession, status: int
) -> None:
    async with stub_server(lambda _: web.json_response({"ok": True})) as other:
        redirect = web.Response(status=status, headers={"Location": f"{other.url}/api/chat.postMessage"})
        async with stub_server(in_sequence(redirect)) as slack:
            client = SlackClient(token="xoxb-t", base_url=f"{slack.url}/api/", session=session)
            with pytest.raises(SlackCallFailed) as caught:
                await client.chat_postMessage(channel="C1", text="hello")
            with pytest.raises(aiohttp.ClientResponseError):
                await session.post(f"{slack.url}/response/x", json={"text": "hello"})
    assert caught.value.status == status
    assert other.requests == []
    assert len(slack.requests) == 2


async def test_redirects_on_the_same_host_are_not_followed(session: aiohttp.ClientSession) -> None:
    redirect = web.Response(status=307, headers={"Location": "/elsewhere"})
    async with stub_server(in_sequence(redirect)) as slack:
        with pytest.raises(aiohttp.ClientResponseError):
            await session.post(f"{slack.url}/response/x", data=b"hello")
        assert [asked.path for asked in slack.requests] == ["/response/x"]


async def test_no_cookie_is_stored(session: aiohttp.ClientSession) -> None:
    url = yarl.URL("https://hooks.slack.com/")
    session.cookie_jar.update_cookies({"session": "secret"}, url)
    assert not session.cookie_jar.filter_cookies(url)


async def test_a_response_is_read_up_to_a_size_limit(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_RESPONSE_BYTES", 200_000)
    within_limit = json.dumps({"ok": True, "user_id": "U1", "padding": "x" * 150_000})
    too_large = json.dumps({"ok": True, "user_id": "U1", "padding": "x" * 250_000})
    compressed = web.Response(text=too_large, content_type="application/json")
    compressed.enable_compression(web.ContentCoding.gzip)
    answers = [web.json_response(text=within_limit), web.json_response(text=too_large), compressed]

    async with stub_server(lambda _: answers.pop(0)) as slack:
        client = SlackClient(token="xoxb-t", base_url=f"{slack.url}/api/", session=session)
        assert len((await client.auth_test())["padding"]) == 150_000
        for _ in range(2):
            with pytest.raises(SlackCallFailed) as caught:
                await client.auth_test()
            assert caught.value.reason == NO_ANSWER
