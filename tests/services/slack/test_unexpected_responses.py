"""The messages that people see when Slack's response is one that its documents don't describe."""

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
UNEXPECTED: Mapping[str, Answer] = {
    "text": lambda: web.Response(text="upstream connect error", status=502),
    "cut": lambda: web.Response(text='{"ok": tr', content_type="application/json"),
    "list": lambda: web.json_response([{"ok": True}]),
    "null": lambda: web.json_response(None),
    "gzip": lambda: web.Response(body=gzip.compress(b"{}"), content_type="application/gzip"),
    "incomplete": lambda: web.json_response({"ok": True}),
    "wordless": lambda: web.json_response({"ok": False}),
}


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """The log lines."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture
async def faulty_slack(tmp_path: Path) -> AsyncIterator[tuple[BotHarness, dict[str, Answer], Clock]]:
    """A harness, the overridden responses of some Slack methods, and the clock."""
    overrides: dict[str, Answer] = {}

    def answer(path: str) -> web.Response | None:
        make_response = overrides.get(path.rpartition("/")[2])
        return make_response() if make_response is not None else None

    settings: dict[str, str] = {}
    harness = BotHarness(tmp_path, settings=settings, now=(clock := Clock()))
    await harness.open()
    async with proxy_server(harness.slack.url, answer) as url:
        settings["slack_api_url"] = f"{url}/api/"
        await harness.start_bot()
        try:
            yield harness, overrides, clock
        finally:
            await harness.close()


async def test_every_surface_reports_slacks_trouble_and_nothing_breaks(
    faulty_slack: tuple[BotHarness, dict[str, Answer], Clock], logs: list[Any]
) -> None:
    harness, overrides, clock = faulty_slack
    harness.users.invite("builds")
    unhandled: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    for name, answer in UNEXPECTED.items():
        # Cached memberships expire.
        clock.skip(timedelta(minutes=6))
        # A membership check: a command that only members may use.
        overrides["users.info"] = answer
        await harness.ask("/bitrise policy", "Slack")
        del overrides["users.info"]

        # A dialog that can't be opened.
        overrides["views.open"] = answer
        await harness.ask("/bitrise subscribe", "Slack isn't working properly right now", person="ben")
        del overrides["views.open"]

        # A reply that can't be sent: only a log line remains.
        if name != "incomplete":
            overrides["chat.postMessage"] = answer
            before = count_unsent_replies(logs)
            harness.users.say("anna", "builds", "@buildbell help")
            await harness.wait_until(lambda previous=before: count_unsent_replies(logs) > previous)  # type: ignore[misc]
            del overrides["chat.postMessage"]

        # Home, without the data that could not be loaded.
        overrides["conversations.open"] = overrides["users.conversations"] = answer
        harness.slack.workspace.homes.clear()
        harness.users.open_home("anna")
        await harness.wait_until(lambda: "missing here" in str(harness.slack.workspace.homes.get("U0ANNA")))
        overrides.clear()
    events = [str(line["event"]) for line in logs]
    assert not [event for event in events if "broken" in event]
    assert not [line for line in logs if "exc_info" in line]
    assert unhandled == []


def count_unsent_replies(logs: list[Any]) -> int:
    """Return how many replies could not be sent at once; some are sent later."""
    return sum(line["event"] in ("answer.not_said", "answer.not_taken_yet") for line in logs)
