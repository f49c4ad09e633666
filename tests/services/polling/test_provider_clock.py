"""A provider whose clock is not the bot's: what its times mean is told by its own clock."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from domain.provider import Provider
from tests.support.bot_harness import bot_harness


async def test_alerts_and_times_stay_true_where_the_providers_clocks_are_ahead(tmp_path: Path) -> None:
    async with bot_harness(tmp_path) as town:
        town.clock.skip(timedelta(minutes=10))
        await town.connect("anna")
        await town.connect("anna", provider=Provider.BUILDIO)
        await town.ask("/bitrise subscribe android running:1m", "subscribed this channel")
        await town.ask("/buildio subscribe shop", "subscribed this channel")

        build = town.bitrise.start_build(town.bitrise.android, ends_as=None)
        town.bitrise.start_running(build)
        await town.wait_for_poll()
        assert town.messages_with("running for long") == []
        town.clock.skip(timedelta(minutes=2))
        assert "building for 2 min" in town.message_text(await town.wait_for_message("running for long"))
        # The bot's clock has it begin in the future; Bitrise's knows better.
        await town.ask("/bitrise status android", "building for 2 min")

        town.buildio.deploy(town.buildio.shop)
        town.clock.skip(timedelta(minutes=5))
        await town.wait_for_message("shop deployment v2 succeeded")
        # A deployment restarts dynos for a while; that while is over, and this is a crash.
        town.clock.skip(timedelta(minutes=4))
        town.buildio.crash(town.buildio.dyno(town.buildio.shop))
        await town.wait_for_message("shop web.1 crashed")
        assert town.slack.violations == []
