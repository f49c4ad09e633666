"""What the page is served, and the rules that its inspector marks."""

from __future__ import annotations

import json

import aiohttp
import pytest

from bot.manifest import manifest
from sandbox.page.change_feed import ENTRIES_SHOWN, POSTS_A_CHANNEL, ChangeFeed
from sandbox.page.routes import add_page
from sandbox.slack.web_api import unescaped
from sandbox.slack.workspace import Post
from tests.support.forked_bot import forked_stage


async def test_a_page_hears_first_everything_and_then_what_changed() -> None:
    async with forked_stage(manifest()) as stage:
        await stage.open(also=lambda app: add_page(app, stage))
        channel = stage.slack.workspace.channel("builds")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{stage.slack.url}/") as response:
                assert "default-src 'self'" in response.headers["Content-Security-Policy"]
            async with session.get(f"{stage.slack.url}/emoji.json") as response:
                assert (await response.json())["tada"] == "🎉"
            async with session.get(f"{stage.slack.url}/live") as stream:

                async def news() -> dict[str, object]:
                    line = (await stream.content.readuntil(b"\n\n")).decode()
                    found: dict[str, object] = json.loads(line.removeprefix("data: "))
                    return found

                first = await news()
                assert first["bot"]["id"] == "U0BUILDBELL"  # type: ignore[index]
                assert first["bot"]["name"] == "buildbell"  # type: ignore[index]
                assert "posts" not in first
                stage.slack.workspace.post(channel, Post("1.0", "U0BEN", "hello"))
                second = await news()
                assert [one["text"] for one in second["posts"]] == ["hello"]  # type: ignore[attr-defined]
                assert set(second) == {"posts"}


async def test_a_page_is_of_one_workspace() -> None:
    async with forked_stage(manifest()) as stage:
        acme = stage.slack.add_workspace()
        await stage.open(also=lambda app: add_page(app, stage))
        here, there = ChangeFeed(stage), ChangeFeed(stage, "T0ACME")
        first = there.next()
        assert first is not None
        assert first["team"] == "T0ACME"
        assert [one["name"] for one in first["workspaces"]] == ["Sandbox", "Acme"]
        assert [one["name"] for one in first["people"]] == ["dana", "emil", "fay"]
        here.next()
        acme.workspace.post(acme.workspace.channel("builds"), Post("1.0", "U0ACMEDANA", "hello"))
        assert here.next() is None
        assert [one["text"] for one in (there.next() or {})["posts"]] == ["hello"]
        acme.people.leave("fay")
        assert [one["deleted"] for one in (there.next() or {})["people"]] == [False, False, True]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{stage.slack.url}/live?team=T0ACME") as stream:
                line = (await stream.content.readuntil(b"\n\n")).decode()
                assert json.loads(line.removeprefix("data: "))["team"] == "T0ACME"
            async with session.get(f"{stage.slack.url}/live?team=T0NOWHERE") as response:
                assert response.status == 404


async def test_what_a_page_is_sent_is_bounded() -> None:
    async with forked_stage(manifest()) as stage:
        workspace, journal = stage.slack.workspace, stage.slack.journal
        feed = ChangeFeed(stage)
        feed.next()
        for number in range(POSTS_A_CHANNEL * 2):
            workspace.post(workspace.channel("builds"), Post(f"{number}.0", "U0BEN", "x"))
            journal.close_entry(journal.open_entry("app → Slack", "chat.postMessage", {}), {})
        news = feed.next()
        assert news is not None
        assert len(news["posts"]) == POSTS_A_CHANNEL
        assert len(news["entries"]) == ENTRIES_SHOWN
        assert feed.next() is None
        [post] = workspace.channel("builds").posts[-1:]
        workspace.remove(workspace.channel("builds"), post)
        assert feed.next() == {"removed": [("C0BUILDS", post.ts)]}


@pytest.mark.parametrize(
    "text",
    ["a & b", "1 < 2", "see <not-a-link>", "<", "x &copy; y"],
)
def test_unescaped_text_is_a_broken_rule(text: str) -> None:
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
def test_slacks_own_markup_is_none(text: str) -> None:
    assert unescaped({"text": text}) == []
