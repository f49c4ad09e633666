"""The whole bot beside the simulated Build.io: what it tells without being asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.request import urlopen

from pydantic import SecretStr

from domain.build import App
from domain.credentials import FixedToken
from domain.notifications.rule import NotificationRule
from domain.provider import Provider
from providers.buildio.api.client import BuildioClient
from providers.buildio.polling.source import BuildioBuildSource
from providers.http.transport import HttpTransport
from sandbox.buildio.members import TOKEN
from storage.database import Database
from tests.support.bot_harness import BotHarness
from tests.support.repositories import make_repositories


@asynccontextmanager
async def town_told_of_shop(folder: Path, **settings: str) -> AsyncIterator[BotHarness]:
    """A town in which #builds was told of shop before the bot came."""
    town = BotHarness(folder, settings=settings)
    await town.open()
    try:
        await subscribe(town)
        await town.start_bot()
        yield town
        assert town.slack.violations == []
        assert town.buildio.violations == []
    finally:
        await town.close()


async def subscribe(harness: BotHarness) -> None:
    database = await Database.open(harness.folder / "buildbell.db")
    async with HttpTransport() as http:
        client = BuildioClient(
            http,
            credentials=FixedToken(SecretStr(TOKEN)),
            base_url=harness.buildio.api_url,
            clock=harness.clock,
        )
        shop = App(provider=Provider.BUILDIO, slug=harness.buildio.shop.id, title="shop")
        await (
            make_repositories(database)
            .of(harness.slack.workspace.team)
            .subscriptions.add(
                channel=harness.slack.workspace.find_channel("builds").id,
                app=shop,
                terms=NotificationRule(),
                by="U0ANNA",
                at=harness.clock(),
                baseline=await BuildioBuildSource(client, clock=harness.clock).baseline(shop.slug),
            )
        )
    await database.close()


async def test_a_deployment_is_told_beside_bitrises_builds(tmp_path: Path) -> None:
    async with town_told_of_shop(tmp_path) as town:
        town.buildio.deploy(town.buildio.shop, fails="Build failed: no Procfile")
        town.clock.skip(timedelta(minutes=5))
        post = await town.wait_for_message("shop deployment v2 failed")
        assert "no Procfile" in town.message_text(post)
        await town.ask("/bitrise subscribe android", "subscribed this channel")
        town.bitrise.finish(town.bitrise.start_build(town.bitrise.android))
        await town.wait_for_message("Sample Android #1 succeeded")
        assert len(town.messages_with("shop deployment v2")) == 1


async def test_build_io_alone_is_enough(tmp_path: Path) -> None:
    async with town_told_of_shop(tmp_path, bitrise_token="") as town:
        town.buildio.crash(town.buildio.dyno(town.buildio.shop))
        await town.wait_for_message("shop web.1 crashed")
        asked = [one.path for one in town.bitrise.requests]
        assert asked == []
        ready = json.loads(await read(town, "readyz"))
        assert ready["buildio_failures"] == 0
        assert "bitrise_failures" not in ready


async def test_a_token_that_is_taken_back_is_seen_in_the_metrics_of_its_provider_alone(
    tmp_path: Path,
) -> None:
    async with town_told_of_shop(tmp_path) as town:
        town.buildio.revoke(TOKEN)
        sample = town.bot.metrics.registry.get_sample_value

        async def failed() -> tuple[float | None, float | None]:
            await read(town, "metrics")
            at = [{"provider": name} for name in ("buildio", "bitrise")]
            one, other = (sample("buildbell_watch_failures", labels) for labels in at)
            return one, other

        while not (failures := await failed())[0]:
            pass
        assert failures[1] == 0


async def test_a_bot_that_is_stopped_and_begun_again_tells_everything_once(tmp_path: Path) -> None:
    async with town_told_of_shop(tmp_path) as town:
        town.buildio.deploy(town.buildio.shop)
        for _ in range(4):
            await town.stop_bot()
            town.clock.skip(timedelta(seconds=60))
            await town.start_bot()
        await town.wait_for_message("shop deployment v2 succeeded")
        await town.stop_bot()
        await town.start_bot()
        town.buildio.deploy(town.buildio.shop, fails="no")
        town.clock.skip(timedelta(minutes=5))
        await town.wait_for_message("shop deployment v3 failed")
        assert len(town.messages_with("shop deployment v2")) == 1


async def read(harness: BotHarness, page: str) -> str:
    def get() -> str:
        with urlopen(f"http://127.0.0.1:{harness.bot.port}/{page}") as answer:
            return str(answer.read().decode())

    return await asyncio.to_thread(get)
