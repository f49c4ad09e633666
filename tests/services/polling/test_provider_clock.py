"""A provider whose clock differs from the bot's: its times are compared with its own clock."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from providers.buildio.provider import BUILDIO
from tests.support.bot_harness import bot_harness


async def test_alerts_and_times_are_correct_if_the_providers_clocks_are_ahead(tmp_path: Path) -> None:
    async with bot_harness(tmp_path) as harness:
        harness.clock.skip(timedelta(minutes=10))
        await harness.connect("anna")
        await harness.connect("anna", provider=BUILDIO)
        await harness.ask("/bitrise subscribe android running:1m", "subscribed to")
        await harness.ask("/buildio subscribe shop", "subscribed to")

        build = harness.bitrise.start_build(harness.bitrise.android, ends_as=None)
        harness.bitrise.start_running(build)
        await harness.wait_for_poll()
        assert harness.messages_with("running for a long time") == []
        harness.clock.skip(timedelta(minutes=2))
        assert "building for 2m" in harness.message_text(
            await harness.wait_for_message("running for a long time")
        )
        # By the bot's clock the build starts in the future; Bitrise's clock is used instead.
        await harness.ask("/bitrise status android", "building for 2m")

        harness.buildio.deploy(harness.buildio.shop)
        harness.clock.skip(timedelta(minutes=5))
        await harness.wait_for_message("shop deployment v2 succeeded")
        # A deployment restarts dynos for a while; after that time a restart is a crash.
        harness.clock.skip(timedelta(minutes=4))
        harness.buildio.crash(harness.buildio.dyno(harness.buildio.shop))
        await harness.wait_for_message("shop web.1 crashed")
        assert harness.slack.violations == []
