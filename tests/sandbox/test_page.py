"""The data that the page receives, and the rules that its inspector checks."""

from __future__ import annotations

import json

import aiohttp
import pytest

from bot.manifest import manifest
from sandbox.page.change_feed import MAX_ENTRIES, MAX_POSTS_PER_CHANNEL, ChangeFeed
from sandbox.page.routes import add_page
from sandbox.slack.models import Post
from sandbox.slack.web_api import unescaped
from tests.support.forked_bot import forked_environment


async def test_a_page_receives_everything_first_and_then_only_changes() -> None:
    async with forked_environment(manifest()) as environment:
        await environment.start_simulators(add_routes=lambda app: add_page(app, environment))
        channel = environment.slack.workspace.find_channel("builds")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{environment.slack.url}/") as response:
                assert "default-src 'self'" in response.headers["Content-Security-Policy"]
            async with session.get(f"{environment.slack.url}/emoji.json") as response:
                assert (await response.json())["tada"] == "🎉"
            async with session.get(f"{environment.slack.url}/live") as stream:

                async def news() -> dict[str, object]:
                    line = (await stream.content.readuntil(b"\n\n")).decode()
                    found: dict[str, object] = json.loads(line.removeprefix("data: "))
                    return found

                first = await news()
                assert first["bot"]["id"] == "U0BUILDBELL"  # type: ignore[index]
                assert first["bot"]["name"] == "buildbell"  # type: ignore[index]
                assert "posts" not in first
                environment.slack.workspace.post(channel, Post("1.0", "U0BEN", "hello"))
                second = await news()
                assert [post["text"] for post in second["posts"]] == ["hello"]  # type: ignore[attr-defined]
                assert set(second) == {"posts"}


async def test_a_page_shows_one_workspace() -> None:
    async with forked_environment(manifest()) as environment:
        acme = environment.slack.add_workspace()
        await environment.start_simulators(add_routes=lambda app: add_page(app, environment))
        here, there = ChangeFeed(environment), ChangeFeed(environment, "T0ACME")
        first = there.next()
        assert first is not None
        assert first["team"] == "T0ACME"
        assert [driver["name"] for driver in first["workspaces"]] == ["Sandbox", "Acme"]
        assert [user["name"] for user in first["people"]] == ["dana", "emil", "fay"]
        here.next()
        acme.workspace.post(acme.workspace.find_channel("builds"), Post("1.0", "U0ACMEDANA", "hello"))
        assert here.next() is None
        assert [post["text"] for post in (there.next() or {})["posts"]] == ["hello"]
        acme.users.deactivate("fay")
        assert [user["deleted"] for user in (there.next() or {})["people"]] == [False, False, True]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{environment.slack.url}/live?team=T0ACME") as stream:
                line = (await stream.content.readuntil(b"\n\n")).decode()
                assert json.loads(line.removeprefix("data: "))["team"] == "T0ACME"
            async with session.get(f"{environment.slack.url}/live?team=T0NOWHERE") as response:
                assert response.status == 404


async def test_the_data_sent_to_a_page_is_bounded() -> None:
    async with forked_environment(manifest()) as environment:
        workspace, request_log = environment.slack.workspace, environment.slack.request_log
        feed = ChangeFeed(environment)
        feed.next()
        for number in range(MAX_POSTS_PER_CHANNEL * 2):
            workspace.post(workspace.find_channel("builds"), Post(f"{number}.0", "U0BEN", "x"))
            request_log.close_entry(request_log.open_entry("app → Slack", "chat.postMessage", {}), {})
        changes = feed.next()
        assert changes is not None
        assert len(changes["posts"]) == MAX_POSTS_PER_CHANNEL
        assert len(changes["entries"]) == MAX_ENTRIES
        assert feed.next() is None
        [post] = workspace.find_channel("builds").posts[-1:]
        workspace.remove(workspace.find_channel("builds"), post)
        assert feed.next() == {"removed": [("C0BUILDS", post.ts)]}


@pytest.mark.parametrize(
    "text",
    ["a & b", "1 < 2", "see <not-a-link>", "<", "x &copy; y"],
)
def test_unescaped_text_is_a_violation(text: str) -> None:
    assert unescaped({"text": text}) == [f"unescaped text: {text}"]
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": text}}]
    assert unescaped({"text": "x", "blocks": json.dumps(blocks)}) == [f"unescaped text: {text}"]
    plain = [{"type": "section", "text": {"type": "plain_text", "text": text}}]
    assert unescaped({"text": "x", "blocks": plain}) == []


@pytest.mark.parametrize(
    "text",
    [
        "a &amp; b &lt; c &gt; d",
        "<https://a.b|c>",
        "<@U1> <#C1> <!here> <!date^1^{date}|x>",
        "<mailto:a@b.c>",
    ],
)
def test_slack_markup_is_no_violation(text: str) -> None:
    assert unescaped({"text": text}) == []
