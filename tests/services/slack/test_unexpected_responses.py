"""What people see where Slack answers a call of the bot's in a way that its documents don't describe."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from sandbox.clock import Clock
from tests.support.bot_harness import BotHarness
from tests.support.stub_server import proxy_server

Answer = Callable[[], web.Response]
ODD: Mapping[str, Answer] = {
    "text": lambda: web.Response(text="upstream connect error", status=502),
    "cut": lambda: web.Response(text='{"ok": tr', content_type="application/json"),
    "list": lambda: web.json_response([{"ok": True}]),
    "null": lambda: web.json_response(None),
    "gzip": lambda: web.Response(body=gzip.compress(b"{}"), content_type="application/gzip"),
    "incomplete": lambda: web.json_response({"ok": True}),
    "wordless": lambda: web.json_response({"ok": False}),
}


@pytest.fixture
def said() -> Iterator[list[Any]]:
    """What is logged."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture
async def odd(tmp_path: Path) -> AsyncIterator[tuple[BotHarness, dict[str, Answer], Clock]]:
    """A town, and what Slack answers to some methods instead."""
    instead: dict[str, Answer] = {}

    def answer(path: str) -> web.Response | None:
        made = instead.get(path.rpartition("/")[2])
        return made() if made is not None else None

    settings: dict[str, str] = {}
    town = BotHarness(tmp_path, settings=settings, now=(clock := Clock()))
    await town.open()
    async with proxy_server(town.slack.url, answer) as url:
        settings["slack_api_url"] = f"{url}/api/"
        await town.start_bot()
        try:
            yield town, instead, clock
        finally:
            await town.close()


async def test_every_surface_says_that_slack_has_trouble_and_nothing_breaks(
    odd: tuple[BotHarness, dict[str, Answer], Clock], said: list[Any]
) -> None:
    town, instead, clock = odd
    town.users.invite("builds")
    stray: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: stray.append(context))
    for name, answer in ODD.items():
        # What Slack said of people some minutes ago is believed.
        clock.skip(timedelta(minutes=6))
        # Who somebody is: a command that only members may use.
        instead["users.info"] = answer
        await town.ask("/bitrise policy", "Slack")
        del instead["users.info"]

        # A dialog that can't be opened.
        instead["views.open"] = answer
        await town.ask("/bitrise subscribe", "Slack has trouble at the moment", person="ben")
        del instead["views.open"]

        # An answer that can't be said: what is left is a line in the log.
        if name != "incomplete":
            instead["chat.postMessage"] = answer
            before = unsaid(said)
            town.users.say("anna", "builds", "@buildbell help")
            await town.wait_until(lambda so_far=before: unsaid(said) > so_far)  # type: ignore[misc]
            del instead["chat.postMessage"]

        # Home, without what is missing.
        instead["conversations.open"] = instead["users.conversations"] = answer
        town.slack.workspace.homes.clear()
        town.users.open_home("anna")
        await town.wait_until(lambda: "missing here" in str(town.slack.workspace.homes.get("U0ANNA")))
        instead.clear()
    events = [str(line["event"]) for line in said]
    assert not [event for event in events if "broken" in event]
    assert not [line for line in said if "exc_info" in line]
    assert stray == []


def unsaid(said: list[Any]) -> int:
    """How many answers could not be said at once; some are said later."""
    return sum(line["event"] in ("answer.not_said", "answer.not_taken_yet") for line in said)
