"""The whole bot on PostgreSQL while the server goes away: what people read, and what is notified once it is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from bot.doctor.checks import _check_server
from sandbox.faults import Fault
from tests.support.bot_harness import BotHarness, bot_harness
from tests.support.multi_workspace_harness import multi_workspace_harness
from tests.support.postgres import PostgresServer, start_or_skip

AWAY = "Buildbell can't reach its database right now, so it can't do this. Try again in a minute."


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Return a server that a test may kill and start again."""
    server = start_or_skip(durable=True)
    if not server.can_restart:
        pytest.skip("needs a PostgreSQL server of its own")
    yield server
    server.stop()


@pytest.fixture
async def harness(tmp_path: Path, server: PostgresServer) -> AsyncIterator[BotHarness]:
    """Run the bot on it; requests wait only for a moment while the server is away."""
    anchor = str(tmp_path / "anchor.jsonl")
    async with bot_harness(
        tmp_path,
        database_url=server.new_database(),
        seconds={"database_wait_seconds": 0.2},
        audit_anchor=anchor,
    ) as running_harness:
        yield running_harness
    if not server.is_running:  # the test failed before it has started it again
        server.start()


async def readiness(harness: BotHarness) -> tuple[int, dict[str, Any]]:
    url = f"http://127.0.0.1:{harness.bot.port}"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/metrics") as response:
            assert response.status == 200
        async with session.get(f"{url}/readyz") as response:
            return response.status, await response.json()


async def wait_until_ready(harness: BotHarness, *, ready: bool) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            status, details = await readiness(harness)
            if (status == 200) is ready:
                return details
            await asyncio.sleep(0.05)


async def test_an_outage_is_explained_and_everything_is_notified_once_afterwards(
    harness: BotHarness, server: PostgresServer
) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed to")
    assert (await readiness(harness))[1]["database"] is True
    with capture_logs() as logs:
        server.kill()
        details = await wait_until_ready(harness, ready=False)
        assert (details["database"], details["slack"]) == (False, True)
        build = harness.bitrise.start_build(harness.bitrise.android)
        harness.bitrise.finish(build, "success")
        for text in ("/bitrise list", "/bitrise trigger android branch:main", "/bitrise subscribe ios"):
            await harness.ask(text, AWAY)
        harness.users.open_home("anna")
        await harness.wait_until(lambda: AWAY in str(harness.slack.workspace.homes))
        finding = await _check_server(harness.database_url)
        assert (finding.passed, finding.result[:35]) == (False, "the database server does not answer")
        server.start()
        details = await wait_until_ready(harness, ready=True)
        assert details["database"] is True
        await harness.wait_for_message("#1 passed", person=None)
        await harness.wait_until(lambda: AWAY not in str(harness.slack.workspace.homes))
        await harness.ask("/bitrise subscribe ios", "subscribed to")
    events = [entry["event"] for entry in logs if entry["log_level"] in ("warning", "error")]
    # The server may have been killed while something was committed.
    events = [event for event in events if event != "database.commit_unconfirmed"]
    assert events == ["database.unavailable", "database.available"]
    assert not [entry for entry in logs if "exc_info" in entry]
    await harness.wait_for_poll()
    assert len(harness.messages_with("#1 passed")) == 1
    assert len(harness.bitrise.state.builds) == 1


async def test_connections_that_are_ended_again_and_again_lose_and_double_nothing(
    harness: BotHarness, server: PostgresServer
) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed to")
    with capture_logs() as logs:
        for number in range(1, 6):
            build = harness.bitrise.start_build(harness.bitrise.android)
            server.end_connections(harness.database_url)
            harness.bitrise.finish(build, "success")
            await asyncio.sleep(0)
            server.end_connections(harness.database_url)
            await harness.wait_for_message(f"#{number} passed", person=None)
    assert not [entry for entry in logs if "exc_info" in entry]
    await harness.wait_for_poll()
    assert [len(harness.messages_with(f"#{number} passed")) for number in range(1, 6)] == [1] * 5


