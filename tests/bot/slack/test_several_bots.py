"""Slack's requests come to any of several bots: each is answered once, and what one has changed the others show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from sandbox.slack.models import TEAM
from services.events import PersonChanged
from services.home.refresher import HomeRefresher
from tests.handlers.test_home import shows
from tests.support.many_bots import ManagedBot, ManyBots, many_bots
from tests.support.postgres import PostgresServer
from tests.support.request_recorder import RequestRecorder


async def wait_until_they_listen(harness: ManyBots) -> None:
    """Wait until each bot hears what the others say; each connects for that after its start."""
    heard: set[tuple[str, str]] = set()
    for bot in harness.bots:
        bot._events.subscribe(PersonChanged, lambda event, name=bot.name: heard.add((name, event.team)))  # type: ignore[misc]
    everything = {(bot.name, other.name) for bot in harness.bots for other in harness.bots}
    async with asyncio.timeout(30):
        while not heard >= everything:
            for bot in harness.bots:
                bot._events.publish(PersonChanged(bot.name, "somebody"))
            await asyncio.sleep(0.05)


@pytest.fixture
async def harness(tmp_path: Path, postgres: PostgresServer) -> AsyncIterator[ManyBots]:
    async with many_bots(tmp_path, postgres, count=3) as running_harness:
        await wait_until_they_listen(running_harness)
        yield running_harness
        assert running_harness.slack.violations == []


def refresher_of(bot: ManagedBot) -> HomeRefresher:
    [refresher] = [job for job in bot._supervisor._jobs if isinstance(job, HomeRefresher)]
    return refresher


async def wait_for_homes(harness: ManyBots, times: int) -> None:
    """Wait until all bots together have answered this many openings of Homes."""
    labels = {"command": "home", "outcome": "answered"}

    def count() -> float:
        samples = (
            bot.metrics.registry.get_sample_value("buildbell_commands_total", labels) for bot in harness.bots
        )
        return sum(sample or 0 for sample in samples)

    await harness.wait_until(lambda: count() >= times)


async def test_a_command_that_reaches_all_bots_is_answered_once(harness: ManyBots) -> None:
    mirror = RequestRecorder(harness.slack.delivery)
    await harness.ask("/bitrise apps", "3 apps")
    harness.users.say("anna", "D0ANNA", "help")
    await harness.wait_for_message("Commands", channel="D0ANNA")
    for bot in harness.bots:
        await mirror.send_again(f"http://127.0.0.1:{bot.port}/slack/events")
    await harness.stop_bot()  # they finish what has come
    assert len(harness.messages_with("Commands", "D0ANNA")) == 1
    assert sum("3 apps" in harness.message_text(post) for post in harness.slack.posts("builds", "anna")) == 1


async def test_a_home_is_updated_wherever_its_user_does_something(harness: ManyBots) -> None:
    await harness.ask("/bitrise subscribe web", "subscribed to")
    harness.users.open_home("anna")
    await shows(harness, "Web Shop: all finished builds")
    # One press after the other comes to each bot.
    for _ in harness.bots:
        await harness.users.set_value("anna", "Pause")
        await shows(harness, "Paused.")
        await harness.users.set_value("anna", "Resume")
        await shows(harness, "[Pause]", without="Paused.")


async def test_a_home_is_shown_by_the_bot_at_which_it_was_opened_last(harness: ManyBots) -> None:
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.start_running(build)
    for _ in range(2 * len(harness.bots)):
        harness.users.open_home("anna")
    await shows(harness, "Sample Android #1 is running")
    await wait_for_homes(harness, 2 * len(harness.bots))
    open_at = [len(refresher_of(bot)._open) for bot in harness.bots]
    assert sorted(open_at) == [0, 0, 1]
    harness.users.open_home("anna", tab="messages")
    await harness.wait_until(lambda: not any(refresher_of(bot)._open for bot in harness.bots))


async def test_an_account_that_was_disconnected_is_forgotten_by_all_bots(harness: ManyBots) -> None:
    heard: list[PersonChanged] = []

    def note(event: PersonChanged) -> None:
        if event.person == "U0ANNA":
            heard.append(event)

    for bot in harness.bots:
        bot._events.subscribe(PersonChanged, note)
    await harness.connect("anna")
    await harness.wait_until(lambda: len(heard) == len(harness.bots))
    await harness.disconnect("anna")
    await harness.wait_until(lambda: len(heard) == 2 * len(harness.bots))
    assert set(heard) == {PersonChanged(TEAM, "U0ANNA")}


async def test_a_workspace_that_was_removed_by_one_bot_is_forgotten_by_all(harness: ManyBots) -> None:
    for _ in harness.bots:
        harness.users.open_home("anna")
    await shows(harness, "There are none.")
    await wait_for_homes(harness, len(harness.bots))
    harness.slack.uninstall(TEAM)
    await harness.wait_until(lambda: harness.count_rows_with(TEAM) == {})
    await harness.wait_until(lambda: not any(refresher_of(bot)._open for bot in harness.bots))


async def test_all_bots_show_the_same_numbers_of_what_is_in_the_database(harness: ManyBots) -> None:
    await harness.ask("/bitrise subscribe web", "subscribed to")
    numbers = set()
    async with aiohttp.ClientSession() as session:
        for bot in harness.bots:
            async with session.get(f"http://127.0.0.1:{bot.port}/metrics") as response:
                lines = (await response.text()).splitlines()
            numbers.add(
                tuple(
                    line
                    for line in lines
                    if line.startswith(("buildbell_subscriptions ", "buildbell_outbox_depth "))
                )
            )
    assert numbers == {("buildbell_outbox_depth 0.0", "buildbell_subscriptions 1.0")}