async def test_an_answer_of_slack_is_stored_once_the_database_is_back(
    harness: BotHarness, server: PostgresServer
) -> None:
    # Where Slack lets the bot read nothing back, only the answer says that the message was posted.
    await harness.ask("/bitrise subscribe android", "subscribed to", channel="random")
    build = harness.bitrise.start_build(harness.bitrise.android)
    held = Fault("chat.postMessage", "held")
    harness.slack.api.faults.add(held)
    harness.bitrise.finish(build, "success")
    await harness.wait_until(lambda: bool(harness.slack.api.faults.held))
    value = harness.bot.metrics.registry.get_sample_value
    assert (await readiness(harness))[0] == 200
    age = value("buildbell_outbox_age_seconds")
    assert age
    server.kill()
    held.released.set()
    await harness.wait_for_message("#1 passed", person=None, channel="random")
    await wait_until_ready(harness, ready=False)
    assert [value(f"buildbell_{name}") for name in ("ready", "database_available", "outbox_depth")] == [
        0,
        0,
        1,
    ]
    # Nobody can read how old it is, but it certainly does not get younger.
    assert (value("buildbell_outbox_age_seconds") or 0) > age
    server.start()
    await harness.wait_for_values("SELECT status FROM notifications", "told")
    outcomes = ("found", "missing", "unreadable")
    assert [value("buildbell_doubts_settled_total", {"outcome": outcome}) or 0 for outcome in outcomes] == [
        0,
        0,
        0,
    ]
    assert len(harness.messages_with("#1 passed", channel="random")) == 1


async def test_the_result_of_an_action_needs_no_database_and_a_started_run_is_followed_once_it_is_back(
    harness: BotHarness, server: PostgresServer
) -> None:
    held = harness.bitrise.fault("POST *", "held")
    before = harness.last()
    await harness.users.command("anna", "builds", "/bitrise trigger android branch:main")
    await harness.wait_until(lambda: bool(harness.bitrise.faults.held))
    with capture_logs() as logs:
        server.kill()
        held.released.set()
        answer = await harness.wait_for_message("Sample Android", after=before)
        assert answer.only_for == "U0ANNA"
        await harness.wait_until(lambda: "audit.not_recorded" in [entry["event"] for entry in logs])
        server.start()
    [build] = harness.bitrise.state.builds
    await harness.wait_for_message("anna started", person=None)
    harness.bitrise.finish(build)
    await harness.wait_for_message("passed", person=None)
    assert len(harness.messages_with("Sample Android #1")) == 1
    assert harness.messages_with(AWAY) == []


async def test_the_bot_stops_in_time_while_the_database_is_away(
    harness: BotHarness, server: PostgresServer
) -> None:
    server.kill()
    try:
        await wait_until_ready(harness, ready=False)
        await asyncio.wait_for(harness.stop_bot(), 30)
    finally:
        server.start()


async def test_a_bot_of_many_workspaces_answers_in_time_although_it_can_not_look_them_up(
    tmp_path: Path, server: PostgresServer
) -> None:
    # Other work waits longer for the database than Slack waits for an answer.
    seconds = {"database_wait_seconds": 600.0, "lookup_seconds": 0.5}
    url = server.new_database()
    async with multi_workspace_harness(tmp_path, seconds=seconds, database_url=url) as harness:
        await harness.install_everywhere()
        harness.slack.delivery.retries_after = ()
        with capture_logs() as logs:
            server.kill()
            try:
                answer = await harness.users.command("anna", "builds", "/bitrise help")
                assert answer is not None
                assert answer.body["text"] == AWAY
                harness.users.open_home("anna")
                await harness.slack.delivery.wait_for_events()
                entries = harness.slack.request_log.entries
                [opened] = [entry.response for entry in entries if entry.title == "app_home_opened"]
                assert opened == "(the app answered 503)"
            finally:
                server.start()
            async with asyncio.timeout(30):
                while (answer := await harness.users.command("anna", "builds", "/bitrise help")) is not None:
                    if answer.body.get("text") != AWAY:
                        break
            await harness.wait_for_message("Commands")
    assert not [entry for entry in logs if "exc_info" in entry]
